"""What is trained: a subclass says what an example is, how it becomes probabilities and how it is scored.

`engine.fit` trains any learner, from memory or from the records, and `freezing` writes its `TrainedGraph`.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from src.common.tf1 import tf
from src.engine import checkpoints, loop
from src.engine.checkpoints import State
from src.engine.optimizers import initialize
from src.engine.sources import Source
from src.graph.preprocessing.find import Preprocessing
from src.models.dense import probabilities
from src.records.dataset import Examples, Records
from src.records.fields import Field
from src.scoring.calibrated import UNCALIBRATED, Calibration, Predicted, calibrate, calibrated_score
from src.scoring.scores import scalars, score

# Probabilities of validation examples that a temperature is fitted on, at most: 64 MB of float32.
MOST_FITTED = 16 << 20


class Learner:
    """Trainable layers in the default graph.

    A subclass sets in `build`: `train_op`, `cost` (scalar), `histograms` (a merged summary, or None) and,
    where the saved weights are not all trainable variables, `weights`: variables by their names in the
    checkpoint.
    """

    kind: ClassVar[str]  # its name in model.json
    parts: ClassVar[tuple[str, ...]]  # what a frozen file of it holds, for messages
    # Examples of each part that are evaluated during training, at most. Only validation decides anything.
    samples: ClassVar[Mapping[str, int]]
    monitor: ClassVar[str]  # the scalar to minimize, where there are validation examples
    unit: ClassVar[str] = 'steps'  # of the progress bar
    scores_start: ClassVar[bool] = False  # whether the initial weights are evaluated, and may stay the best
    # Training examples that the training score is computed on, at most; None: all.
    scored_of_train: ClassVar[int | None] = None
    weights: Mapping[str, tf.Variable] | None = None

    def __init__(self, recipe: Any, source: Source, classes: int):
        self.recipe, self.source, self.classes = recipe, source, classes
        self._samples = {
            part: self._first(part, most) for part, most in self.samples.items() if part in source.parts
        }
        self.step = tf.train.get_or_create_global_step()
        self.build()

    @classmethod
    def settled(cls, recipe: Any, records: Records) -> Any:
        """The recipe with the values that follow from the records or the machine filled in. Raises UserError
        when it does not fit the records."""
        return recipe

    @classmethod
    def field(cls, recipe: Any, records: Records) -> Field:
        """What an example is. Raises UserError when the records do not hold it."""
        raise NotImplementedError

    @classmethod
    def examples(cls, recipe: Any, records: Records) -> Records:
        """The records that hold `field`, with the splits and classes of `records`; they are made here where
        they do not exist yet."""
        return records

    @classmethod
    def facts(cls, recipe: Any, records: Records) -> dict[str, Any]:
        """`backbone` (None without one) and `precision`, for model.json."""
        raise NotImplementedError

    @classmethod
    def trained_graph(
        cls, facts: Mapping[str, Any], checkpoint: str, as_released: bool = False
    ) -> TrainedGraph:
        """The model in a checkpoint, by the facts in its model.json, as a graph from pixels to probabilities;
        `as_released` leaves the backbone unoptimized, to compare with."""
        raise NotImplementedError

    def build(self) -> None:
        raise NotImplementedError

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        raise NotImplementedError

    @property
    def evaluate_every(self) -> int:
        """Steps between two evaluations."""
        raise NotImplementedError

    @property
    def variants(self) -> int:
        """How many training examples come from one photo: itself first, then augmented ones. With more than
        one, `scored_of_train` has to be set."""
        return 1

    def feed(self, step: int) -> dict[tf.Tensor, np.ndarray]:
        """The feed of a training step."""
        raise NotImplementedError

    def predict(self, session: tf.Session, examples: Examples) -> np.ndarray:
        """Probabilities [N, classes] float32."""
        raise NotImplementedError

    def predict_quickly(self, session: tf.Session, examples: Examples) -> np.ndarray:
        """The same for evaluations during training, possibly less accurate."""
        return self.predict(session, examples)

    def show_inputs(self, session: tf.Session, folder: Path) -> None:
        """Write what the learner sees to the summaries in `folder`, where there is anything to see."""

    def initialize(self, session: tf.Session) -> None:
        initialize(session)

    def train(self, session: tf.Session, folder: Path, summaries: Path) -> State:
        """Train, or go on training, with checkpoints in `folder` and TensorBoard's files in `summaries`.
        Leaves the best weights in the session."""
        return loop.fit(session, self.task(), folder, summaries)

    def found(self, session: tf.Session) -> dict[str, Any]:
        """What the training chose besides the weights, for metrics/<model>.json."""
        return {}

    def outcome(
        self, session: tf.Session, otherwise: Calibration = UNCALIBRATED
    ) -> tuple[Calibration, dict[str, dict[str, Any]]]:
        """The calibration, fitted on the validation examples (without any, `otherwise`); and the calibrated
        scores of each part on all its examples, or of `train` on the first `scored_of_train` that are not
        augmented."""
        predicted = {part: self._predicted(session, part) for part in self.source.parts}
        calibration = otherwise
        if 'validation' in predicted:
            held = self._held(predicted['validation'])
            calibration = calibrate(*(np.concatenate(each) for each in zip(*held, strict=True)), 'validation')
            # Pixels take long to predict: the predictions in memory are used again.
            predicted['validation'] = itertools.chain(held, predicted['validation'])
        return calibration, {part: calibrated_score(some, calibration) for part, some in predicted.items()}

    def _predicted(self, session: tf.Session, part: str) -> Iterator[Predicted]:
        """The predictions for the examples of a part that are scored, some at a time."""
        most = self.scored_of_train if part == 'train' else None
        chunks = [self._first(part, most)] if most else self.source.chunks(part)
        return ((self.predict(session, chunk), chunk.labels) for chunk in chunks)

    def _held(self, predicted: Iterator[Predicted]) -> list[Predicted]:
        """The first of the predictions, up to MOST_FITTED numbers: records hold the examples in a random
        order."""
        held, free = [], MOST_FITTED
        while free > 0 and (some := next(predicted, None)):
            held.append(some)
            free -= some[0].size
        return held

    def _first(self, part: str, most: int) -> Examples:
        return self.source.first(part, most, self.variants if part == 'train' else 1)

    def evaluate(self, session: tf.Session) -> dict[str, float]:
        """Scalars for TensorBoard by tag, from samples of the parts."""
        predicted = {part: self.predict_quickly(session, held) for part, held in self._samples.items()}
        return scalars({part: score(predicted[part], held.labels) for part, held in self._samples.items()})

    def task(self) -> loop.Task:
        return loop.Task(
            train_op=self.train_op,
            step=self.step,
            cost=self.cost,
            feed=self.feed,
            evaluate=self.evaluate,
            steps=self.steps,
            evaluate_every=self.evaluate_every,
            patience=self.recipe.patience,
            monitor=self.monitor if 'validation' in self.source.parts else None,
            histograms=self.histograms,
            weights=self.weights,
            examples=1 if self.unit == 'steps' else self.recipe.batch_size,
            unit=self.unit,
            scores_start=self.scores_start,
        )


@dataclass(frozen=True)
class Attached:
    """A trained model in the default graph: its `probabilities` [N, classes] float32; the names of tensors to
    `keep` in a frozen file; `backbone`: entries to add to its facts of the backbone."""

    probabilities: tf.Tensor
    keep: list[str]
    backbone: dict[str, Any] = field(default_factory=dict)


class TrainedGraph:
    """A trained model from pixels to probabilities. `graph_def` holds at least the `preprocessing`."""

    graph_def: tf.GraphDef
    preprocessing: Preprocessing

    def attach(self, session: tf.Session, classes: int) -> Attached:
        """Build the model in the default graph and restore its weights into `session`. Pixels are fed at
        `preprocessing.pixels`, [N, height, width, 3] float32, or one encoded image at `preprocessing.image`.

        Raises UserError when the checkpoint is damaged or does not fit.
        """
        raise NotImplementedError


def with_temperature(logits: tf.Tensor, checkpoint: str) -> tuple[tf.Tensor, list[str]]:
    """The output of a `TrainedGraph`: probabilities [N, classes] of logits, with the temperature that is
    stored with a checkpoint; and names of tensors to keep, so that the temperature is not folded into the
    weights of the last layer."""
    temperature = checkpoints.calibration_of(checkpoint).temperature
    return probabilities(logits, temperature=temperature), [logits.name] if temperature != 1 else []

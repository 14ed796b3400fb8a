"""Fine-tuning: the last layers of a frozen backbone, trained on together with its head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from src.common.tf1 import tf
from src.engine import board, checkpoints
from src.engine.fine_tuning.activations import Plan, activations_field, with_activations
from src.engine.fine_tuning.variants import varied
from src.engine.learner import Learner
from src.engine.learners.start import cut_of, trained_head
from src.engine.learners.tail_graph import SCOPE, TailGraph, checkpoint_name
from src.engine.optimizers import assign, averaged, learning_rate, minimize
from src.graph.backbones import Backbone
from src.graph.joined.load import backbone_of
from src.graph.precision import in_tensorflow
from src.graph.unfreezing.gradients import require_gradients
from src.images.reader import ImageReader
from src.models.dense import SCOPE as HEAD
from src.models.dense import cross_entropy, dense_head, head_variables, probabilities
from src.recipes.recipe import FineTuneRecipe
from src.records.dataset import Examples, Records, open_records
from src.records.fields import Field, pixels

EVALUATED_AT_ONCE = 100


class Tail(Learner):
    """The layers of a backbone behind a cut, and the head.

    An example is a row of activations at the cut, or, without the cache, a picture, which goes through the
    frozen part at each step. The checkpoint holds `thawed/<constant>/W` (kernels) or `/b` and `head/...`,
    as their moving averages where the recipe says so. `inputs` is what evaluation feeds, never augmented.
    """

    kind = 'tail'
    parts = ('fine-tuned backbone', 'head')
    samples = {'train': 200, 'validation': 2000}  # noqa: RUF012
    monitor = 'validation_log_loss'
    scored_of_train = 500
    unit = 'img'
    scores_start = True

    @classmethod
    def settled(cls, recipe: FineTuneRecipe, records: Records) -> FineTuneRecipe:
        return replace(recipe, start=trained_head(recipe, records).model)

    @classmethod
    def field(cls, recipe: FineTuneRecipe, records: Records) -> Field:
        cut = cut_of(recipe, records)
        if recipe.cache:
            return activations_field(cut.values)
        # float16 keeps fractions of 1/16 of 255, and half the memory.
        return pixels(_reader(cut.backbone), np.float16)

    @classmethod
    def examples(cls, recipe: FineTuneRecipe, records: Records) -> Records:
        if not recipe.cache:
            return records
        r = recipe
        return with_activations(Plan(records, cut_of(r, records), r.variants, r.augmentation, r.seed))

    @classmethod
    def facts(cls, recipe: FineTuneRecipe, records: Records) -> dict[str, Any]:
        cut = cut_of(recipe, records)
        return {
            'backbone': records.manifest['backbone'],
            'precision': in_tensorflow(records.manifest['precision']),
            'thawed': list(cut.weights),
            'cut': [tensor.name for tensor in cut.crossing],
            'start_sha256': trained_head(recipe, records).sha256,
        }

    @classmethod
    def trained_graph(cls, facts: Mapping[str, Any], checkpoint: str, as_released: bool = False) -> TailGraph:
        """Always of the optimized backbone: the trained weights have batch norms folded into them."""
        return TailGraph(backbone_of(facts['backbone']), facts['thawed'], checkpoint)

    def build(self) -> None:
        r, records = self.recipe, open_records(self.recipe.data_set)
        self.cut, self.head = cut_of(r, records), trained_head(r, records)
        self.labels = tf.placeholder(tf.int32, [None], 'labels')
        activations = self._activations()
        with tf.variable_scope(SCOPE):
            thawed = {
                name: tf.get_variable(checkpoint_name(name, value), value.shape, tf.float32)
                for name, value in self.cut.weights.items()
            }
        vector = self.cut.attach_tail(activations, thawed)
        require_gradients(vector, thawed, self.cut.backbone.path)
        logits = dense_head(vector, self.head.layers, r.dropout, (r.seed, self.step), r.seed)
        self.variables = [*thawed.values(), *head_variables()]  # before the optimizer adds its own
        truth = tf.one_hot(self.labels, self.classes)
        self.cost = cross_entropy(truth, logits, r.label_smoothing)
        self.train_op = self._minimize()
        self.train_op, average = averaged(self.train_op, self.variables, r.averaging, self.step)
        self.weights = {v.op.name: average(v) for v in self.variables}
        means = {name: average(variable) for name, variable in thawed.items()}
        vector = self.cut.attach_tail(activations, means)
        with tf.variable_scope(
            '', reuse=True, custom_getter=lambda getter, *a, **k: average(getter(*a, **k))
        ):
            self.probabilities = probabilities(dense_head(vector, self.head.layers))
        self.histograms = tf.summary.merge(
            [tf.summary.histogram(board.WEIGHTS + name, v) for name, v in self.weights.items()]
        )

    def _activations(self) -> tf.Tensor:
        r = self.recipe
        if r.cache:
            self.fed = self.inputs = tf.placeholder(tf.float16, [None, self.cut.values], 'activations')
            return tf.cast(self.inputs, tf.float32)
        preprocessing = self.cut.backbone.preprocessing
        shape = [None, preprocessing.height, preprocessing.width, 3]
        self.fed = tf.placeholder(tf.float16, shape, 'pixels')
        order = tf.range(r.batch_size, dtype=tf.int64) + self.step * r.batch_size
        epoch = order // self.source.number('train')
        # Evaluation feeds this tensor, so that there is one copy of the frozen part.
        self.inputs = varied(self.fed, (r.seed, self.step), r.augmentation, epoch)
        return self.cut.attach_frozen(tf.cast(self.inputs, tf.float32))

    def _minimize(self) -> tf.Operation:
        r = self.recipe
        rate = learning_rate('cosine', r.learning_rate, r.warmup, self.step, self.steps)
        return minimize(self.cost, rate, self.step, 'adam', 0.0, r.weight_decay, [])

    @property
    def steps(self) -> int:
        return max(1, round(self.recipe.epochs * self._photos / self.recipe.batch_size))

    @property
    def evaluate_every(self) -> int:
        """An epoch: as many examples as there are photos."""
        return min(max(1, self._photos // self.recipe.batch_size), self.steps)

    @property
    def _photos(self) -> int:
        return self.source.number('train') // self.variants

    @property
    def variants(self) -> int:
        return self.recipe.variants if self.recipe.cache else 1

    def initialize(self, session: tf.Session) -> None:
        """The weights of the backbone, and those of the trained head."""
        super().initialize(session)
        values = {
            f'{SCOPE}/{checkpoint_name(name, value)}': value for name, value in self.cut.weights.items()
        }
        with checkpoints.readable(self.head.checkpoint) as path:
            held = tf.train.load_checkpoint(path)
            values |= {
                v.op.name: held.get_tensor(v.op.name)
                for v in self.variables
                if v.op.name.startswith(f'{HEAD}/')
            }
        assign(
            session,
            [
                (one, values[variable.op.name])
                for variable in self.variables
                for one in (variable, self.weights[variable.op.name])
            ],
        )

    def feed(self, step: int) -> dict[tf.Tensor, np.ndarray]:
        """Activations [size, values] or pixels [size, height, width, 3], float16, and labels [size] int32."""
        values, labels = self.source.batch(step)
        return {self.fed: values, self.labels: labels}

    def predict(self, session: tf.Session, examples: Examples) -> np.ndarray:
        begins = range(0, len(examples), EVALUATED_AT_ONCE)
        parts = (examples.values[begin : begin + EVALUATED_AT_ONCE] for begin in begins)
        return np.concatenate([session.run(self.probabilities, {self.inputs: part}) for part in parts])

    def show_inputs(self, session: tf.Session, folder: Path) -> None:
        if not self.recipe.cache:
            board.show_inputs(session, tf.cast(self.inputs, tf.float32) / 255, self.feed, folder)


def _reader(backbone: Backbone) -> ImageReader:
    return ImageReader(backbone.graph_def, backbone.preprocessing)

"""What heads and networks have in common while they learn: how they are judged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np

from src.common.tf1 import tf
from src.engine.sources import Source
from src.records.dataset import Examples
from src.scoring.scores import scalars, score, whole_score


class Learner:
    """Something that learns from the `train` part of a source; `samples` is how many examples of which parts
    are evaluated now and then, at most."""

    def __init__(self, source: Source, samples: Mapping[str, int]):
        self.source = source
        self._samples = {
            part: source.first(part, most) for part, most in samples.items() if part in source.parts
        }

    def initialize(self, session: tf.Session) -> None:
        session.run(tf.global_variables_initializer())

    def predict(self, session: tf.Session, examples: Examples) -> np.ndarray:
        """Probabilities [N, classes] float32."""
        raise NotImplementedError

    def predict_one_view(self, session: tf.Session, examples: Examples) -> np.ndarray:
        """The same while it learns, perhaps not as good."""
        return self.predict(session, examples)

    def score(self, session: tf.Session, chunks: Iterable[Examples]) -> dict[str, float]:
        return whole_score((self.predict(session, chunk), chunk.labels) for chunk in chunks)

    def scores(self, session: tf.Session) -> dict[str, dict[str, float]]:
        """Scores of each part on all its examples."""
        return {part: self.score(session, self.source.chunks(part)) for part in self.source.parts}

    def evaluate(self, session: tf.Session) -> dict[str, float]:
        """The scalars of TensorBoard, from samples of the parts."""
        glanced = {part: self.predict_one_view(session, held) for part, held in self._samples.items()}
        return scalars({part: score(glanced[part], held.labels) for part, held in self._samples.items()})

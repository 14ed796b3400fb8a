"""Logistic regression: one weight for each class and each value of the picture."""

from __future__ import annotations

from src.common.tf1 import tf
from src.models.layers import Mode, dense, flatten


def logistic_regression(pixels: tf.Tensor, classes: int, mode: Mode) -> tf.Tensor:
    """Logits [N, classes] float32 of pixels [N, height, width, 3], about -1 to 1."""
    return dense(flatten(pixels), classes, 'logits')

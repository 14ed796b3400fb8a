"""Augmented variants of photos for fine-tuning: shifted and mirrored."""

from __future__ import annotations

from src.common.tf1 import tf
from src.images.augment import augment


def varied(
    pixels: tf.Tensor,
    seed: tuple[tf.Tensor | int, tf.Tensor | int],
    shift: float,
    flip: bool,
    epoch: tf.Tensor | int,
) -> tf.Tensor:
    """Augment pixels [N, height, width, 3] of any float dtype; returns the same shape and dtype.

    shift: by up to this share of the smaller side, in both directions; edges are padded by reflection.
    flip, epoch: as in `images.augment.augment`: each photo is mirrored in every other epoch.
    """
    height, width = pixels.shape[1:3].as_list()
    return augment(pixels, seed, round(shift * min(height, width)), flip, 0, epoch)

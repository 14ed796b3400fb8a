"""Augmented variants of photos for fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from src.common.tf1 import tf
from src.images.augment import augment


def varied(
    pixels: tf.Tensor,
    seed: tuple[tf.Tensor | int, tf.Tensor | int],
    augmentation: Mapping[str, Any],
    epoch: tf.Tensor | int,
) -> tf.Tensor:
    """Augment pixels [N, height, width, 3] of any float dtype; returns the same shape and dtype.

    augmentation: as `FineTuneRecipe.augmentation` has it. `shift` is a share of the smaller side, in both
        directions, and edges are padded by reflection; the others are arguments of `images.augment.augment`.
    epoch: as in `images.augment.augment`: with `flip` each photo is mirrored in every other epoch.
    """
    height, width = pixels.shape[1:3].as_list()
    others = {name: value for name, value in augmentation.items() if name != 'shift'}
    return augment(pixels, seed, round(augmentation['shift'] * min(height, width)), epoch=epoch, **others)

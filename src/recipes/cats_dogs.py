"""Cats and dogs from 2,000 photos: networks from pixels, and heads on a frozen backbone.

The records: `python -m src.data_preparation.dogs_vs_cats_to_tfrecords --train-per-class 1000
--validation-per-class 500 --test-per-class 500`, with `--no-backbone` for the networks from pixels.
"""

from __future__ import annotations

from src.recipes.recipe import HeadRecipe, PixelRecipe

NAME, SIDE = 'cats_dogs', 150


def cnn_small() -> PixelRecipe:
    """Four convolutions, one sigmoid unit, no augmentation.
    python -m src.training.train_images --recipe cats_dogs/cnn_small"""
    return PixelRecipe(
        NAME, 'cnn_small', SIDE, epochs=30, batch_size=20, optimiser='rmsprop', learning_rate=1e-4
    )


def transfer_head() -> HeadRecipe:
    """Two dense layers on the bottlenecks of a frozen backbone.
    python -m src.training.train --recipe cats_dogs/transfer_head"""
    return HeadRecipe(NAME, layers=(0, 256, 1))


RECIPES = (cnn_small, transfer_head)

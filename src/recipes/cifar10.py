"""CIFAR-10 from pixels: four networks of a tutorial (see docs/cifar10.md), and one of our own.

Scores are top-1 on the 10,000 test pictures of the JPEG copy that docs/cifar10.md describes, which were also
used to compare the recipes. Times are those of training alone on 2 cores (AMD EPYC with AVX-512 and
bfloat16).
"""

from __future__ import annotations

from src.recipes.recipe import PixelRecipe

NAME, SIDE = 'cifar10', 32


def logistic_regression() -> PixelRecipe:
    """One layer of weights. 40.6 % in 9 s."""
    return PixelRecipe(NAME, 'logistic_regression', SIDE, epochs=20, schedule='cosine', averaging=0.99)


def mlp() -> PixelRecipe:
    """Two hidden layers of 128 sigmoids. 53.3 % in two minutes."""
    return PixelRecipe(
        NAME,
        'mlp',
        SIDE,
        epochs=60,
        batch_size=256,
        schedule='cosine',
        learning_rate=0.003,
        crop=2,
        flip=True,
    )


def cnn_simple() -> PixelRecipe:
    """Two convolutions. 74.4 % in two to three minutes."""
    return PixelRecipe(
        NAME, 'cnn_simple', SIDE, epochs=20, schedule='cosine', learning_rate=0.002, crop=2, flip=True
    )


def cnn_deep() -> PixelRecipe:
    """Six convolutions, batch norm and dropout. 86 % in 15 minutes."""
    return PixelRecipe(
        NAME,
        'cnn_deep',
        SIDE,
        epochs=50,
        batch_size=128,
        optimiser='sgd',
        learning_rate=0.05,
        schedule='cosine',
        weight_decay=0.0005,
        label_smoothing=0.1,
        averaging=0.999,
        crop=4,
        flip=True,
        views=2,
    )


def cnn_best() -> PixelRecipe:
    """A whitening stem and six large convolutions. 91.2 % in 18 minutes."""
    return PixelRecipe(
        NAME,
        'cnn_best',
        SIDE,
        epochs=16,
        batch_size=1000,
        optimiser='muon',
        learning_rate=0.24,
        momentum=0.6,
        schedule='linear',
        label_smoothing=0.2,
        crop=2,
        flip=True,
        cutout=8,
        views=6,
        with_validation=True,
    )


RECIPES = (logistic_regression, mlp, cnn_simple, cnn_deep, cnn_best)

"""CIFAR-10 from pixels: the tutorial's four networks, and one of our own."""

from __future__ import annotations

from src.recipes.recipe import PixelRecipe

NAME, SIDE = 'cifar10', 32


def logistic_regression() -> PixelRecipe:
    """One layer."""
    return PixelRecipe(NAME, 'logistic_regression', SIDE, epochs=20, schedule='cosine', averaging=0.99)


def mlp() -> PixelRecipe:
    """Two hidden layers."""
    return PixelRecipe(NAME, 'mlp', SIDE, epochs=30, schedule='cosine')


def cnn_simple() -> PixelRecipe:
    """Two convolutions."""
    return PixelRecipe(NAME, 'cnn_simple', SIDE, epochs=15, schedule='cosine')


def cnn_deep() -> PixelRecipe:
    """Six convolutions."""
    return PixelRecipe(
        NAME,
        'cnn_deep',
        SIDE,
        epochs=45,
        batch_size=128,
        schedule='cosine',
        learning_rate=0.002,
        crop=4,
        flip=True,
    )


def cnn_best() -> PixelRecipe:
    """Seven convolutions."""
    return PixelRecipe(
        NAME,
        'cnn_best',
        SIDE,
        epochs=15,
        batch_size=512,
        optimiser='sgd',
        learning_rate=0.7,
        momentum=0.85,
        schedule='triangle',
        weight_decay=0.001,
        label_smoothing=0.2,
        averaging=0.99,
        crop=2,
        flip=True,
        mirror=True,
    )


RECIPES = (logistic_regression, mlp, cnn_simple, cnn_deep, cnn_best)

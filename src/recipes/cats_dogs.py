"""Cats and dogs from 2,000 photos."""

from __future__ import annotations

from src.recipes.recipe import FineTuneRecipe

NAME = 'cats_dogs'


def transfer_fine_tuned() -> FineTuneRecipe:
    """The last convolutions of the backbone, trained on with the head of the data set.
    python -m src.training.fine_tune --recipe cats_dogs/transfer_fine_tuned"""
    return FineTuneRecipe(NAME)


RECIPES = (transfer_fine_tuned,)

"""Distillation: small backbones that learn from large ones."""

from __future__ import annotations

from src.recipes.distill_recipe import DistillRecipe


def pocket() -> DistillRecipe:
    """A backbone of 4 MB for 144 x 144 pixels, to begin with.

    python -m src.training.distill photos/ --teacher PB --recipe distill/pocket"""
    return DistillRecipe()


RECIPES = (pocket,)

"""Distillation: small backbones that learn from large ones."""

from __future__ import annotations

from src.recipes.distill_recipe import DistillRecipe


def pocket() -> DistillRecipe:
    """The backbone that ships with Rootstock.

    python -m src.training.distill PHOTOS --teacher efficientnet_lite2_260.pb --recipe distill/pocket"""
    return DistillRecipe()


RECIPES = (pocket,)

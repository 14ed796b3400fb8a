"""Distillation: small backbones that learn from large ones."""

from __future__ import annotations

from src.recipes.distill_recipe import DistillRecipe


def pocket() -> DistillRecipe:
    """A backbone of 4 MB for 144 x 144 pixels: the first of the two trainings of frozen/pocket/pocket.pb.

    python -m src.training.distill images.tar more_160.tar train.zip --teacher efficientnet_lite2_260.pb

    Two hours on 2 CPU cores for 15,858 photos. A linear head on it names 71.2 % of 1,755 dogs that it has not
    seen, of 120 breeds (docs/pocket.md)."""
    return DistillRecipe()


RECIPES = (pocket,)

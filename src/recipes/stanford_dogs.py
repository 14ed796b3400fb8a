"""Dog breeds: heads on cached bottlenecks."""

from __future__ import annotations

from src.recipes.recipe import HeadRecipe


def inception_head() -> HeadRecipe:
    """The head that src/common/consts.py describes, on bottlenecks of the backbone that the records were made
    with."""
    return HeadRecipe()


RECIPES = (inception_head,)

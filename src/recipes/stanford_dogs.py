"""Dog breeds: heads on cached bottlenecks."""

from __future__ import annotations

from src.recipes.recipe import HeadRecipe


def inception_head() -> HeadRecipe:
    """The head that src/common/consts.py describes, on the bottlenecks of whatever backbone the records were
    made with."""
    return HeadRecipe()


RECIPES = (inception_head,)

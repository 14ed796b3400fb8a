"""Recipes by name: DATA_SET/EXPERIMENT, a function in src/recipes/DATA_SET.py."""

from __future__ import annotations

import argparse
import difflib
from types import ModuleType

from src.common.errors import UserError
from src.recipes import cats_dogs, cifar10, distill, dogs_vs_cats, stanford_dogs
from src.recipes.distill_recipe import DistillRecipe
from src.recipes.recipe import FineTuneRecipe, HeadRecipe, PixelRecipe

Recipe = HeadRecipe | PixelRecipe | FineTuneRecipe | DistillRecipe

BOOKS = (stanford_dogs, cifar10, cats_dogs, dogs_vs_cats, distill)
# What the training commands take without --recipe.
USUAL_HEAD, USUAL_NETWORK = 'stanford_dogs/inception_head', 'cifar10/cnn_simple'
USUAL_TAIL, USUAL_STUDENT = 'cats_dogs/transfer_fine_tuned', 'distill/pocket'
# The training command of each kind of recipe, in src.training.
COMMANDS = {
    HeadRecipe: 'train',
    PixelRecipe: 'train_images',
    FineTuneRecipe: 'fine_tune',
    DistillRecipe: 'distill',
}


def recipes() -> dict[str, Recipe]:
    """All recipes by name."""
    return {f'{_title(book)}/{make.__name__}': make() for book in BOOKS for make in book.RECIPES}


def usual_recipe(data_set: str, otherwise: str) -> str:
    """The recipe to suggest for a data set: the recipe `otherwise`, or, if that is for another data set, the
    first one of the same kind that is for this one."""
    known = recipes()
    if known[otherwise].data_set == data_set:
        return otherwise
    same_kind = (name for name in known if isinstance(known[name], type(known[otherwise])))
    return next((name for name in same_kind if known[name].data_set == data_set), otherwise)


def find_recipe(name: str, kind: type[Recipe]) -> Recipe:
    """The recipe of this name; the part behind the slash is enough where it is unique. Raises UserError when
    there is none, with similar names, or when it is of another kind."""
    known, name = recipes(), whole_name(name, kind)
    if name not in known:
        near = difflib.get_close_matches(name, known, 3, 0.4) or list(known)
        raise UserError(f'unknown recipe {name!r}; there is {", ".join(near)}')
    if not isinstance(known[name], kind):
        raise UserError(f'{name} is a recipe for python -m src.training.{COMMANDS[type(known[name])]}')
    return known[name]


def whole_name(name: str, kind: type[Recipe]) -> str:
    """'cifar10/cnn_deep' of 'cnn_deep', where a single recipe of this kind ends so; else `name`."""
    ends = [
        whole
        for whole, recipe in recipes().items()
        if whole.endswith(f'/{name}') and isinstance(recipe, kind)
    ]
    return ends[0] if len(ends) == 1 else name


def add_recipe(
    made: argparse.ArgumentParser, default: str, kind: type[Recipe], argv: list[str] | None
) -> Recipe:
    """Add the flag --recipe, and return the recipe that `argv` names: its values become the defaults of other
    flags. Raises UserError as `find_recipe` does."""
    made.add_argument(
        '--recipe',
        metavar='NAME',
        type=lambda name: whole_name(name, kind),
        default=default,
        help='default: %(default)s',
    )
    alone = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    alone.add_argument('--recipe', default=default)
    try:
        named = alone.parse_known_args(argv)[0].recipe
    except argparse.ArgumentError:  # --recipe without a name, which `made` will refuse
        named = default
    return find_recipe(named, kind)


def what(name: str) -> str:
    """The first paragraph of the recipe's docstring in one line."""
    book, _, experiment = name.partition('/')
    module = next(module for module in BOOKS if _title(module) == book)
    make = next(make for make in module.RECIPES if make.__name__ == experiment)
    return ' '.join(make.__doc__.partition('\n\n')[0].split())


def _title(book: ModuleType) -> str:
    return book.__name__.rpartition('.')[2]

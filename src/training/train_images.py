"""Train a network from pixels, as a recipe says.

    python -m src.training.train_images --recipe cifar10/cnn_simple
    python -m src.training.train_images --recipe cifar10/cnn_deep --epochs 5 --model quick
    python -m src.training.train_images --list

A recipe (src/recipes/) names the data set, the network, its augmentation and its training; flags change its
settings. Needs the records of the data set (such as those of src.data_preparation.cifar10_to_tfrecords).
Writes checkpoints/<model>/ (best and last), summary/<model>/ for TensorBoard and metrics/<model>.json with
the scores. It may be stopped at any time: the same command goes on from there.
"""

from __future__ import annotations

import argparse
from dataclasses import fields

from src.common import cli, errors, paths
from src.common.files import count
from src.common.locks import at_work
from src.common.names import model_for, plain_name
from src.common.progress import next_step, say
from src.engine.fit import fit
from src.engine.learners.network import Network
from src.engine.run_files import report
from src.engine.sources import parts_of
from src.recipes.find import USUAL_NETWORK, add_recipe, recipes, what
from src.recipes.recipe import PixelRecipe
from src.records.dataset import number_of, open_records
from src.records.next_commands import to_freeze


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.training.train_images', __doc__)
    recipe = add_recipe(made, USUAL_NETWORK, PixelRecipe, argv)
    made.add_argument('--list', action='store_true', help='name the recipes for pixels and end')
    made.add_argument(
        '--name', dest='data_set', type=plain_name, default=recipe.data_set, help='default: %(default)s'
    )
    cli.add_model(made, default="the recipe's name, with _ for /")
    cli.add_fresh(made)
    cli.add_fields(made.add_argument_group('settings of the recipe'), recipe)
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if args.list:
        for name, recipe in recipes().items():
            if isinstance(recipe, PixelRecipe):
                say(f'{name:<30} {what(name)}')
        return
    recipe = PixelRecipe(**{field.name: getattr(args, field.name) for field in fields(PixelRecipe)})
    model = args.model.name if args.model else model_for(recipe.data_set, args.recipe)
    records = open_records(recipe.data_set)
    learned = number_of(records, parts_of(records, recipe.learned_splits).get('train', ()))
    classes = count(len(records.classes), 'class', 'classes')
    say(f'{recipe.network} on {count(learned, "picture")} of {classes}')
    with at_work(paths.checkpoints(model)):
        state, scores = fit(Network, records, model, recipe, args.recipe, args.fresh)
    report(records, model, state, scores, Network.monitor)
    next_step(to_freeze(recipe.data_set, model))


if __name__ == '__main__':
    errors.run(main)

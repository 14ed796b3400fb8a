"""Train a fully connected head on the cached bottlenecks of a data set.

    python -m src.training.train
    python -m src.training.train --name flowers --layers 512,256,5 --steps 2000

Layers, batch size, learning rate and so on come from the recipe (src/recipes/; the usual one takes them from
src/common/consts.py) or from flags. Writes
checkpoints/<model>/ (best and last), summary/<model>/ for TensorBoard and metrics/<model>.json with
the scores. Stops early when the validation log loss no longer falls; keeps the best weights. Stop it
at any time: the same command goes on where it was.

    python -m src.training.train --name flowers --all-splits --folds 5

trains on every photo, for a final model. No photo is left to score it on: --folds 5 first trains five
heads, each on four fifths of the photos, and scores them on the rest. This cross-validation estimates how the
model does on photos that it has not seen.
"""

from __future__ import annotations

import argparse
from dataclasses import fields

from src.common import cli, consts, errors, files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.locks import at_work
from src.common.progress import next_step, say
from src.common.tf1 import tf
from src.engine import loop
from src.engine.checkpoints import State
from src.engine.learners.head import Head, evaluate_every, head_layers
from src.engine.run_files import claim, describe, outcome, tell
from src.engine.sources import fits_in_memory, open_source, parts_of
from src.recipes.find import USUAL_HEAD, add_recipe, find_recipe
from src.recipes.recipe import HeadRecipe
from src.records.dataset import Records, load, open_records
from src.records.next_commands import to_freeze
from src.scoring.kinds import CROSS_VALIDATION
from src.training.cross_validation import cross_validate

CROSS_VALIDATED = 'cross_validation.json'
USUAL = HeadRecipe()


def train_head(
    records: Records, model: str, recipe: HeadRecipe, name: str = '', fresh: bool = False, folds: int = 0
) -> tuple[State, dict[str, dict[str, float]]]:
    """Train, or go on training, checkpoints/<model> by the recipe `name` or what flags made of it. With
    `folds` cross-validate such heads first. Returns where it ended, and scores by split.

    Raises UserError when the model was begun with other data or settings, unless `fresh`.
    """
    description = describe(records, recipe, name)
    claim(model, description, fresh)
    if not parts_of(records, recipe.all_splits).get('train'):
        raise UserError(f'{paths.shown(records.folder)} holds no training examples: add photos')
    estimate = cross_validated(records, model, recipe, folds)
    source = open_source(records, recipe.all_splits, recipe.batch_size, recipe.seed)
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(recipe.seed)
        head = Head(recipe, source)
        head.initialize(session)
        state = loop.fit(
            session,
            head.task(),
            paths.checkpoints(model),
            paths.summaries(model),
            recipe.steps,
            evaluate_every(recipe.steps),
            recipe.patience,
        )
        scores = head.scores(session) | estimate
    files.write_json(paths.scores(model), description | outcome(state, scores))
    return state, scores


def cross_validated(
    records: Records, model: str, recipe: HeadRecipe, folds: int
) -> dict[str, dict[str, float]]:
    """The scores of cross-validation under their name, kept in checkpoints/<model>; those that are there
    already without `folds`, if any.

    Raises UserError where they do not apply, or when the bottlenecks do not fit in memory.
    """
    kept = paths.checkpoints(model) / CROSS_VALIDATED
    told = files.read_notes(kept)
    if folds and told.get('folds') != folds:
        if not recipe.all_splits:
            raise UserError('--folds goes with --all-splits: without it the test split scores the model')
        if not fits_in_memory(records):
            raise UserError(
                f'{paths.shown(records.folder)} needs more memory than MAX_BOTTLENECK_BYTES in '
                'src/common/consts.py allows, and --folds needs all in memory: leave --folds out, or raise it'
            )
        told = cross_validate(load(records, *parts_of(records, True)['train']), recipe, folds)
        files.write_json(kept, told)
    return {CROSS_VALIDATION: told} if told else {}


def add_settings(made: argparse.ArgumentParser, recipe: HeadRecipe = USUAL) -> None:
    """The flags behind `recipe_of`, with the recipe's values as defaults."""
    made.add_argument(
        '--layers',
        type=cli.layer_sizes,
        default=recipe.layers,
        help='units of each layer, such as 2048,1024,120',
    )
    made.add_argument('--steps', type=cli.whole_number(1), default=recipe.steps, help='default: %(default)s')
    made.add_argument(
        '--batch-size', type=cli.whole_number(1), default=recipe.batch_size, help='default: %(default)s'
    )
    made.add_argument(
        '--learning-rate',
        type=cli.real_number(1e-9, 10),
        default=recipe.learning_rate,
        help='default: %(default)s',
    )
    made.add_argument(
        '--dropout',
        type=cli.real_number(0, 1),
        default=recipe.dropout,
        help='dropout rate (default: %(default)s)',
    )
    made.add_argument(
        '--l2', type=cli.real_number(0, 100), default=recipe.l2, help='weight decay (default: %(default)s)'
    )
    made.add_argument(
        '--mixup',
        type=cli.real_number(0, 100),
        default=recipe.mixup,
        help='mixup alpha, 0: no mixup (default: %(default)s)',
    )
    made.add_argument('--seed', type=cli.whole_number(0), default=recipe.seed, help='default: %(default)s')
    made.add_argument(
        '--patience',
        type=cli.whole_number(0),
        default=recipe.patience,
        help='evaluations without a better validation log loss before it stops, 0: never (default: '
        '%(default)s)',
    )
    made.add_argument(
        '--all-splits',
        action=argparse.BooleanOptionalAction,
        default=recipe.all_splits,
        help='train on every photo, for a final model: no validation, no early stop; see --folds',
    )


def recipe_of(args: argparse.Namespace, records: Records) -> HeadRecipe:
    """What the flags made of the recipe, for these records. Raises UserError when the layers do not fit."""
    told = {'data_set': records.manifest['name'], 'layers': head_layers(args.layers, records)}
    rest = {field.name: getattr(args, field.name) for field in fields(HeadRecipe) if field.name not in told}
    return HeadRecipe(**told, **rest)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.training.train', __doc__)
    recipe = add_recipe(made, USUAL_HEAD, HeadRecipe, argv)
    cli.add_name(made)
    cli.add_model(made)
    made.set_defaults(name=recipe.data_set)
    add_settings(made, recipe)
    made.add_argument(
        '--folds',
        type=cli.whole_number(2),
        default=0,
        metavar='K',
        help='with --all-splits: estimate the score by cross-validation in K folds, such as 5',
    )
    made.add_argument(
        '--fresh', action='store_true', help='delete what was trained under this name, and train anew'
    )
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    model = cli.model_of(args).name
    records = open_records(args.name)
    recipe = recipe_of(args, records)
    layers = '-'.join(map(str, recipe.layers))
    labelled = sum(records.counts.get(split, 0) for split in consts.SPLITS)
    where = '' if fits_in_memory(records) else ', read from the records as it goes'
    say(f'head {layers} on {count(labelled, "bottleneck")}{where}')
    name = args.recipe if find_recipe(args.recipe, HeadRecipe).data_set == recipe.data_set else ''
    with at_work(paths.checkpoints(model)):
        state, scores = train_head(records, model, recipe, name, args.fresh, args.folds)
    tell(records, model, state, scores)
    next_step(to_freeze(args.name, model))


if __name__ == '__main__':
    errors.run(main)

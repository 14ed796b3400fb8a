"""Train a fully connected head on the cached bottlenecks of a data set.

    python -m src.training.train
    python -m src.training.train --name flowers --layers 512,256,5 --steps 2000

The settings come from a recipe (src/recipes/; the default one takes them from src/common/consts.py) and from
flags. Writes checkpoints/<model>/ (best and last), summary/<model>/ for TensorBoard and metrics/<model>.json
with the scores. Training stops early when the validation log loss no longer falls, and the best weights are
kept. It may be stopped at any time: the same command goes on from there.

The temperature of the model (src/scoring/calibration.py) is fitted on the validation photos.

    python -m src.training.train --name flowers --all-splits

trains on every photo, for a final model. No photo is left to score it on: five heads are trained first, each
on four fifths of the photos, and scored on the rest. This cross-validation estimates the score of the model
on other photos, and its predictions give the temperature. --folds sets another number, 0 leaves it out.
Each fold is scored with the temperature that the other folds give; with few mistakes that may raise the log
loss above the one before calibration.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from functools import partial

from src.common import cli, consts, errors, files, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.locks import at_work
from src.common.progress import next_step, say
from src.data_preparation.conversion.add import add_bottlenecks
from src.engine.checkpoints import State
from src.engine.fit import Scores, fit
from src.engine.learners.head import Head
from src.engine.learners.linear import head_of
from src.engine.linear.plan import FOLDS as SMALLEST
from src.engine.run_files import report
from src.engine.sources import fits_in_memory, parts_of
from src.recipes.changes import changes
from src.recipes.find import USUAL_HEAD, add_recipe, find_recipe
from src.recipes.recipe import NOT_OF_LBFGS, HeadRecipe
from src.records.dataset import Records, load, number_of, open_records
from src.records.next_commands import to_freeze
from src.records.run_notes import CrossValidated
from src.records.trainings import CROSS_VALIDATED
from src.scoring.calibrated import UNCALIBRATED, Calibration, calibration_from
from src.scoring.kinds import CROSS_VALIDATION
from src.training.cross_validation import cross_validate

FOLDS = 5  # of the cross-validation of a head that is trained on all splits


def train_head(
    records: Records,
    model: str,
    recipe: HeadRecipe,
    name: str = '',
    fresh: bool = False,
    folds: int | None = None,
) -> tuple[State, Scores]:
    """`engine.fit.fit` of a head, after a cross-validation of such heads in `folds` (0: none; None: FOLDS for
    a head of all splits)."""
    estimate = partial(cross_validated, records, model, folds)
    return fit(head_of(recipe), records, model, recipe, name, fresh, estimate)


def cross_validated(
    records: Records, model: str, folds: int | None, recipe: HeadRecipe
) -> tuple[Scores, Calibration]:
    """The scores of cross-validation under their name, kept in checkpoints/<model>, and the calibration.

    `folds`: None stands for those kept there, or for FOLDS where heads of all splits can be cross-validated;
    0 for none. Raises UserError where they do not apply, or when the bottlenecks do not fit in memory.
    """
    kept = paths.checkpoints(model) / CROSS_VALIDATED
    scores = files.read_notes(kept, CrossValidated)
    if folds is None:
        folds = scores.get('folds') or _usual_folds(records, recipe)
    if not folds:
        kept.unlink(missing_ok=True)
        return {}, UNCALIBRATED
    if scores.get('folds') != folds or 'calibration' not in scores:
        if not recipe.all_splits:
            raise UserError('--folds needs --all-splits: without it the model is scored on the test split')
        if not fits_in_memory(records, Head.field(recipe, records)):
            raise UserError(
                f'{paths.shown(records.folder)} needs more memory than MAX_EXAMPLE_BYTES in '
                'src/common/consts.py allows, and --folds needs all in memory: use --folds 0, or raise it'
            )
        splits = parts_of(records, recipe.learned_splits)['train']
        examples = load(records, *splits, field=Head.field(recipe, records))
        scores = cross_validate(examples, recipe, folds)
        files.write_json(kept, scores)
    return {CROSS_VALIDATION: scores}, calibration_from(scores['calibration'])


def _usual_folds(records: Records, recipe: HeadRecipe) -> int:
    """FOLDS, or 0 where not all photos are trained on, where they do not fit in memory or are too few."""
    enough = number_of(records, consts.SPLITS) >= FOLDS
    fits = fits_in_memory(records, Head.field(recipe, records))
    return FOLDS if recipe.all_splits and enough and fits else 0


def recipe_of(args: argparse.Namespace, records: Records) -> HeadRecipe:
    """The recipe with the values of the flags, for these records. Raises UserError when the layers do not
    fit."""
    values = {field.name: getattr(args, field.name, None) for field in fields(HeadRecipe)}
    recipe = HeadRecipe(**values | {'data_set': records.manifest['name']})
    return head_of(recipe).settled(recipe, records)


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.training.train', __doc__, loads_graphs=True)
    recipe = add_recipe(made, USUAL_HEAD, HeadRecipe, argv)
    cli.add_name(made)
    cli.add_model(made)
    made.set_defaults(name=recipe.data_set)
    made.add_argument(
        '--folds',
        type=cli.whole_number(0),
        metavar='K',
        help=f'with --all-splits: estimate the score and fit the temperature by cross-validation in K folds; '
        f'0: neither (default: {FOLDS})',
    )
    cli.add_fresh(made)
    cli.add_fields(made.add_argument_group('settings of the recipe'), recipe)
    return made.parse_args(argv)


def with_mirrored(records: Records) -> Records:
    """The records with the bottlenecks of the mirrored photos, which are computed where they are missing.
    Raises UserError as `add_bottlenecks` does."""
    if records.has_bottlenecks and not records.mirrored:
        say(f'computing the bottlenecks of the mirrored photos in {paths.shown(records.folder)}, once')
        return add_bottlenecks(records, mirrored=True)
    return records


def refuse_other_settings(recipe: HeadRecipe, name: str) -> None:
    """Raise UserError when a flag changed a setting of the recipe `name` that the solver does not have."""
    if recipe.solver != 'lbfgs':
        return
    for setting in changes(recipe, name):
        if setting in NOT_OF_LBFGS:
            raise UserError(
                f'{cli.flag_of(setting)} does not apply to --solver {recipe.solver}: leave it out'
            )


def _introduce(recipe: HeadRecipe, records: Records) -> None:
    layers = '-'.join(map(str, recipe.layers))
    solver = ' by L-BFGS' if recipe.solver == 'lbfgs' else ''
    labelled = number_of(records, consts.SPLITS)
    where = '' if fits_in_memory(records, Head.field(recipe, records)) else ', read from the records'
    say(f'training head {layers} on {count(labelled, "cached bottleneck")}{solver}{where}')
    chosen = recipe.solver == 'lbfgs' and recipe.l2 is None
    parts = parts_of(records, recipe.learned_splits)
    if chosen and 'validation' not in parts and number_of(records, parts['train']) >= SMALLEST:
        say('no validation photos: L2 is chosen by cross-validation among the training photos')
    elif chosen and 'validation' not in parts:
        say(f'fewer than {SMALLEST} photos and no validation photos: L2 is 1 / photos')


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    model = cli.model_of(args).name
    records = open_records(args.name)
    if args.mirror:
        records = with_mirrored(records)
    recipe = recipe_of(args, records)
    refuse_other_settings(recipe, args.recipe)
    _introduce(recipe, records)
    name = args.recipe if find_recipe(args.recipe, HeadRecipe).data_set == recipe.data_set else ''
    with at_work(paths.checkpoints(model), goes_on=recipe.solver != 'lbfgs'):
        state, scores = train_head(records, model, recipe, name, args.fresh, args.folds)
    if recipe.solver == 'lbfgs':
        how = 'chosen' if recipe.l2 is None else 'as given'
        say(f'L2 {files.read_json(paths.scores(model))["l2"]:g}, {how}')
    report(records, model, state, scores, Head.monitor)
    next_step(to_freeze(args.name, model))


if __name__ == '__main__':
    errors.run(main)

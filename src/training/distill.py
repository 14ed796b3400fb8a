"""Distill a small backbone from a large one: a student network learns to give the teacher's bottlenecks.

    python -m src.training.distill photos/ --teacher mobilenet_v2.pb --model small
    python -m src.training.distill images.tar train.zip --teacher efficientnet_lite2.pb --model small
    python -m src.training.distill flowers --teacher a.pb b.pb --views 8 --epochs 30 --model flowers_small
    python -m src.training.distill cars/ --teacher mobilenet_v2.pb --from frozen/pocket/pocket.pb --model cars

The photos need no labels: folders (with all that is below them), tar and zip archives, and names of converted
data sets may be given together. Student and teacher see the same random views of each photo. The teacher's
answers to --views views of each photo are computed first and stored in data/answers/; decoded photos go to
data/photos/. Both folders may be deleted afterwards. Of several teachers the bottlenecks are concatenated.

Writes checkpoints/<model>/ (best and last), summary/<model>/ for TensorBoard, and frozen/<model>.pb: a
backbone for the converters (--backbone frozen/<model>.pb). It may be stopped at any time: the same command
goes on from there.
"""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path

from src.common import cli, errors, paths
from src.common.locks import at_work
from src.engine.distilling.run import Inputs, distill
from src.graph.backbone_flags import add_teacher, asked
from src.recipes.distill_recipe import DistillRecipe
from src.recipes.find import USUAL_STUDENT, add_recipe


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.training.distill', __doc__, loads_graphs=True)
    add_photos(made)
    made.add_argument(
        '--from',
        dest='start',
        type=Path,
        metavar='PB',
        help='distilled backbone whose weights the student starts with (default: random weights)',
    )
    recipe = add_recipe(made, USUAL_STUDENT, DistillRecipe, argv)
    cli.add_model(made, default='the name of the recipe, such as pocket')
    cli.add_fresh(made)
    add_teacher(made)
    cli.add_fields(made.add_argument_group('settings of the recipe'), recipe)
    return made.parse_args(argv)


def add_photos(made: argparse.ArgumentParser) -> None:
    """Add the photos that are learned from, and --leave-out."""
    made.add_argument('photos', nargs='+', metavar='PHOTOS', help='folder, tar or zip archive, or data set')
    made.add_argument(
        '--leave-out',
        type=Path,
        metavar='FILE',
        help='text file with the names of photos that must not be used, one a line: folder/file.jpg',
    )


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    recipe = DistillRecipe(**{field.name: getattr(args, field.name) for field in fields(DistillRecipe)})
    model = args.model.name if args.model else args.recipe.rpartition('/')[2]
    inputs = Inputs(args.photos, asked(args, 'teacher'), args.leave_out, args.start)
    with at_work(paths.checkpoints(model)):
        distill(inputs, model, recipe, args.recipe, args.fresh)


if __name__ == '__main__':
    errors.run(main)

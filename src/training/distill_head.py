"""Train a head for a small backbone on the class probabilities of a large classifier, without labels.

    python -m src.training.distill_head photos/ --teacher frozen/dogs_large.pb --model dogs_small
    python -m src.training.distill_head a.tar b/ --teacher dogs_large.pb --backbone small.pb --model dogs

The teacher is a frozen classifier with its labels inside it, or beside it (NAME.txt beside NAME.pb). The
photos should show its classes, and need no labels: folders (with all that is below them), tar and zip
archives, and names of converted data sets may be given together. Teacher and backbone see the same --views
views of each photo. Their answers are stored in data/answers/, the decoded photos in data/photos/. Both
folders may be deleted afterwards.

Writes checkpoints/<model>/ and frozen/<model>.pb: decoding, backbone, head and labels in one file. It may be
stopped at any time: the same command goes on from there. To score the head on photos with labels, convert
them with the same --backbone, and run training_perf_analysis with their --name and this --model.
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import fields

from src.common import cli, errors, paths
from src.common.errors import UserError
from src.common.files import human_size, remove_leftovers
from src.common.locks import at_work
from src.common.names import default_name
from src.common.progress import next_step, wrote
from src.graph.backbone_flags import Asked, add_teacher_and_backbone, asked
from src.recipes.distill_recipe import DistilledHeadRecipe
from src.training.distill import add_photos
from src.training.distilled_head import Inputs, distill_head


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.training.distill_head', __doc__, loads_graphs=True)
    add_photos(made)
    cli.add_model(made, default='the name of the teacher, followed by _small')
    cli.add_fresh(made)
    add_teacher_and_backbone(made, paths.POCKET_GRAPH_DEF)
    cli.add_fields(made.add_argument_group('settings'), DistilledHeadRecipe())
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    recipe = DistilledHeadRecipe(
        **{field.name: getattr(args, field.name) for field in fields(DistilledHeadRecipe)}
    )
    teacher, backbone = _only(args, 'teacher'), _only(args, 'backbone')
    model = args.model.name if args.model else default_name(f'{teacher.path.stem}_small', '--model')
    with at_work(paths.checkpoints(model)):
        remove_leftovers(paths.frozen(model))
        inputs = Inputs(args.photos, teacher, backbone, args.leave_out)
        path = distill_head(inputs, model, recipe, args.fresh)
    size = human_size(path.stat().st_size)
    wrote(path, f'{size}: decoding, backbone, head and labels in one file')
    next_step(f'python -m src.inference.classify PHOTO.jpg --model {shlex.quote(model)}')


def _only(args: argparse.Namespace, flag: str) -> Asked:
    """The graph that a flag asks for. Raises UserError for several."""
    found = asked(args, flag)
    if len(found) > 1:
        raise UserError(f'a head has one {flag}: give a single --{flag}')
    return found[0]


if __name__ == '__main__':
    errors.run(main)

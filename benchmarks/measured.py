"""Measure the table of README's section "Measured" and print it as Markdown.

    python -m benchmarks.measured Images --backbone mobilenet_v2_1.0_224.pb --test-list unseen.txt

`Images` holds the 6,000 photos, `--backbone` is MobileNet V2, and `--test-list` names the 1,755 photos that
the pocket backbone was not trained on. Each row runs its commands in the README: `image_folder_to_tfrecords`
with or without the list, then the head of `src.training.train`, scored on test photos as in
`benchmarks.held_out`, with scikit-learn's LogisticRegression (C = 1, L-BFGS) in brackets. Records go to
data/records/measured_*; records that exist are not converted again. scikit-learn comes with
`pip install -c setup/constraints.txt -e '.[bench]'`.
"""

from __future__ import annotations

import argparse
import shlex
from dataclasses import dataclass
from pathlib import Path

from benchmarks.held_out import PEERS, contenders, require_peer, score_of, tasks_of
from benchmarks.machine import machine_line
from src.common import cli, errors, paths
from src.common.progress import say
from src.data_preparation import image_folder_to_tfrecords
from src.recipes.recipe import HeadRecipe
from src.records.dataset import Records, open_records
from src.training import train

HEADER = '| backbone | test photos | head | top-1 | top-5 | log loss |\n|---|---|---|---|---|---|'
POCKET_HEAD = '--solver lbfgs'


@dataclass(frozen=True)
class Row:
    """One row: name and file of the backbone (None: that of --backbone), number of folds of the listed test
    photos (0: the test split by hash), name of the head, flags of `train`."""

    name: str
    backbone: Path | None
    folds: int
    head: str
    flags: str


MOBILENET = 'MobileNet V2 1.0 224, ImageNet'
ROWS = (
    Row(MOBILENET, None, 0, 'defaults', ''),
    Row(MOBILENET, None, 5, 'defaults, `--patience 0`', '--patience 0'),
    Row('pocket, 144 × 144', paths.POCKET_GRAPH_DEF, 5, f'`{POCKET_HEAD}`', POCKET_HEAD),
)


def convert(row: Row, args: argparse.Namespace) -> str:
    """Convert the photos for a row. Returns the name of the records."""
    backbone = row.backbone or args.backbone
    name = f'measured_{backbone.stem}_{"listed" if row.folds else "hash"}'
    flags = [str(args.dir), '--name', name, '--backbone', str(backbone)]
    if row.folds:
        flags += ['--precision', 'float32', '--test-list', str(args.test_list)]
    image_folder_to_tfrecords.main(flags)
    return name


def recipe_by(flags: str, records: Records) -> HeadRecipe:
    """The recipe of a head from flags of `train`."""
    made = argparse.ArgumentParser()
    cli.add_fields(made, HeadRecipe())
    return train.recipe_of(made.parse_args(shlex.split(flags)), records)


def measure(row: Row, name: str) -> str:
    """The row as a line of Markdown."""
    records = open_records(name)
    recipe = recipe_by(row.flags, records)
    todo = tasks_of(records, row.folds)
    methods = contenders(len(records.classes), recipe, PEERS[:1])
    head, peer = (score_of(predict, todo) for predict in methods.values())
    photos = f'{head["examples"]:,} ' + (f'({row.folds} folds)' if row.folds else '(hash split)')
    cells = [
        f'{100 * head[key]:.1f} % ({100 * peer[key]:.1f})' if key in head else '–'
        for key in ('top_1', 'top_5')
    ]
    cells.append(f'{head["log_loss"]:.3f} ({peer["log_loss"]:.3f})')
    return '| ' + ' | '.join([row.name, photos, row.head, *cells]) + ' |'


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.measured', __doc__)
    made.add_argument('dir', type=Path, metavar='DIR', help='folder of class folders')
    made.add_argument('--backbone', type=Path, required=True, metavar='PB', help='MobileNet V2')
    made.add_argument(
        '--test-list', type=Path, required=True, metavar='FILE', help='test photos of the folds'
    )
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    require_peer()
    lines = [measure(row, convert(row, args)) for row in ROWS]
    say(machine_line())
    say('\n'.join([HEADER, *lines]))


if __name__ == '__main__':
    errors.run(main)

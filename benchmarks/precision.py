"""Effect of bfloat16 or int8 on accuracy: train and score heads on bottlenecks of either precision.

    python -m src.data_preparation.image_folder_to_tfrecords Images --name f32 --precision float32 ...
    python -m src.data_preparation.image_folder_to_tfrecords Images --name bf16 --precision bfloat16 ...
    python -m benchmarks.precision f32 bf16

The two records hold the same photos in two precisions. All photos are divided into folds by a hash of their
ids. Each fold is predicted by heads that were trained on the other folds, so every photo is scored once in
each row of the table. `a -> b` was trained on the records a and scored on the records b. A frozen file
computes in float32, so a head that was trained on bfloat16 and frozen is the row `bf16 -> f32`.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from benchmarks.held_out import Parts, tasks
from benchmarks.machine import machine_line
from src.common import cli, consts, errors
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import say
from src.recipes.recipe import HeadRecipe
from src.records.dataset import load, open_records
from src.scoring.scores import score
from src.training import train
from src.training.cross_validation import trained_head


def compare(folds: dict[str, list[Parts]], recipe: HeadRecipe) -> dict[str, dict]:
    """Scores for each pair of records trained on and records scored. `folds` holds the tasks of each records
    by name, with the same photos in the same order."""
    predictions = defaultdict(list)
    for trained, todo in folds.items():
        for k, task in enumerate(todo):
            with trained_head(task, recipe) as predict:
                for scored, others in folds.items():
                    predictions[f'{trained} -> {scored}'].append(predict(others[k]['test']))
    labels = np.concatenate([task['test'].labels for task in next(iter(folds.values()))])
    return {pair: score(np.concatenate(parts), labels) for pair, parts in predictions.items()}


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('benchmarks.precision', __doc__)
    made.add_argument('names', nargs=2, metavar='NAME', help='records of one data set in two precisions')
    cli.add_fields(made, HeadRecipe())
    made.add_argument('--folds', type=cli.whole_number(2), default=5, help='default: %(default)s')
    args = made.parse_args(argv)
    opened = {name: open_records(name) for name in args.names}
    loaded = {name: load(records, *consts.SPLITS) for name, records in opened.items()}
    first, second = loaded.values()
    if first.ids != second.ids:
        raise UserError(f'{" and ".join(args.names)} are not records of the same photos')
    recipe = train.recipe_of(args, opened[args.names[0]])
    folds = {
        name: tasks({'train': all_[:0], 'validation': all_[:0], 'test': all_}, args.folds)
        for name, all_ in loaded.items()
    }
    say(machine_line())
    say(f'{count(len(first), "photo")} in {args.folds} folds')
    say(f'{"trained on -> scored on":<40}{"top-1":>9}{"top-5":>9}{"log loss":>10}')
    for pair, s in compare(folds, recipe).items():
        top_5 = f'{s["top_5"]:.2%}' if 'top_5' in s else '–'  # missing for five classes or fewer
        say(f'{pair:<40}{s["top_1"]:>9.2%}{top_5:>9}{s["log_loss"]:>10.4f}')


if __name__ == '__main__':
    errors.run(main)

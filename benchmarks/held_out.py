"""Scores of a head on photos that it was not trained on, compared with scikit-learn on the same vectors.

    python -m benchmarks.held_out --name dogs_unseen
    python -m benchmarks.held_out --name dogs_unseen --folds 5 --layers 512,120 --dropout 0

With --folds K the test split of the records is divided into K folds (by a hash of the photo's id). Each fold
is predicted by a head that was trained on all other photos of the data set, so every test photo is scored
once, by a head that was not trained on it. Without --folds the head is trained on the training split, its
best step is chosen on the validation split, and it is scored on the test split. scikit-learn's
LogisticRegression (C = 1) is trained on the same photos, with vectors as they are and standardized; it comes
with `pip install -c setup/constraints.txt -e '.[bench]'`.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from src.common import cli, consts, errors
from src.common.files import count
from src.common.progress import say
from src.recipes.recipe import HeadRecipe
from src.records.dataset import Examples, Records, joined, load, open_records
from src.scoring.scores import score, table
from src.training import train
from src.training.cross_validation import trained_head

Parts = dict[str, Examples]
PEERS = ('sklearn', 'sklearn std')  # on vectors as they are, and standardized


def require_peer() -> None:
    """Raise UserError if scikit-learn is missing, before anything is trained."""
    errors.require_packages('bench', 'sklearn')


def tasks(examples: Parts, folds: int) -> list[Parts]:
    """The parts `train` (and `validation`) and `test` to train and score on: once, or once for each fold."""
    if not folds:
        return [examples]
    test = examples['test']
    fold = np.array([zlib.crc32(id_.encode()) % folds for id_ in test.ids])
    others = joined([examples['train'], examples['validation']])
    return [
        {'train': joined([others, test.where(fold != k)]), 'test': test.where(fold == k)}
        for k in range(folds)
    ]


def by_head(task: Parts, recipe: HeadRecipe) -> np.ndarray:
    """Probabilities [N, classes] of the test examples."""
    with trained_head(task, recipe) as predict:
        return predict(task['test'])


def by_peer(task: Parts, classes: int, standardize: bool) -> np.ndarray:
    """The same, by logistic regression (L-BFGS, at most 1,000 iterations)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegression(max_iter=1000)
    if standardize:
        model = make_pipeline(StandardScaler(), model)
    model.fit(task['train'].values, task['train'].labels)
    out = np.zeros((len(task['test']), classes))
    out[:, model.classes_] = model.predict_proba(task['test'].values)
    return out


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.held_out', __doc__)
    cli.add_name(made)
    cli.add_fields(made, HeadRecipe())
    made.add_argument('--folds', type=cli.whole_number(2), default=0, help='default: no folds')
    made.add_argument('--no-peer', action='store_true', help='leave scikit-learn out')
    return made.parse_args(argv)


def contenders(classes: int, recipe: HeadRecipe, peers: Sequence[str] = PEERS) -> dict:
    """Functions from a task to probabilities [N, classes] of its test examples, by name."""
    return {'head': partial(by_head, recipe=recipe)} | {
        name: partial(by_peer, classes=classes, standardize=name != PEERS[0]) for name in peers
    }


def score_of(predict: Callable[[Parts], np.ndarray], todo: Sequence[Parts]) -> dict[str, float]:
    """The score over the test examples of all tasks, each predicted by a head of its own."""
    labels = np.concatenate([task['test'].labels for task in todo])
    return score(np.concatenate([predict(task) for task in todo]), labels)


def tasks_of(records: Records, folds: int) -> list[Parts]:
    """The tasks of some records."""
    return tasks({split: load(records, split) for split in consts.SPLITS}, folds)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    if not args.no_peer:
        require_peer()
    records = open_records(args.name)
    recipe = train.recipe_of(args, records)
    todo = tasks_of(records, args.folds)
    trained = ' '.join(str(len(task['train'])) for task in todo)
    say(f'{count(sum(len(task["test"]) for task in todo), "test photo")}, trained on {trained}')
    peers = () if args.no_peer else PEERS
    for number, (name, predict) in enumerate(contenders(len(records.classes), recipe, peers).items()):
        begun = time.monotonic()
        head, row = table({name: score_of(predict, todo)})
        if number == 0:
            say(head)
        say(f'{row}   {time.monotonic() - begun:.0f} s')


if __name__ == '__main__':
    errors.run(main)

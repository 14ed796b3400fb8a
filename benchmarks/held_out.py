"""How well a head names photos that it was not trained on, beside scikit-learn on the same vectors.

    python -m benchmarks.held_out --name dogs_unseen
    python -m benchmarks.held_out --name dogs_unseen --folds 5 --layers 512,120 --dropout 0

Takes the records of a data set. With --folds K the test split is cut into K parts (by a hash of the
photo's id), and each part is named by a head trained on all other photos of the data set: every test
photo is scored once, by a head that never saw it. Without, the head is trained on the training split,
chooses its best step on the validation split, and is scored on the test split. The peer is scikit-learn's
LogisticRegression on the same photos, at its default strength (C = 1), on vectors as they are and
standardised.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Sequence

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from src.common import cli, consts, errors
from src.common.files import count
from src.common.progress import say
from src.recipes.recipe import HeadRecipe
from src.records.dataset import Examples, Records, joined, load, open_records
from src.scoring.scores import score, table
from src.training import train
from src.training.cross_validation import trained_head

Parts = dict[str, Examples]
PEERS = ('peer', 'peer, std.')  # on vectors as they are, and standardised


def tasks(examples: Parts, folds: int) -> list[Parts]:
    """What to train and test on, once or once for each fold."""
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


def by_peer(task: Parts, classes: int, standardise: bool) -> np.ndarray:
    """The same, by logistic regression (L-BFGS, at most 1,000 rounds)."""
    model = LogisticRegression(max_iter=1000)
    if standardise:
        model = make_pipeline(StandardScaler(), model)
    learned = task['train']
    model.fit(learned.values, learned.labels)
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
    standardised = {name: name != PEERS[0] for name in peers}
    return {'head': lambda task: by_head(task, recipe)} | {
        name: lambda task, standardise=standardise: by_peer(task, classes, standardise)
        for name, standardise in standardised.items()
    }


def tasks_of(records: Records, folds: int) -> list[Parts]:
    return tasks({split: load(records, split) for split in consts.SPLITS}, folds)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    records = open_records(args.name)
    recipe = train.recipe_of(args, records)
    todo = tasks_of(records, args.folds)
    labels = np.concatenate([task['test'].labels for task in todo])
    say(f'{count(len(labels), "test photo")}, trained on {" ".join(str(len(t["train"])) for t in todo)}')
    for name, predict in contenders(len(records.classes), recipe, () if args.no_peer else PEERS).items():
        begun = time.monotonic()
        probabilities = np.concatenate([predict(task) for task in todo])
        took = time.monotonic() - begun
        say(table({name: score(probabilities, labels)})[1] + f'   {took:.0f} s')


if __name__ == '__main__':
    errors.run(main)

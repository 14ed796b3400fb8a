"""Time and scores of linear heads trained by L-BFGS, compared with scikit-learn's logistic regression.

    python -m benchmarks.linear --name dogs
    python -m benchmarks.linear --name dogs --mirror --folds 5

All photos of the records are cut into folds, and each fold is predicted by a classifier that learned from the
others. Contenders alternate fold by fold, and their times are sums over the folds. Vectors are in memory and
TensorFlow is loaded before the clock starts.

- *lbfgs*: `src.training.train --solver lbfgs`, whose L2 is chosen among the photos that it learns from.
- *scikit-learn*: one LogisticRegression (L-BFGS, at most 1,000 iterations) with the given C, which is not
  chosen; it comes with `pip install -c setup/constraints.txt -e '.[bench]'`.

With --mirror both learn from the vectors of photos and mirrored photos, and average the logits of both.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

from benchmarks.held_out import require_peer
from benchmarks.machine import machine_line
from src.common import cli, consts, errors
from src.common.progress import say
from src.engine.learners.linear import LinearHead
from src.engine.linear.plan import folds_of
from src.recipes.recipe import HeadRecipe
from src.records.dataset import Examples, load, open_records
from src.scoring.scores import score, table
from src.training.cross_validation import trained_head
from src.training.train import with_mirrored

Contender = Callable[[Examples, Examples], np.ndarray]


def by_lbfgs(recipe: HeadRecipe) -> Contender:
    """A function from examples to learn from, and others, to the probabilities [N, classes] of the others."""

    def predicted(train: Examples, test: Examples) -> np.ndarray:
        with trained_head({'train': train}, recipe) as predict:
            return predict(test)

    return predicted


def by_peer(classes: int, c: float) -> Contender:
    """The same by scikit-learn."""
    from sklearn.linear_model import LogisticRegression

    def predicted(train: Examples, test: Examples) -> np.ndarray:
        width, views = train.values.shape[-1], train.values[0].size // train.values.shape[-1]
        model = LogisticRegression(C=c, max_iter=1000)
        model.fit(train.values.reshape(-1, width), np.repeat(train.labels, views))
        logits = model.predict_log_proba(test.values.reshape(-1, width)).reshape(len(test), views, -1).mean(1)
        powers = np.exp(logits - logits.max(1, keepdims=True))
        out = np.zeros((len(test), classes))
        out[:, model.classes_] = powers / powers.sum(1, keepdims=True)
        return out

    return predicted


def compare(examples: Examples, contenders: dict[str, Contender], folds: int) -> dict[str, dict[str, float]]:
    """The scores of each contender, with `seconds`."""
    fold_of = folds_of(examples.labels, folds, consts.SEED)
    rows: dict[str, list[np.ndarray]] = {name: [] for name in contenders}
    seconds, labels = dict.fromkeys(contenders, 0.0), []
    for fold in range(folds):
        train, test = examples.where(fold_of != fold), examples.where(fold_of == fold)
        labels.append(test.labels)
        for name in list(contenders)[:: 1 if fold % 2 else -1]:
            begun = time.monotonic()
            rows[name].append(contenders[name](train, test))
            seconds[name] += time.monotonic() - begun
    return {
        name: score(np.concatenate(rows[name]), np.concatenate(labels)) | {'seconds': seconds[name]}
        for name in contenders
    }


def parse_args(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('benchmarks.linear', __doc__)
    cli.add_name(made)
    cli.add_fields(made, HeadRecipe(), only=('mirror', 'l2'))
    made.add_argument('--folds', type=cli.whole_number(2), default=5, help='default: %(default)s')
    made.add_argument('--c', type=float, default=1.0, help="scikit-learn's C (default: %(default)s)")
    return made.parse_args(argv)


def main(argv: list[str] | None = None) -> None:
    args = parse_args(argv)
    require_peer()
    records = open_records(args.name)
    if args.mirror:
        records = with_mirrored(records)
    recipe = HeadRecipe(args.name, solver='lbfgs', mirror=args.mirror, l2=args.l2, all_splits=True)
    recipe = LinearHead.settled(recipe, records)
    splits = [split for split in consts.SPLITS if records.counts.get(split)]
    examples = load(records, *splits, field=LinearHead.field(recipe, records))
    contenders = {'lbfgs': by_lbfgs(recipe), 'scikit-learn': by_peer(len(records.classes), args.c)}
    scores = compare(examples, contenders, args.folds)
    say(machine_line())
    head, *lines = table(scores)
    say(f'{head}{"time":>10}')
    for line, values in zip(lines, scores.values(), strict=True):
        say(f'{line}{values["seconds"]:>8.1f} s')


if __name__ == '__main__':
    errors.run(main)

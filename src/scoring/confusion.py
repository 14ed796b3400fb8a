"""What a classifier mixes up, as tables: from labels and probabilities to scores by class and the
pairs that are taken for each other.

A confusion matrix here is [classes, classes]: rows are what an example is, columns what it was taken
for. Nothing in this module reads or writes files.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd


def predictions(
    ids: Sequence[str],
    splits: Sequence[str],
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
) -> pd.DataFrame:
    """One row for each example: id, split, actual, pred, probability (of the predicted class)."""
    import pandas as pd

    names = np.array(classes, object)
    predicted = probabilities.argmax(1)
    return pd.DataFrame(
        {
            'id': [_printable(id_) for id_ in ids],
            'split': list(splits),
            'actual': names[labels],
            'pred': names[predicted],
            'probability': probabilities[np.arange(len(labels)), predicted],
        }
    )


def confusion_matrix(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Counts, [classes, classes] int64."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def probability_matrix(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """A confusion matrix [classes, classes] float64 in which each example adds all its probabilities
    to its row, not only one to the column of the largest: it tells what is alike from few examples."""
    summed = np.zeros((probabilities.shape[1],) * 2)
    np.add.at(summed, labels, probabilities)
    return summed


def row_shares(matrix: np.ndarray) -> np.ndarray:
    """The matrix with each row divided by its sum; rows of classes without examples are NaN."""
    sums = matrix.sum(1, keepdims=True).astype(np.float64)
    return np.divide(matrix, sums, out=np.full(matrix.shape, np.nan), where=sums > 0)


def class_scores(matrix: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """One row for each class: class, examples, precision, recall, f1.

    A class without examples has no scores (NaN), as nothing can be said of it. A class that was never
    predicted has no precision, and an f1 of 0.
    """
    import pandas as pd

    right, actual, predicted = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
    seen = actual > 0
    return pd.DataFrame(
        {
            'class': list(classes),
            'examples': actual,
            'precision': _ratio(right, predicted, seen & (predicted > 0)),
            'recall': _ratio(right, actual, seen),
            'f1': _ratio(2 * right, actual + predicted, seen),
        }
    )


def macro_average(scores: pd.DataFrame) -> dict[str, float]:
    """Means of precision, recall and f1 over the classes that have examples, each class counting the
    same. A precision that a class lacks counts as 0: never to be named is no merit."""
    seen = scores[scores['examples'] > 0].fillna({'precision': 0.0})
    return {name: float(seen[name].mean()) for name in ('precision', 'recall', 'f1')}


def weakest(scores: pd.DataFrame, number: int) -> pd.DataFrame:
    """The rows of the classes with the lowest f1."""
    return scores.dropna(subset=['f1']).sort_values('f1', kind='stable').head(number)


def confused_pairs(matrix: np.ndarray, classes: Sequence[str], number: int) -> pd.DataFrame:
    """The pairs of classes that are taken for each other most often, at most `number`.

    Columns class_a, class_b, a_as_b, b_as_a, total, from the most confused downwards. `class_a` is the
    one that is more often taken for the other. Pairs that are never confused are left out.
    """
    import pandas as pd

    first, second = np.nonzero(np.triu(matrix + matrix.T, 1))
    swapped = matrix[second, first] > matrix[first, second]
    a, b = np.where(swapped, second, first), np.where(swapped, first, second)
    names = np.array(classes, object)
    pairs = pd.DataFrame(
        {'class_a': names[a], 'class_b': names[b], 'a_as_b': matrix[a, b], 'b_as_a': matrix[b, a]}
    )
    pairs['total'] = pairs['a_as_b'] + pairs['b_as_a']
    # Stable: equal totals stay in the order of the classes.
    return pairs.sort_values('total', ascending=False, kind='stable', ignore_index=True).head(number)


def worst_mistakes(table: pd.DataFrame, number: int) -> pd.DataFrame:
    """The rows of `predictions` that are wrong with the highest probability, the worst first."""
    wrong = table[table['actual'] != table['pred']]
    return wrong.sort_values('probability', ascending=False, kind='stable').head(number)


def similarity_order(matrix: np.ndarray) -> np.ndarray:
    """An order of the classes, [classes] int, in which those that are taken for each other stand side
    by side.

    Classes are clustered by the share of their examples that go to each other, and the branches of
    the tree are turned so that neighbours are as alike as they can be.
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(matrix) < 3:
        return np.arange(len(matrix))
    shares = np.nan_to_num(row_shares(matrix))
    # The root, since what matters is who is nearest, not by how much: shares lie mostly near 0.
    distances = 1 - np.sqrt(np.minimum((shares + shares.T) / 2, 1))
    np.fill_diagonal(distances, 0)
    return leaves_list(linkage(squareform(distances, checks=False), 'average', optimal_ordering=True))


def _ratio(part: np.ndarray, whole: np.ndarray, where: np.ndarray) -> np.ndarray:
    """part / whole as float64, NaN but for `where`."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=where)


def _printable(text: str) -> str:
    """`text` without the lone surrogates by which Python keeps file names that are not UTF-8."""
    return text.encode('utf-8', 'surrogateescape').decode('utf-8', 'replace')

"""Which classes a classifier confuses: the confusion matrix, scores of each class, the most confused pairs.

A confusion matrix is [classes, classes]: rows are actual classes, columns predicted classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

# The counts a_as_b and b_as_a of `confused_pairs` in words.
DIRECTIONS = ('first predicted as second', 'second predicted as first')


def predictions(
    ids: Sequence[str],
    splits: Sequence[str],
    labels: np.ndarray,
    probabilities: np.ndarray,
    classes: Sequence[str],
) -> pd.DataFrame:
    """One row for each example: id, split, actual, pred, probability (of the predicted class).

    `labels` [N] int, `probabilities` [N, classes].
    """
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
    """Counts [classes, classes] int64, from labels [N] and predicted classes [N]."""
    counts = np.zeros((classes, classes), np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def probability_matrix(labels: np.ndarray, probabilities: np.ndarray) -> np.ndarray:
    """A soft confusion matrix [classes, classes] float64: each example adds its probabilities [classes] to
    the row of its class. It shows which classes are similar from fewer examples than counts need."""
    summed = np.zeros((probabilities.shape[1],) * 2)
    np.add.at(summed, labels, probabilities)
    return summed


def row_shares(matrix: np.ndarray) -> np.ndarray:
    """Each row divided by its sum; rows of classes without examples are NaN."""
    sums = matrix.sum(1, keepdims=True).astype(np.float64)
    return np.divide(matrix, sums, out=np.full(matrix.shape, np.nan), where=sums > 0)


def class_scores(matrix: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """One row for each class: class, examples, precision, recall, f1.

    A class without examples has no scores (NaN). A class that was never predicted has no precision (NaN) and
    an f1 of 0.
    """
    import pandas as pd

    correct, actual, predicted = matrix.diagonal(), matrix.sum(1), matrix.sum(0)
    seen = actual > 0
    return pd.DataFrame(
        {
            'class': list(classes),
            'examples': actual,
            'precision': _ratio(correct, predicted, seen & (predicted > 0)),
            'recall': _ratio(correct, actual, seen),
            'f1': _ratio(2 * correct, actual + predicted, seen),
        }
    )


def macro_average(scores: pd.DataFrame) -> dict[str, float]:
    """Means of precision, recall and f1 over the classes that have examples. A missing precision counts as 0,
    as in scikit-learn with zero_division=0."""
    seen = scores[scores['examples'] > 0].fillna({'precision': 0.0})
    return {name: float(seen[name].mean()) for name in ('precision', 'recall', 'f1')}


def weakest(scores: pd.DataFrame, number: int) -> pd.DataFrame:
    """The rows of the `number` classes with the lowest f1, lowest first."""
    return scores.dropna(subset=['f1']).sort_values('f1', kind='stable').head(number)


def confused_pairs(matrix: np.ndarray, classes: Sequence[str], number: int) -> pd.DataFrame:
    """The pairs of classes that are confused most often, at most `number`, most confused first.

    Columns class_a, class_b, a_as_b (examples of class_a predicted as class_b), b_as_a, total. a_as_b is
    never less than b_as_a. Pairs that are never confused are left out.
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
    # A stable sort keeps equal totals in the order of the classes.
    return pairs.sort_values('total', ascending=False, kind='stable', ignore_index=True).head(number)


def worst_mistakes(table: pd.DataFrame, number: int) -> pd.DataFrame:
    """The rows of `predictions` whose wrong class has the highest probability, highest first."""
    wrong = table[table['actual'] != table['pred']]
    return wrong.sort_values('probability', ascending=False, kind='stable').head(number)


def similarity_order(matrix: np.ndarray) -> np.ndarray:
    """An order of the classes, [classes] int, that puts classes which are confused next to each other.

    Average-linkage clustering of the rows' shares, with optimal leaf ordering:
    https://docs.scipy.org/doc/scipy/reference/generated/scipy.cluster.hierarchy.linkage.html
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    if len(matrix) < 3:
        return np.arange(len(matrix))
    shares = np.nan_to_num(row_shares(matrix))
    # Most shares are near 0: the square root spreads them.
    distances = 1 - np.sqrt(np.minimum((shares + shares.T) / 2, 1))
    np.fill_diagonal(distances, 0)
    return leaves_list(linkage(squareform(distances, checks=False), 'average', optimal_ordering=True))


def _ratio(part: np.ndarray, whole: np.ndarray, where: np.ndarray) -> np.ndarray:
    """part / whole as float64; NaN where `where` is false."""
    return np.divide(part, whole, out=np.full(len(part), np.nan), where=where)


def _printable(text: str) -> str:
    """`text` with U+FFFD for the lone surrogates that stand for bytes of a file name that is not UTF-8."""
    return text.encode('utf-8', 'surrogateescape').decode('utf-8', 'replace')

"""How `classify` prints the classes of each picture: aligned lines, CSV or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence

import numpy as np

from src.common import columns
from src.common.progress import say


def best(probabilities: np.ndarray, top: int) -> list[int]:
    """Indices of the `top` largest of `probabilities` [classes], best first."""
    return [int(i) for i in np.argsort(-probabilities, kind='stable')[:top]]


def best_classes(probabilities: np.ndarray, labels: Sequence[str], top: int) -> list[dict]:
    """The `top` best classes as JSON objects, best first: label, and probability to six decimals."""
    return [
        {'label': labels[i], 'probability': round(float(probabilities[i]), 6)}
        for i in best(probabilities, top)
    ]


class Table:
    """For people: aligned lines for each picture.

    `labels`: the class names in output order; `top`: how many classes are printed.
    """

    def __init__(self, labels: list[str], top: int):
        self.labels, self.top = labels, top

    def show(self, name: str, probabilities: np.ndarray) -> None:
        """Print one picture; `probabilities` is [classes] float32."""
        shown = {i: columns.on_one_line(self.labels[i]) for i in best(probabilities, self.top)}
        width = max(map(columns.width, shown.values()))
        say(columns.on_one_line(name))
        for i, label in shown.items():
            say(f'  {columns.ljust(label, width)}  {probabilities[i]:>7.2%}')

    def end(self) -> None:
        """Print what follows the last picture."""


class Csv(Table):
    """For spreadsheets: path, label, probability."""

    def __init__(self, labels: list[str], top: int):
        import csv

        super().__init__(labels, top)
        self.writer = csv.writer(sys.stdout, lineterminator='\n')
        self.writer.writerow(['path', 'label', 'probability'])

    def show(self, name: str, probabilities: np.ndarray) -> None:
        for i in best(probabilities, self.top):
            self.writer.writerow([name, self.labels[i], f'{probabilities[i]:.6f}'])


class JsonLines(Table):
    """For programs that read on: a JSON object a line."""

    def show(self, name: str, probabilities: np.ndarray) -> None:
        print(_as_json(name, best_classes(probabilities, self.labels, self.top)))


class Json(Table):
    """For programs: one JSON array with an object per picture, printed picture by picture."""

    def __init__(self, labels: list[str], top: int):
        super().__init__(labels, top)
        self.opening = '['

    def show(self, name: str, probabilities: np.ndarray) -> None:
        print(self.opening + _as_json(name, best_classes(probabilities, self.labels, self.top)), end='')
        self.opening = ',\n '

    def end(self) -> None:
        print('[]' if self.opening == '[' else ']')


def _as_json(name: str, classes: Sequence[dict]) -> str:
    return json.dumps({'path': name, 'classes': classes}, ensure_ascii=False)

"""The order in which examples are shown."""

from __future__ import annotations

import numpy as np


class Batches:
    """Endless batches of row numbers. Every epoch shows each row once, in an order that depends on seed and
    epoch alone, so training can be resumed at any step."""

    def __init__(self, rows: np.ndarray, size: int, seed: int):
        self._rows, self._size, self._seed = rows, size, seed
        self._epoch, self._order = -1, rows

    def rows(self, step: int) -> np.ndarray:
        """The rows of a step (from 0), [size] int64. A batch may continue into the next epoch."""
        start = step * self._size
        picked, end = [], start + self._size
        while start < end:
            epoch, place = divmod(start, len(self._rows))
            picked.append(self._shuffled(epoch)[place : place + end - start])
            start += len(picked[-1])
        return np.concatenate(picked)

    def _shuffled(self, epoch: int) -> np.ndarray:
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng([self._seed, epoch]).permutation(self._rows)
        return self._order

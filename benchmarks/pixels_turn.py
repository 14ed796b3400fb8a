"""One measurement of `benchmarks.pixels`: the pictures and the clock of both sides, and Rootstock's side.

    python -m benchmarks.pixels_turn cnn_deep bfloat16 128 8

Imports only NumPy unless it is run, as PyTorch's side may run in an environment without TensorFlow.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable

import numpy as np


def random_pictures(batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Pixels [batch, 32, 32, 3] uint8 and labels [batch] int64 of 10 classes."""
    rng = np.random.default_rng(1)
    return rng.integers(0, 256, (batch, 32, 32, 3)).astype(np.uint8), rng.integers(0, 10, batch)


def images_per_second(step: Callable[[int], object], batch: int, seconds: float) -> float:
    """Run `step(number)` for some seconds, after three steps of warm-up."""
    for number in range(3):
        step(number)
    begun, steps = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        step(steps)
        steps += 1
    return steps * batch / (time.perf_counter() - begun)


if __name__ == '__main__':
    from benchmarks.pixels import rate

    network, computes_in, batch, seconds = sys.argv[1:]
    print(json.dumps({'rate': rate(network, computes_in, int(batch), float(seconds))}))

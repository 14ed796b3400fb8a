"""Run the steps of a preprocessing (graph/lite/steps.py) in NumPy, as TensorFlow runs them."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

RESIZERS = {  # functions in sample.py
    'ResizeBilinear': 'bilinear',
    'ResizeNearestNeighbor': 'nearest',
    'ResizeBicubic': 'bicubic',
    'ResizeArea': 'area',
}
SCALE = 'ScaleAndTranslate'
ARITHMETIC = {
    'Mul': operator.mul,
    'Add': operator.add,
    'AddV2': operator.add,
    'Sub': operator.sub,
    'RealDiv': operator.truediv,
}


def preprocess(
    picture: np.ndarray, steps: Sequence[Mapping[str, Any]], height: int, width: int
) -> np.ndarray:
    """Preprocess a decoded picture [h, w, 3] uint8. Returns pixels [height, width, 3] float32.

    `steps`: as `checks.check_steps` accepts them.
    """
    for step in steps:
        facts = dict(step)
        op = facts.pop('op')
        if op in ARITHMETIC:
            picture = ARITHMETIC[op](np.asarray(picture, np.float32), np.asarray(facts['value'], np.float32))
        else:
            picture = _resizer(op)(picture, height, width, **facts)
    return picture


def _resizer(op: str) -> Callable[..., np.ndarray]:
    """The function for an op; only its module is imported."""
    if op == SCALE:
        from src.images.resizing.scale import scale

        return scale
    from src.images.resizing import sample

    return getattr(sample, RESIZERS[op])

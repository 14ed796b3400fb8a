"""Check the facts of a preprocessing (graph/lite/steps.py) when a file is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from src.images.resizing.preprocess import ARITHMETIC, RESIZERS, SCALE

SAMPLED = {'align_corners': bool, 'half_pixel_centers': bool}
ARGUMENTS = {
    'ResizeBilinear': SAMPLED,
    'ResizeNearestNeighbor': SAMPLED,
    'ResizeBicubic': SAMPLED,
    'ResizeArea': {'align_corners': bool},
    SCALE: {'kernel_type': str, 'antialias': bool},
}
LARGEST = float(np.finfo(np.float32).max)


def check_facts(facts: Any) -> None:
    """Raise ValueError unless these are the sizes and steps of pictures that make up the pixels."""
    _check_keys(facts, {'height', 'width', 'pictures'}, 'the preprocessing')
    pictures = facts['pictures']
    if not isinstance(pictures, list) or not pictures:
        raise ValueError('no pictures')
    height, width = _size(facts)
    sizes = [
        _size(one) for one in pictures if not _check_keys(one, {'height', 'width', 'steps'}, 'a picture')
    ]
    column = (sum(high * wide for high, wide in sizes), 1)  # graph/preprocessing/pictures.py
    if (height, width) != (sizes[0] if len(sizes) == 1 else column):
        shown = ', '.join(f'{high} × {wide}' for high, wide in sizes[:3])
        raise ValueError(f'pictures of {shown} do not make up pixels of {height} × {width}')
    for one in pictures:
        if not isinstance(one.get('scalable'), bool):
            raise ValueError('scalable is not true or false')
        check_steps(one['steps'])


def check_steps(steps: Any) -> None:
    """Raise ValueError for a step that is not known or has other arguments, and unless there is one step that
    resizes."""
    if not isinstance(steps, list):
        raise ValueError('its steps are not a list')
    for step in steps:
        _check_step(step)
    if sum(step['op'] not in ARITHMETIC for step in steps) != 1:
        raise ValueError('not one step that resizes')


def _check_step(step: Any) -> None:
    _check_keys(step, {'op'}, 'a step')
    op = step['op']
    if op not in (*ARITHMETIC, *RESIZERS, SCALE):
        raise ValueError(f'the step {_short(op)}')
    wanted = {'value': object} if op in ARITHMETIC else ARGUMENTS[op]
    if step.keys() - {'op'} != wanted.keys():
        raise ValueError(f'{op} takes {", ".join(wanted)}, not {_short(", ".join(step.keys() - {"op"}))}')
    for name, kind in wanted.items():
        if not isinstance(step[name], kind):
            raise ValueError(f'{op} with {name} {_short(step[name])}')
    if op in ARITHMETIC:
        _check_value(op, step['value'])
    elif op == SCALE:
        from src.images.resizing.kernels import KERNELS

        if step['kernel_type'] not in KERNELS:
            raise ValueError(f'the kernel {_short(step["kernel_type"])}')
    elif step['align_corners'] and step.get('half_pixel_centers'):
        raise ValueError(f'{op} with both align_corners and half_pixel_centers')


def _check_value(op: str, value: Any) -> None:
    """Raise ValueError unless it is a number for float32, or one for each of the three channels."""
    numbers = value if isinstance(value, list) and len(value) == 3 else [value]
    for number in numbers:
        good = isinstance(number, int | float) and not isinstance(number, bool) and abs(number) <= LARGEST
        if not good or (op == 'RealDiv' and np.float32(number) == 0):
            raise ValueError(f'{op} with the value {_short(value)}')


def _check_keys(facts: Any, wanted: set[str], what: str) -> None:
    if not isinstance(facts, Mapping):
        raise ValueError(f'{what} is not a JSON object')
    if missing := sorted(wanted - facts.keys()):
        raise ValueError(f'{what} has no {missing[0]}')


def _size(facts: Mapping[str, Any]) -> tuple[int, int]:
    size = facts['height'], facts['width']
    if not all(isinstance(side, int) and not isinstance(side, bool) and side > 0 for side in size):
        raise ValueError(f'a size of {_short(size[0])} × {_short(size[1])}')
    return size


def _short(value: Any) -> str:
    return ' '.join(str(value).split())[:60]

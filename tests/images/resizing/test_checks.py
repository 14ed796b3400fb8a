"""Facts of a preprocessing are checked when they are loaded."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest

from src.images.pillow_reader import PillowReader, usual_preprocessing
from src.images.resizing.checks import ARGUMENTS, check_facts

BAD_SIDES = [0, -8, 8.0, '8', None, True, [8], 9, 10**9]
RESIZE = {'op': 'ScaleAndTranslate', 'kernel_type': 'triangle', 'antialias': True}


def facts_with(*steps) -> dict:
    facts = usual_preprocessing(8, 6, (0, 1))
    facts['pictures'][0]['steps'] = list(steps)
    return facts


@pytest.mark.parametrize('side', BAD_SIDES, ids=str)
@pytest.mark.parametrize('inner', [False, True])
def test_sizes(side, inner):
    for name in 'height', 'width':
        facts = usual_preprocessing(8, 6, (0, 1))
        (facts['pictures'][0] if inner else facts)[name] = side
        with pytest.raises(ValueError, match=r'a size of|do not make up'):
            PillowReader(facts)


@pytest.mark.parametrize(
    'step',
    [
        {'op': 'Mul', 'value': 'x'},
        {'op': 'Mul', 'value': None},
        {'op': 'Mul', 'value': True},
        {'op': 'Mul', 'value': [1, 2]},
        {'op': 'Mul', 'value': [1, 2, 'x']},
        {'op': 'Mul', 'value': {'a': 1}},
        {'op': 'Mul', 'value': float('nan')},
        {'op': 'Sub', 'value': float('inf')},
        {'op': 'Add', 'value': 10**400},
        {'op': 'Add', 'value': 1e39},
        {'op': 'RealDiv', 'value': 0},
        {'op': 'RealDiv', 'value': 1e-60},
        {'op': 'RealDiv', 'value': [1, 0, 1]},
        {'op': 'Mul'},
        {'op': 'Mul', 'value': 1, 'more': 2},
        {'op': 7},
        {'op': ['Mul'], 'value': 1},
        {'value': 1},
        'Mul',
        None,
        RESIZE,
    ],
    ids=str,
)
def test_steps_beside_the_one_that_resizes(step):
    with pytest.raises(ValueError) as error:
        PillowReader(facts_with(RESIZE, step))
    assert '\n' not in str(error.value)


@pytest.mark.parametrize('op', ARGUMENTS)
def test_arguments_of_resizing(op):
    step = {'op': op} | {name: 'box' if kind is str else False for name, kind in ARGUMENTS[op].items()}
    check_facts(json.loads(json.dumps(facts_with(step))))
    pixels = PillowReader(facts_with(step)).resize(np.full((5, 7, 3), 9, np.uint8))
    assert pixels.shape == (8, 6, 3) and np.isfinite(pixels).all()
    bad = [step | {'more': 1}]
    for name in ARGUMENTS[op]:
        bad += [step | {name: value} for value in ('other', 1, None, [True])]
        bad.append({key: value for key, value in step.items() if key != name})
    if 'half_pixel_centers' in step:
        bad.append(step | {'align_corners': True, 'half_pixel_centers': True})
    for one in bad:
        with pytest.raises(ValueError):
            PillowReader(facts_with(one))


def test_pictures():
    one = usual_preprocessing(8, 6, (0, 1))['pictures'][0]
    other = one | {'height': 2}
    column = {'height': 60, 'width': 1, 'pictures': [one, other]}
    check_facts(column)
    for change in (
        {'pictures': []},
        {'pictures': None},
        {'pictures': [one]},
        {'pictures': [one, other, other]},
        {'pictures': [one, 7]},
        {'height': 30, 'width': 2},
        {'pictures': [one, other | {'scalable': 'yes'}]},
        {'pictures': [one, other | {'steps': 3}]},
    ):
        with pytest.raises(ValueError):
            check_facts(copy.deepcopy(column) | change)
    for facts in None, [], 'text', {}:
        with pytest.raises(ValueError):
            check_facts(facts)

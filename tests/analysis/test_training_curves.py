"""What the curves of a run are computed on, and the score that the saved model is marked with."""

from __future__ import annotations

import numpy as np
import pytest

from src.analysis.runs import PARTS, Curve, Run
from src.analysis.training_curves import note_of, panels_of

SCORES = {'validation': {'top_1': 0.7351, 'log_loss': 0.7618}}


def run(learner: str, counts: dict[str, int], scores=SCORES, parts=PARTS, **settings) -> Run:
    curve = Curve(np.array([10, 20, 30]), np.array([0.5, 0.9, 0.7]))
    curves = {f'{part}_{measure}': curve for part in parts for measure in ('accuracy', 'log_loss')}
    facts = {
        'learner': learner,
        'counts': counts,
        'learned_from': ['train'],
        'settings': {'batch_size': 10} | settings,
        'best_step': 30,
        'scores': scores,
    }
    return Run('some', facts, curves)


def test_the_mark_is_the_saved_model_and_not_the_best_point():
    accuracy, loss = panels_of(run('network', {'train': 100, 'validation': 20}))
    assert accuracy.saved == (3, 0.7351, '73.5%')
    assert loss.saved == (3, 0.7618, '0.762')
    accuracy, _ = panels_of(run('network', {'train': 100}, {}, PARTS[:1]))
    assert accuracy.saved == (3, None, '')


@pytest.mark.parametrize(
    'made, wanted',
    [
        (('head', {'train': 400, 'validation': 90}), ''),
        (
            ('head', {'train': 600, 'validation': 90}),
            'on up to 500 training pictures; saved model: on all validation pictures',
        ),
        (
            ('network', {'train': 600, 'validation': 2001}),
            'on up to 500 training and 2,000 validation pictures; saved model: on all validation pictures',
        ),
    ],
)
def test_the_note_tells_on_how_many_pictures_the_curves_are(made, wanted):
    assert note_of(run(*made)) == (wanted and f'curves: during training, {wanted}')


def test_the_note_tells_of_views():
    note = note_of(run('network', {'train': 9, 'validation': 9}, views=6))
    assert note == (
        'curves: during training, on one view of each picture; saved model: on all validation pictures, on '
        'all views'
    )
    assert note_of(run('network', {'train': 9}, {}, PARTS[:1], views=6)).endswith(
        'on one view of each picture'
    )


def test_the_note_tells_that_curves_are_uncalibrated():
    scores = {'validation': {'top_1': 0.7, 'log_loss': 0.8, 'log_loss_uncalibrated': 0.9}}
    note = note_of(run('network', {'train': 9, 'validation': 9}, scores))
    assert note == (
        'curves: during training, before calibration; saved model: on all validation pictures, calibrated'
    )

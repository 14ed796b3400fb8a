"""Line charts: the mark of the saved model, and the ticks."""

from __future__ import annotations

import numpy as np
import pytest

from src.drawing.curves import Panel, _draw

X = np.arange(0, 4.5, 0.9)  # epochs between whole numbers
LINES = {'train': (X, X / 5), 'validation': (X, np.array([0.2, 0.3, 0.8, 0.5, 0.4]))}


def drawn(panel: Panel):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    _draw(axes, panel)
    return axes, [text.get_text() for text in axes.get_legend().get_texts()]


def test_the_saved_model_is_marked_and_not_the_best_point():
    axes, legend = drawn(Panel('accuracy', LINES, True, (0.9, 0.33, '33.0%')))
    assert legend == ['train', 'validation', 'saved model 33.0%']
    (dot,) = (line for line in axes.lines if line.get_marker() == 'o')
    assert (dot.get_xdata().item(), dot.get_ydata().item()) == (0.9, 0.33)
    assert any(list(line.get_xdata()) == [0.9, 0.9] for line in axes.lines)


def test_without_a_score_only_the_step_is_marked():
    axes, legend = drawn(Panel('log loss', LINES, saved=(3.6, None, '')))
    assert legend == ['train', 'validation', 'saved model']
    assert not [line for line in axes.lines if line.get_marker() == 'o']


@pytest.mark.parametrize('last', [2, 4.5, 17, 300])
def test_epochs_are_whole_numbers(last):
    x = np.linspace(0, last, 5)
    axes, _ = drawn(Panel('log loss', {'train': (x, x)}))
    assert all(tick == round(tick) for tick in axes.get_xticks())

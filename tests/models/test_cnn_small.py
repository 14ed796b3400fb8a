"""The small CNN for cats and dogs: its size, its single unit, its pixels from 0 to 1."""

from __future__ import annotations

import numpy as np
import pytest

from src.common.errors import UserError
from src.common.tf1 import tf
from src.models.layers import Mode
from src.models.networks import logits_of, scaled_pixels


def weights(name: str = 'cnn_small', side: int = 150, classes: int = 2) -> tuple[list, list[tf.Variable]]:
    """The shape of the logits of a network, and its variables."""
    with tf.Graph().as_default():
        logits = logits_of(name, tf.placeholder(tf.uint8, [None, side, side, 3]), classes)
        return logits.shape.as_list(), tf.trainable_variables()


@pytest.mark.parametrize('name', ['cnn_small', 'cnn_small_dropout'])
def test_it_has_as_many_weights_as_that_of_the_tutorial(name):
    shape, variables = weights(name)
    assert shape == [None, 1]
    assert sum(v.shape.num_elements() for v in variables) == 3_453_121
    assert [v.shape.as_list() for v in variables if v.op.name.endswith('/W')] == [
        [3, 3, 3, 32],
        [3, 3, 32, 64],
        [3, 3, 64, 128],
        [3, 3, 128, 128],
        [6272, 512],
        [512, 1],
    ]


def test_more_than_two_classes_have_a_unit_each():
    assert weights(classes=3, side=46)[0] == [None, 3]


def test_pictures_that_are_too_small_for_its_layers_are_refused():
    with pytest.raises(UserError, match='at least 46 pixels a side: use --side 150'):
        weights(side=45)


def test_its_pixels_are_scaled_to_0_to_1():
    assert scaled_pixels(np.array([0, 51, 255]), 'cnn_small').tolist() == pytest.approx([0, 0.2, 1])


def test_dropout_is_drawn_by_step_in_training_only():
    pixels = np.random.default_rng(1).integers(0, 256, (2, 46, 46, 3)).astype(np.uint8)
    with tf.Graph().as_default(), tf.Session() as session:
        modes = [Mode(True, (1, 5)), Mode(True, (1, 5)), Mode(True, (1, 6)), Mode()]
        logits = [logits_of('cnn_small_dropout', tf.constant(pixels), 2, mode) for mode in modes]
        plain = logits_of('cnn_small', tf.constant(pixels), 2, Mode(True, (1, 5)))
        session.run(tf.global_variables_initializer())
        same, again, later, used, without = session.run([*logits, plain])
    np.testing.assert_array_equal(same, again)
    assert (same != later).all() and (same != used).all()
    np.testing.assert_allclose(used, without, rtol=1e-5)

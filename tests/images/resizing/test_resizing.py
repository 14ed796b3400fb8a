"""Resizing in NumPy gives TensorFlow's float32 values to the last digit."""

from __future__ import annotations

import platform

import numpy as np
import pytest

from src.common.tf1 import tf
from src.images.resizing.kernels import KERNELS
from src.images.resizing.preprocess import preprocess

SAMPLING = [(False, False), (True, False), (False, True)]  # align_corners, half_pixel_centers
STEPS = [
    *(
        {'op': op, 'align_corners': corners, 'half_pixel_centers': centers}
        for op in ('ResizeBilinear', 'ResizeNearestNeighbor', 'ResizeBicubic')
        for corners, centers in SAMPLING
    ),
    {'op': 'ResizeArea', 'align_corners': False},
    {'op': 'ResizeArea', 'align_corners': True},
    *(
        {'op': 'ScaleAndTranslate', 'kernel_type': kernel, 'antialias': antialias}
        for kernel in KERNELS
        for antialias in (True, False)
    ),
]
# (height, width) before and after: photos, enlarged, one side enlarged, unchanged, single rows and pixels.
SIZES = [
    ((375, 500), (96, 96)),
    ((375, 500), (224, 224)),
    ((333, 217), (260, 260)),
    ((33, 200), (224, 50)),
    ((96, 96), (96, 96)),
    ((2, 9), (40, 31)),
    ((7, 3), (1, 1)),
    ((1, 40), (5, 7)),
    ((1, 1), (5, 7)),
    ((1021, 769), (192, 160)),
]
# C compilers for ARM may fuse a multiplication and an addition, which rounds once instead of twice.
EXACT = platform.machine().lower() in ('x86_64', 'amd64')


def by_tensorflow(step: dict, picture: np.ndarray, height: int, width: int) -> np.ndarray:
    attributes = {name: value for name, value in step.items() if name != 'op'}
    with tf.Graph().as_default(), tf.Session() as session:
        if step['op'] == 'ScaleAndTranslate':
            sides = tf.constant(picture.shape[:2], tf.float32)
            attributes |= {'scale': tf.constant([height, width], tf.float32) / sides}
            attributes |= {'translation': [0.0, 0.0]}
        resized = getattr(tf.raw_ops, step['op'])(images=picture[None], size=[height, width], **attributes)
        return session.run(tf.cast(resized, tf.float32))[0]


def name_of(step: dict) -> str:
    return '-'.join(map(str, step.values()))


@pytest.mark.parametrize('step', STEPS, ids=name_of)
def test_equal_to_tensorflow(step):
    random = np.random.default_rng(1)
    for before, after in SIZES:
        whole = random.integers(0, 256, (*before, 3), dtype=np.uint8)
        for picture in (whole, whole * np.float32(1 / 255)):
            expected, made = by_tensorflow(step, picture, *after), preprocess(picture, [step], *after)
            assert made.dtype == np.float32 and made.shape == (*after, 3)
            if EXACT and 'lanczos' not in step.get('kernel_type', ''):
                np.testing.assert_array_equal(made, expected, err_msg=f'{before} to {after}')
            else:  # the sine of C's library and NumPy's may differ in the last digit
                np.testing.assert_allclose(made, expected, rtol=0, atol=6e-7 * picture.max())


def test_tf_image_resize_with_antialiasing():
    """It computes the factors of ScaleAndTranslate from the sizes, in float32."""
    step = {'op': 'ScaleAndTranslate', 'kernel_type': 'triangle', 'antialias': True}
    for height, width, side in ((375, 500, 96), (1, 1, 8), (640, 427, 224), (299, 13, 299)):
        picture = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
        with tf.Graph().as_default(), tf.Session() as session:
            fed = tf.placeholder(tf.uint8, [None, None, 3])
            resized = tf.compat.v2.image.resize(fed[None], [side, side], antialias=True)
            expected = session.run(resized, {fed: picture})[0]
        np.testing.assert_allclose(
            preprocess(picture, [step], side, side), expected, atol=0 if EXACT else 1e-4, rtol=0
        )


def test_arithmetic():
    picture = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    steps = [
        {'op': 'ResizeNearestNeighbor', 'align_corners': False, 'half_pixel_centers': False},
        {'op': 'Sub', 'value': [1.0, 2.0, 3.0]},
        {'op': 'Mul', 'value': 0.5},
        {'op': 'RealDiv', 'value': 4.0},
        {'op': 'AddV2', 'value': -1.0},
    ]
    made = preprocess(picture, steps, 2, 2)
    assert made.dtype == np.float32
    np.testing.assert_array_equal(made, (picture - np.array([1, 2, 3.0])) / 8 - 1)
    made = preprocess(picture, [{'op': 'Mul', 'value': 0.5}, steps[0]], 1, 1)
    np.testing.assert_array_equal(made, picture[:1, :1] / 2)

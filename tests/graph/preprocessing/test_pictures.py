"""Pixels of one picture, and of pictures of several sizes in one column."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from src.common.tf1 import tf
from src.graph.preprocessing.find import Preprocessing, find_preprocessing
from src.graph.preprocessing.pictures import as_pixels, mirrored, pictures_in

SIZES = ((2, 3), (4, 5), (1, 7))
NAMES = 'DecodeJpeg/contents:0', 'DecodeJpeg:0', 'ResizeBilinear:0'
ONE = Preprocessing(*NAMES, 4, 5)
SEVERAL = Preprocessing(*NAMES, 2 * 3 + 4 * 5 + 1 * 7, 1, SIZES)


def drawn(size: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(size).uniform(0, 255, (6, *size, 3)).astype(np.float32)


@pytest.mark.parametrize(('preprocessing', 'sizes'), [(ONE, ((4, 5),)), (SEVERAL, SIZES)])
def test_pixels_hold_the_pictures_and_mirror_each(preprocessing, sizes):
    pictures = [drawn(size) for size in sizes]
    pixels = as_pixels(pictures, preprocessing)
    assert pixels.shape == (6, preprocessing.height, preprocessing.width, 3)
    again = pictures_in(pixels, preprocessing)
    assert all(np.array_equal(*both) for both in zip(again, pictures, strict=True))
    other = pictures_in(mirrored(pixels, preprocessing), preprocessing)
    assert all(np.array_equal(o, p[:, :, ::-1]) for o, p in zip(other, pictures, strict=True))


@pytest.mark.parametrize('preprocessing', [ONE, SEVERAL])
def test_tensors_are_mirrored_as_arrays_are(preprocessing):
    pixels = drawn((preprocessing.height, preprocessing.width))
    with tf.Graph().as_default(), tf.Session() as session:
        fed = tf.placeholder(tf.float32, [None, *pixels.shape[1:]])
        found = session.run(mirrored(fed, preprocessing), {fed: pixels})
    assert np.array_equal(found, mirrored(pixels, preprocessing))


def test_the_sizes_are_found_in_a_graph():
    with tf.Graph().as_default() as graph:
        image = tf.placeholder(tf.string, [], name=NAMES[0][:-2])
        decoded = tf.image.decode_jpeg(image, 3, name=NAMES[1][:-2])
        pictures = [tf.image.resize_bilinear(decoded[None], size, name='small') for size in SIZES]
        flat = as_pixels(pictures, SEVERAL)
        pixels = tf.placeholder_with_default(flat, [None, SEVERAL.height, 1, 3], name=NAMES[2][:-2])
        target = tf.reduce_mean(pictures_in(pixels, SEVERAL)[1], [1, 2])
    assert find_preprocessing(graph.as_graph_def(), target.name, Path('a.pb')) == SEVERAL

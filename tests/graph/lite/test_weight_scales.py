"""Scales of int8 weights: the best for each channel, and exact for weights that were quantized before."""

from __future__ import annotations

import tarfile
from itertools import islice

import numpy as np
import pytest

from src.common import paths
from src.common.tf1 import tf
from src.graph.backbones import load_backbone
from src.graph.frozen import load_graph
from src.graph.lite import convert as module
from src.graph.lite.convert import convert
from src.graph.lite.file_format import parsed, values
from src.graph.lite.interpreters import Interpreters
from src.graph.lite.weight_scales import best_scales, with_best_scales
from src.graph.preprocessing.find import preprocessing_graph
from src.graph.weights import put_weights
from src.images.reader import ImageReader

schema = pytest.importorskip('ai_edge_litert.schema_py_generated')
SIDE, DEPTH = 12, 6


def gridded(draw, *shape) -> np.ndarray:
    """Weights that are multiples of a step for each channel, up to 101 of them."""
    steps = draw.integers(-101, 102, shape)
    steps.reshape(-1, shape[-1])[0] = 101
    return (steps * draw.uniform(0.001, 0.1, shape[-1])).astype(np.float32)


def long_tailed(draw, *shape) -> np.ndarray:
    """Weights of which few are large."""
    return draw.standard_t(4, shape).astype(np.float32)


def network_of(weights):
    """A graph with a convolution, a depthwise one and a dense layer, whose weights the function `weights`
    draws; its preprocessing and its output."""
    draw = np.random.default_rng(5)
    before, preprocessing = preprocessing_graph(SIDE, SIDE)
    with tf.Graph().as_default() as graph:
        (pixels,) = tf.import_graph_def(before, return_elements=[preprocessing.pixels], name='')
        x = tf.nn.conv2d(pixels / 255, weights(draw, 3, 3, 3, DEPTH), 1, 'SAME') + draw.normal(size=DEPTH)
        x = tf.nn.depthwise_conv2d(tf.nn.relu6(x), weights(draw, 3, 3, DEPTH, 1), [1, 1, 1, 1], 'SAME')
        x = tf.reduce_mean(tf.nn.relu(x + draw.normal(size=DEPTH)), [1, 2])
        tf.matmul(x, weights(draw, DEPTH, 4), name='values')
        return graph.as_graph_def(), preprocessing, 'values:0'


@pytest.fixture(scope='module')
def network():
    return network_of(gridded)


@pytest.fixture(scope='module')
def pixels():
    return np.random.default_rng(6).uniform(0, 255, (16, SIDE, SIDE, 3)).astype(np.float32)


def weights_of(model: bytes) -> list[np.ndarray]:
    """The weights of all operators, as floats."""
    read = parsed(model)
    found = []
    for tensor in read.subgraphs[0].tensors:
        kind = {schema.TensorType.FLOAT32: np.float32, schema.TensorType.INT8: np.int8}.get(tensor.type)
        data = kind and values(read, tensor, kind)
        if data is None or data.size <= 2 * DEPTH:
            continue
        if kind == np.int8:
            shape = np.ones(data.ndim, int)
            shape[tensor.quantization.quantizedDimension] = -1
            data = data * np.asarray(tensor.quantization.scale, np.float32).reshape(shape)
        found.append(data)
    return found


def test_weights_on_a_grid_are_met_exactly(network, pixels, tmp_path, monkeypatch):
    whole, fine = convert(*network[:3], tmp_path), convert(*network[:3], tmp_path, 'int8', pixels)
    monkeypatch.setattr(module, 'with_best_scales', lambda quantized, whole: quantized)
    usual = convert(*network[:3], tmp_path, 'int8', pixels)
    exact = {data.shape: data for data in weights_of(whole)}
    assert len(exact) == 3

    def worst(model: bytes) -> list[float]:
        return [np.abs(data - exact[data.shape]).max() / np.abs(data).max() for data in weights_of(model)]

    assert len(worst(fine)) == 3 and max(worst(fine)) < 1e-5 < 1e-3 < min(worst(usual))
    assert len(fine) < len(usual) + 500  # padding

    def answers(model: bytes) -> np.ndarray:
        path = tmp_path / 'model.tflite'
        path.write_bytes(model)
        return Interpreters(path).run(pixels)

    expected = answers(whole)
    off = [np.abs(answers(model) - expected).mean() for model in (fine, usual)]
    assert off[0] < off[1] < 0.1 * np.abs(expected).mean()


def test_no_channel_gets_worse_and_zeros_keep_their_scale():
    draw = np.random.default_rng(7)
    rows = draw.normal(size=(40, 30)).astype(np.float32)
    rows[3] = 0
    old = np.maximum(np.abs(rows).max(1) / 127, 0.5).astype(np.float32)
    old[5:] = (np.abs(rows).max(1) / 127)[5:]
    best = best_scales(rows, old)

    def error(scales):
        return np.square(np.clip(np.rint(rows / scales[:, None]), -127, 127) * scales[:, None] - rows).sum(1)

    assert (error(best) <= error(old)).all() and (error(best) < error(old)).sum() > 30
    assert best[3] == old[3] and (best > 0).all()


@pytest.mark.parametrize('kind', ['shipped', 'long-tailed'])
def test_a_network_that_was_never_quantized_answers_as_well_as_before(kind, pixels, tmp_path, monkeypatch):
    part = (*network_of(long_tailed), tmp_path)
    if kind == 'shipped':
        model = load_graph(paths.POCKET_DOGS)
        part = put_weights(model.graph_def, model.weights), model.preprocessing, model.output, tmp_path
        pixels = np.random.default_rng(8).uniform(0, 255, (4, 144, 144, 3)).astype(np.float32)
    fine = convert(*part, 'int8', pixels)
    monkeypatch.setattr(module, 'with_best_scales', lambda quantized, whole: quantized)
    usual, whole = convert(*part, 'int8', pixels), convert(*part)
    assert fine != usual and len(fine) < len(usual) + 500
    exact = weights_of(whole)

    def errors(made: bytes) -> np.ndarray:
        """The squared error of the weights of each layer; several layers have the same shape."""
        return np.array(
            [
                min(np.square(data - one).sum() for one in exact if one.shape == data.shape)
                for data in weights_of(made)
            ]
        )

    assert (errors(fine) <= errors(usual) * (1 + 1e-6)).all()
    assert errors(fine).sum() < (0.99 if kind == 'long-tailed' else 1) * errors(usual).sum()


def test_another_network_changes_nothing(network, pixels, tmp_path, monkeypatch):
    monkeypatch.setattr(module, 'with_best_scales', lambda quantized, whole: quantized)
    usual = convert(*network[:3], tmp_path, 'int8', pixels)
    model = load_graph(paths.POCKET_DOGS)
    other = convert(
        put_weights(model.graph_def, model.weights), model.preprocessing, model.output, paths.POCKET_DOGS
    )
    assert with_best_scales(usual, other) == usual


@pytest.mark.slow
def test_a_network_from_an_8_bit_release_keeps_its_bottlenecks(real_data, tmp_path):
    backbone = load_backbone(real_data / 'backbones' / 'mobilenet_v2_1.0_224.pb')
    reader = ImageReader(backbone.graph_def, backbone.preprocessing)
    with tarfile.open(real_data / 'stanford_dogs' / 'images.tar') as archive:
        photos = islice((one for one in archive if one.name.endswith('.jpg')), 0, 3000, 100)
        pixels = np.stack([reader.read(archive.extractfile(one).read()) for one in photos])
    part = backbone.graph_def, backbone.preprocessing, backbone.bottleneck, backbone.path

    def vectors(model: bytes) -> np.ndarray:
        path = tmp_path / 'model.tflite'
        path.write_bytes(model)
        return Interpreters(path).run(pixels[20:])

    exact, given = vectors(convert(*part)), vectors(convert(*part, 'int8', pixels[:20]))
    moved = np.linalg.norm(given - exact, axis=1) / np.linalg.norm(exact, axis=1)
    assert moved.mean() < 0.09  # 0.15 with the scales of the converter

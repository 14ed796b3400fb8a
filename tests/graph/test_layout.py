"""The channel axis: a graph in NCHW gives the same vectors as the same graph in NHWC."""

from __future__ import annotations

import numpy as np
import pytest

from src.common.errors import UserError
from src.common.tf1 import tf
from src.graph.backbones import load_backbone
from src.graph.graph_io import write_graph
from tests.graph.graphs import DEPTH, SIDE, bottleneck_of, graph_in_nchw
from tests.pictures import photo

PIXELS = np.stack([photo(SIDE, SIDE, seed=n) for n in range(3)]).astype(np.float32)
RIGHT = bottleneck_of(PIXELS)


def vectors(graph_def, bottleneck, tmp_path):
    backbone = load_backbone(write_graph(graph_def, tmp_path / 'g.pb'), bottleneck, (0, 255))
    with tf.Graph().as_default(), tf.Session() as session:
        got = session.run(backbone.attach(), {backbone.preprocessing.pixels: PIXELS})
    assert got.shape == (3, backbone.width)
    return got


@pytest.mark.parametrize(
    ('bottleneck', 'wanted'),
    [
        ('conv', RIGHT),
        ('pool_3', RIGHT),
        ('to_nhwc', RIGHT),
        ('concat', np.concatenate([RIGHT, 2 * RIGHT], 1)),
        ('padded', RIGHT * SIDE / (SIDE + 3)),
        ('to_nchw', ((PIXELS - 128) / 128).mean((1, 2))),
    ],
)
def test_a_feature_map_in_nchw_is_averaged_over_its_positions(tmp_path, bottleneck, wanted):
    got = vectors(graph_in_nchw(), bottleneck, tmp_path)
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('bottleneck', ['reshaped', 'both'])
def test_a_feature_map_whose_layout_is_unknown_or_contradictory_is_refused(tmp_path, bottleneck):
    with pytest.raises(UserError, match=rf'which axis of {bottleneck}:0, .* holds the channels: choose'):
        vectors(graph_in_nchw(), bottleneck, tmp_path)


def test_axes_of_size_one_are_followed_through_a_reshape(tmp_path):
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_in_nchw(), name='')
        pooled = tf.reshape(graph.get_tensor_by_name('pool_3:0'), [-1, DEPTH])
        tf.reshape(pooled * 1.0, [-1, 1, 1, DEPTH], name='last')
        tf.reshape(pooled * 1.0, [-1, DEPTH, 1, 1], name='first')
        graph_def = graph.as_graph_def()
    for name in ('last', 'first'):
        np.testing.assert_allclose(vectors(graph_def, name, tmp_path), RIGHT, rtol=1e-4, atol=1e-5)

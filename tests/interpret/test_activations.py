"""Pictures of activations, and the command."""

from __future__ import annotations

import re

import numpy as np
import pytest
from PIL import Image

from src.common import paths
from src.common.errors import UserError
from src.common.names import resolve_model
from src.graph.graph_io import nodes_by_name, read_graph, write_graph
from src.interpret import activations
from src.interpret.opened import open_network
from tests.interpret.networks import color_classifier, spot
from tests.pictures import encoded, photo


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / 'spot.png'
    path.write_bytes(encoded(spot((0, 255, 0), (1, 0)), 'PNG'))
    return path


def test_each_layer_has_the_output_of_each_channel(tmp_path, picture):
    opened = open_network(resolve_model(str(color_classifier(tmp_path / 'colors.pb'))))
    pixels = opened.read(picture).pixels
    ((name, output),) = activations.layers_of(opened, pixels)
    assert name == 'Relu' and output.shape == (8, 8, 4)
    assert np.argwhere(output[..., 1]).tolist() == [[6, 0], [6, 1], [7, 0], [7, 1]]
    assert output[..., [0, 2, 3]].max() == 0
    names = [name for name, _ in activations.layers_of(opened, pixels, ['conv', 'Re*'])]
    assert names == ['conv', 'Relu']


def test_a_backbone_without_classes_is_drawn(picture):
    opened = open_network(resolve_model(str(paths.POCKET_GRAPH_DEF)))
    layers = dict(activations.layers_of(opened, opened.read(picture).pixels, ['student/last/*']))
    assert list(layers) == ['student/last/Conv2D', 'student/last/norm/FusedBatchNormV3', 'student/last/Relu']
    np.testing.assert_array_equal(
        layers['student/last/Relu'], np.maximum(layers['student/last/norm/FusedBatchNormV3'], 0)
    )


def test_contrast_is_that_of_each_channel():
    ramp = np.linspace(-3, 5, 400).reshape(20, 20)
    colors = activations.contrasted(ramp).astype(int)
    brightness = colors.sum(-1)
    assert brightness[0, 0] < 20 and brightness[-1, -1] > 600
    assert (np.diff(brightness.ravel()) >= -3).all()
    np.testing.assert_array_equal(activations.contrasted(ramp * 1e-6 + 9), activations.contrasted(ramp))
    single = np.zeros((20, 20))
    single[3, 4] = 1
    assert activations.contrasted(single)[3, 4].sum() > 600
    assert activations.contrasted(np.full((4, 4), 7.0)).sum(-1).max() < 20


def test_the_command_writes_a_png_for_each_layer_and_a_page(tmp_path, capsys):
    path = tmp_path / 'a photo.png'
    path.write_bytes(encoded(photo(120, 90), 'PNG'))
    out = tmp_path / 'out'
    arguments = [
        str(paths.POCKET_DOGS),
        str(path),
        '--layers',
        'student/stage2/Relu',
        'student/stage2/block1/*',
        '--channels',
        '20',
    ]
    activations.main([*arguments, '--out', str(out)])
    written = sorted(file.name for file in out.glob('*.png'))
    assert 'a photo_02_student_stage2_block1_a_Conv2D.png' in written and len(written) >= 6
    with Image.open(out / written[0]) as drawn:
        assert drawn.format == 'PNG'
    page = (out / 'a photo_activations.html').read_text()
    assert page.count('data:image/png;base64,') == len(written)
    assert 'the first 20 are shown' in page and '<h2>student/stage2/Relu</h2>' in page
    assert not re.search(r'(src|href)="(?!data:|#)', page)
    assert f'{len(written)} layers' in capsys.readouterr().out


def test_a_layer_that_does_not_exist_names_similar_ones(tmp_path, picture):
    with pytest.raises(UserError, match=r"no feature map 'last/Relu'; similar: student/last/Relu"):
        activations.main([str(paths.POCKET_DOGS), str(picture), '--layers', 'last/Relu'])
    with pytest.raises(UserError, match=r"no feature map 'nothing\*'; similar: "):
        activations.main([str(paths.POCKET_DOGS), str(picture), '--layers', 'student/last/*', 'nothing*'])


def test_a_network_that_does_not_run_is_named(tmp_path, picture):
    path = color_classifier(tmp_path / 'broken.pb')
    graph_def = read_graph(path)
    nodes = nodes_by_name(graph_def)
    nodes['kernel'].attr['value'].tensor.tensor_content = np.full((4, 4, 3, 4), np.nan, np.float32).tobytes()
    nodes['Relu'].op = 'CheckNumerics'
    nodes['Relu'].attr['message'].s = b'no numbers'
    write_graph(graph_def, path)
    opened = open_network(resolve_model(str(path)))
    with pytest.raises(UserError, match=r'broken\.pb does not run: .*no numbers'):
        activations.activations(opened, picture, ['Relu'], 3, tmp_path / 'out')

"""Pictures that excite channels: ascents, dead ReLUs, and the command."""

from __future__ import annotations

import argparse
import csv

import numpy as np
import pytest
from PIL import Image

from src.common import paths
from src.common.errors import UserError
from src.common.names import resolve_model
from src.common.tf1 import tf
from src.interpret import filters
from src.interpret.ascent import from_pixels
from src.interpret.images import fourier_images, random_views
from src.interpret.opened import open_network
from src.interpret.redirected import redirected
from tests.interpret.networks import color_classifier


@pytest.fixture(scope='module')
def colors(tmp_path_factory):
    path = color_classifier(tmp_path_factory.mktemp('model') / 'colors.pb')
    return open_network(resolve_model(str(path)))


def ignore(_: int) -> None:
    pass


def test_both_ways_find_the_color_of_each_channel(colors):
    channels = filters.channels_of(colors, 'conv', [0, 1, 2], side=32)
    for one in channels:
        for ascent in (one.noise, one.fourier):
            assert ascent.picture.shape == (32, 32, 3) and ascent.picture.dtype == np.uint8
            assert np.argmax(ascent.picture.mean((0, 1))) == one.number
            assert ascent.moved


def test_a_dead_relu_is_reported_and_woken(colors):
    """For gray noise all channels are below 0; the last one is for every input."""
    channels = filters.channels_of(colors, 'Relu', [0, 1, 2, 3], side=32)
    for one in channels:
        assert one.noise.dead and one.noise.active == 0 and not one.noise.moved
    assert [one.state for one in channels] == ['woken'] * 3 + ['still dead']
    assert [np.argmax(one.fourier.picture.mean((0, 1))) for one in channels[:3]] == [0, 1, 2]
    before_the_relu = filters.channels_of(colors, 'conv', [0, 3], side=32)
    assert [one.state for one in before_the_relu] == ['alive', 'alive']


def test_a_layer_without_positions_is_drawn_at_the_size_of_the_network(colors):
    (one,) = filters.channels_of(colors, 'matmul', [1])
    assert one.noise.picture.shape == (32, 32, 3)
    assert np.argmax(one.fourier.picture.mean((0, 1))) == 1 and one.fourier.moved


def test_channels_do_not_depend_on_their_batch(colors):
    alone = from_pixels(colors, 'conv', [1], 32, ignore)[0]
    batch = from_pixels(colors, 'conv', [1, 0, 2], 32, ignore)[0]
    assert batch.end == pytest.approx(alone.end, rel=1e-4)
    assert np.abs(batch.picture.astype(int) - alone.picture).mean() < 1


def test_ascent_of_the_shipped_network_raises_every_live_channel():
    opened = open_network(resolve_model(str(paths.POCKET_DOGS)))
    channels = filters.channels_of(opened, 'student/stage1/block1/a/Relu', range(0, 12), side=48)
    for one in channels:
        assert one.state in ('alive', 'woken')
        assert one.fourier.end > one.fourier.start
        assert one.noise.dead == (one.noise.slope == 0)


def test_redirected_gradients_pass_only_where_none_passes():
    inputs = np.float32([[-1, 2], [-1, -2], [7, -1]])
    slopes = np.float32([[1, 1], [1, -1], [-1, -1]])
    with tf.Graph().as_default(), tf.Session() as session:
        found = session.run(
            [redirected(tf.constant(inputs), tf.constant(slopes), most) for most in (None, 6.0)]
        )
    # First row: a ReLU passes, so the dead one stays so. Second: what raises a dead ReLU passes, what lowers
    # it does not. Third: above 6, a ReLU6 passes what lowers it.
    np.testing.assert_array_equal(found[0], [[0, 1], [1, 0], [-1, 0]])
    np.testing.assert_array_equal(found[1], [[0, 1], [1, 0], [-1, 0]])


def test_fourier_images_are_gray_at_first_and_can_be_trained():
    with tf.Graph().as_default(), tf.Session() as session:
        _, value, images = fourier_images(2, 32, seed=1)
        (slope,) = tf.gradients(images[0], value)
        session.run(tf.global_variables_initializer())
        shown, slope = session.run([images, slope])
    assert shown.shape == (2, 32, 32, 3) and abs(shown.mean() - 0.5) < 0.05 and 0.001 < shown.std() < 0.1
    assert np.abs(slope[:, 0]).max() > 0 and np.abs(slope[:, 1]).max() == 0


def test_random_views_differ_in_each_run_and_keep_the_center():
    picture = np.full((1, 33, 33, 3), 0.5, np.float32)
    picture[:, 8:25, 8:25] = 1
    with tf.Graph().as_default(), tf.Session() as session:
        view = random_views(tf.constant(picture), seed=1)
        first, second = session.run(view), session.run(view)
    assert np.abs(first - second).max() > 0.1
    assert first[0, 16, 16, 0] == pytest.approx(1) and first[0, 0, 0, 0] == pytest.approx(0.5)


def test_the_command_writes_a_png_a_csv_and_a_page(tmp_path, capsys):
    model = str(color_classifier(tmp_path / 'colors.pb'))
    filters.main([model, 'Relu', '--channels', '0,2-3', '--side', '32', '--out', str(tmp_path / 'out')])
    said = capsys.readouterr().out
    assert '3 channels: ' in said and 'dead on gray noise' in said and 'Relu_filters.html' in said
    with (tmp_path / 'out' / 'Relu_filters.csv').open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row['channel'] for row in rows] == ['0', '2', '3']
    assert (
        rows[2]['state'] == 'still dead'
        and rows[2]['noise_gradient'] == '0'
        and rows[2]['noise_moved'] == 'no'
    )
    with Image.open(tmp_path / 'out' / 'Relu_filters.png') as drawn:
        assert drawn.format == 'PNG' and drawn.width > 600
    page = (tmp_path / 'out' / 'Relu_filters.html').read_text()
    assert 'data:image/png;base64,' in page and 'still dead' in page and 'http' not in page


@pytest.mark.parametrize(
    'layer, options, words',
    [
        ('Rely', {}, "no layer 'Rely'; similar names: Relu"),
        ('Relu', {'wanted': [4]}, 'Relu has 4 channels, 0 to 3: no 4'),
        ('pool_3', {'side': 16}, 'has no positions, so that it needs images of 32 pixels'),
        ('Relu:7', {}, "the layer 'Relu' has no output 'Relu:7': leave the number out"),
        ('kernel', {}, 'kernel does not depend on the pixels: choose another layer'),
        ('DecodeJpeg', {}, r'DecodeJpeg is uint8 .*: choose a layer'),
    ],
)
def test_what_cannot_be_drawn_is_one_line(colors, layer, options, words):
    with pytest.raises(UserError, match=words):
        filters.channels_of(colors, layer, **options)


def test_lists_of_channels():
    assert filters.numbers('0-3, 9,2') == [0, 1, 2, 3, 9]
    for text in ('', 'a', '3-', '-3', '5-2', '1,,2'):
        with pytest.raises(argparse.ArgumentTypeError):
            filters.numbers(text)

"""Heads trained with --mirror, from the photos to the frozen file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src.common import consts, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation import image_folder_to_tfrecords
from src.data_preparation.conversion.add import add_bottlenecks
from src.engine.learners.head import Head
from src.engine.sources import InMemory
from src.freezing import freeze, frozen_to_saved_model
from src.graph.backbones import load_backbone
from src.graph.frozen import load_graph
from src.graph.graph_io import read_graph, write_graph
from src.graph.mirroring import attach_mirrored
from src.graph.model_info import views_in
from src.graph.preprocessing.pictures import mirrored
from src.inference.from_records import answered
from src.inference.predictor import load_model
from src.inference.runtimes.base import Predictor
from src.recipes.recipe import HeadRecipe
from src.records.dataset import Examples, Records, load, open_records, pictures
from src.training import fine_tune, train
from tests.graph.graphs import SIDE, graph_in_nchw, graph_of_2015
from tests.pictures import encoded, photo

SPLITS = consts.SPLITS


@pytest.fixture(scope='module')
def photos(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp('photos')
    for place, name in enumerate(['bär', 'zebra']):
        (folder / name).mkdir()
        for n in range(20):
            picture = photo(144, 144, seed=n) // (1 + place)
            (folder / name / f'{n}.png').write_bytes(encoded(picture, 'PNG'))
    return folder


@pytest.fixture(scope='module')
def small(photos) -> str:
    """Records of the pocket backbone, to which left and right differ, without mirrored bottlenecks."""
    convert(photos, 'small')
    return 'small'


def convert(photos: Path, name: str) -> None:
    backbone = ['--backbone', str(paths.POCKET_GRAPH_DEF), '--precision', 'float32']
    image_folder_to_tfrecords.main([str(photos), '--name', name, *backbone])


def trained(name: str, model: str, *flags: str) -> Predictor:
    train.main(['--name', name, '--model', model, '--mirror', *flags])
    freeze.main(['--name', name, '--model', model])
    return load_model(paths.frozen(model))


def read(predictor: Predictor, records: Records, split: str = 'train') -> tuple[list[bytes], np.ndarray]:
    data = [data for _, data in pictures(records, split)]
    return data, np.stack([predictor.reader.read(one) for one in data])


@pytest.fixture(scope='module')
def averaging(small) -> str:
    """The name of a model that averages photo and mirror image."""
    trained(small, 'averaging', '--solver', 'lbfgs')
    return 'averaging'


ADAM = ['--layers', '0,4,2', '--steps', '60', '--learning-rate', '0.01', '--mixup', '0']


@pytest.mark.parametrize('flags', [ADAM, ['--solver', 'lbfgs']], ids=['adam', 'lbfgs'])
def test_the_frozen_model_averages_photo_and_mirror_image(small, flags, capsys):
    solver = flags[1] if flags[0] == '--solver' else 'adam'
    predictor = trained(small, f'both_{solver}', *flags)
    records = open_records(small)
    assert records.mirrored and views_in(predictor.info) == 2 and predictor.info['settings']['mirror']
    data, pixels = read(predictor, records)
    rows = predictor.from_pixels(pixels)
    assert rows.shape == (len(data), 2) and np.abs(rows - rows.mean(0)).max() > 0.01
    # A photo and its mirror image are one and the same to it.
    np.testing.assert_allclose(predictor.from_pixels(pixels[:, :, ::-1]), rows, atol=1e-6)
    np.testing.assert_allclose(np.stack(list(predictor.from_pictures(data))), rows, atol=1e-6)
    held = load(records, 'train', field=records.bottlenecks(mirrored=True))
    np.testing.assert_allclose(predictor.from_bottlenecks(held.values), rows, atol=1e-5)
    np.testing.assert_allclose(answered(predictor, records, 'train').values, rows, atol=1e-5)
    assert predictor.grad_cam(pixels[0], 1).ndim == 2
    assert 'same probabilities as backbone and head' in capsys.readouterr().out


def test_one_encoded_image_gives_one_row(small, averaging):
    predictor = load_model(paths.frozen(averaging))
    data, pixels = read(predictor, open_records(small))
    with tf.Graph().as_default(), tf.Session() as session:
        tf.import_graph_def(read_graph(paths.frozen(averaging)), name='')
        row = session.run(consts.OUTPUT_TENSOR_NAME, {consts.IMAGE_TENSOR: data[0]})
    np.testing.assert_allclose(row, predictor.from_pixels(pixels[:1]), atol=1e-5)


def test_the_saved_model_averages_too(small, averaging, tmp_path):
    predictor = load_model(paths.frozen(averaging))
    data, pixels = read(predictor, open_records(small))
    folder = frozen_to_saved_model.export(paths.frozen(averaging), tmp_path / '1')
    with tf.Graph().as_default(), tf.Session() as session:
        tf.saved_model.load(session, ['serve'], str(folder))
        rows = session.run(f'{consts.SERVING_OUTPUT}:0', {f'{consts.SERVING_INPUT}:0': data[:5]})
    np.testing.assert_allclose(rows, predictor.from_pixels(pixels[:5]), atol=1e-5)


def test_the_records_get_the_mirrored_bottlenecks_once(photos, capsys):
    convert(photos, 'once')
    before = load(open_records('once'), *SPLITS)
    for turn in range(2):
        train.main(['--name', 'once', '--mirror', '--solver', 'lbfgs'])
        assert ('computing the bottlenecks of the mirrored photos' in capsys.readouterr().out) == (turn == 0)
    records = open_records('once')
    held = load(records, *SPLITS, field=records.bottlenecks(mirrored=True))
    assert held.ids == before.ids
    np.testing.assert_array_equal(held.values[:, 0], before.values)
    assert np.abs(held.values[:, 1] - before.values).max() > 1e-3


def test_records_that_lost_their_mirrored_bottlenecks_are_answered_from_pictures(small, averaging):
    predictor = load_model(paths.frozen(averaging))
    records = open_records(small)
    lost = replace(records, manifest={k: v for k, v in records.manifest.items() if k != 'mirrored'})
    rows = answered(predictor, records, 'train').values
    np.testing.assert_allclose(answered(predictor, lost, 'train').values, rows, atol=1e-5)


def test_joined_backbones_see_both_views(photos, tmp_path):
    convert(photos, 'joined')
    other = load_backbone(write_graph(graph_of_2015(), tmp_path / 'small.pb'))
    records = add_bottlenecks(open_records('joined'), [other])
    predictor = trained('joined', 'joined_both', '--solver', 'lbfgs')
    data, pixels = read(predictor, records)
    rows = predictor.from_pixels(pixels)
    turned = mirrored(pixels, load_graph(paths.frozen('joined_both')).preprocessing)
    assert np.abs(turned - pixels).max() > 1
    np.testing.assert_allclose(predictor.from_pixels(turned), rows, atol=1e-6)
    np.testing.assert_allclose(answered(predictor, records, 'train').values, rows, atol=1e-4)
    assert len(data) == len(rows)


@pytest.mark.parametrize('kind', ['pocket', '2015', 'nchw'])
def test_rows_of_both_views_follow_each_other(kind, tmp_path):
    path, pixel_range, side = paths.POCKET_GRAPH_DEF, None, 144
    if kind != 'pocket':
        graph = graph_of_2015() if kind == '2015' else graph_in_nchw()
        path, side = write_graph(graph, tmp_path / 'backbone.pb'), SIDE
        pixel_range = (-1, 1) if kind == 'nchw' else None
    backbone = load_backbone(path, pixel_range=pixel_range)
    pixels = np.stack([photo(side, side, seed=n) for n in range(3)]).astype(np.float32)
    fed = backbone.preprocessing.pixels
    with tf.Graph().as_default(), tf.Session() as session:
        plain = backbone.attach()
        expected = [session.run(plain, {fed: some}) for some in (pixels, pixels[:, :, ::-1])]
    if kind == 'pocket':  # the others average over all pixels
        assert np.abs(expected[0] - expected[1]).max() > 0.1
    with tf.Graph().as_default(), tf.Session() as session:
        rows = session.run(attach_mirrored(backbone), {fed: pixels})
    np.testing.assert_allclose(rows[0::2], expected[0], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(rows[1::2], expected[1], rtol=1e-4, atol=1e-4)


def head(seed: int = 1) -> Head:
    values = np.stack([np.arange(40.0), -1 - np.arange(40.0)], 1)[:, :, None].astype(np.float32)
    held = Examples([str(i) for i in range(40)], np.arange(40, dtype=np.int32) % 2, values)
    recipe = HeadRecipe(layers=[1, 2], mirror=True, mixup=0.0, batch_size=20, seed=seed)
    return Head(recipe, InMemory({'train': held}, 20, seed), 2)


def test_adam_draws_a_view_by_seed_and_step_alone():
    with tf.Graph().as_default():
        one = head()
        steps = [one.feed(step)[one.x][:, 0] for step in (0, 1, 2)]
    with tf.Graph().as_default():
        again = head()
        np.testing.assert_array_equal(again.feed(2)[again.x][:, 0], steps[2])
    drawn = np.concatenate(steps) < 0
    assert 10 < drawn.sum() < 50
    assert not np.array_equal(steps[0] < 0, steps[1] < 0)


def test_fine_tuning_goes_on_from_a_mirrored_head_with_the_photo_alone(small, averaging, capsys):
    fine_tune.main(
        [
            '--name',
            small,
            '--model',
            'tuned',
            '--from',
            averaging,
            '--epochs',
            '1',
            '--last-convolutions',
            '1',
        ]
    )
    assert 'the fine-tuned model will take the photo alone' in capsys.readouterr().out
    freeze.main(['--name', small, '--model', 'tuned'])
    assert views_in(load_model(paths.frozen('tuned')).info) == 1


def test_records_without_a_backbone_are_refused(photos):
    image_folder_to_tfrecords.main([str(photos), '--name', 'pixels', '--no-backbone'])
    with pytest.raises(UserError, match='holds pictures without bottlenecks'):
        train.main(['--name', 'pixels', '--mirror'])

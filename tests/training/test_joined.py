"""Records of several backbones from conversion to use, by the commands."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from dataclasses import replace

import numpy as np
import pytest

from src.analysis import training_perf_analysis
from src.common import consts, files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation import image_folder_to_tfrecords as converter
from src.engine import checkpoints
from src.engine.learners.head import Head
from src.engine.learners.linear import LinearHead
from src.freezing import freeze, frozen_to_saved_model
from src.graph.graph_io import write_graph
from src.inference.from_records import answered
from src.inference.predictor import load_model
from src.interpret import saliency
from src.models.dense import dense_head, head_variables, probabilities
from src.recipes.recipe import HeadRecipe
from src.records.chosen import using
from src.records.dataset import load, open_records, pictures
from src.records.next_commands import to_convert, to_train
from src.training import fine_tune, train
from tests.graph.graphs import graph_of_pixels
from tests.graph.several import several
from tests.pictures import encoded, photo

# The arithmetic of the frozen file.
PLAIN = ['--precision', 'float32']


@pytest.fixture(scope='module')
def backbones(tmp_path_factory):
    return several(tmp_path_factory.mktemp('backbones'))


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    """20 photos of each of three classes, which differ in their color."""
    folder = tmp_path_factory.mktemp('photos')
    for name, color in {'a': (1, 0.3, 0.3), 'b': (0.3, 1, 0.3), 'c': (0.3, 0.3, 1)}.items():
        (folder / name).mkdir()
        for place in range(20):
            picture = np.uint8(photo(seed=1000 * ord(name) + place) * color)
            (folder / name / f'{place}.jpg').write_bytes(encoded(picture, 'JPEG'))
    return folder


@pytest.fixture(scope='module')
def joined(photos, backbones) -> str:
    """The name of a data set, and of the model trained on it and frozen."""
    # The folder may follow the backbones.
    converter.main(['--name', 'joined', *PLAIN, '--backbone', *map(str, backbones[:2]), str(photos)])
    train.main(
        [
            '--name',
            'joined',
            '--layers',
            '0,8,0',
            '--steps',
            '60',
            '--patience',
            '0',
            '--learning-rate',
            '0.01',
        ]
    )
    freeze.main(['--name', 'joined'])
    return 'joined'


@pytest.fixture
def copy(joined, tmp_path) -> str:
    """The frozen file under another name, as if it came from elsewhere."""
    return str(shutil.copy(paths.frozen(joined), tmp_path / 'copy.pb'))


def pipeline(model: str, values: np.ndarray) -> np.ndarray:
    """The probabilities [N, classes] of the head in the checkpoint, from bottlenecks [N, width]."""
    layers = files.read_json(paths.checkpoints(model) / 'model.json')['settings']['layers']
    with tf.Graph().as_default(), tf.Session() as session:
        x = tf.placeholder(tf.float32, [None, layers[0]])
        checkpoint = checkpoints.best_checkpoint(paths.checkpoints(model))
        temperature = checkpoints.calibration_of(checkpoint).temperature
        rows = probabilities(dense_head(x, layers), temperature=temperature)
        checkpoints.restore(session, tf.train.Saver(head_variables()), checkpoint)
        return session.run(rows, {x: values})


def test_the_frozen_file_equals_bottlenecks_and_head(joined):
    records = open_records(joined)
    held = load(records, 'train')
    data = [image for _, image in pictures(records, 'train')]
    predictor = load_model(paths.frozen(joined))
    wanted = pipeline(joined, held.values)
    assert np.ptp(wanted, 0).max() > 0.1  # the pictures differ
    np.testing.assert_allclose(np.stack(list(predictor.from_pictures(data))), wanted, atol=1e-4)
    np.testing.assert_allclose(np.stack(predictor.from_mixed(data)), wanted, atol=1e-4)
    np.testing.assert_allclose(predictor.from_bottlenecks(held.values), wanted, atol=1e-4)
    predictor.close()


def test_the_saved_model_gives_the_same(joined, tmp_path):
    records = open_records(joined)
    folder = frozen_to_saved_model.export(paths.frozen(joined), tmp_path / '1')
    five = [image for _, image in pictures(records, 'train')][:5]
    with tf.Graph().as_default() as graph, tf.Session() as session:
        tf.saved_model.load(session, ['serve'], str(folder))
        feed = {graph.get_tensor_by_name(f'{consts.SERVING_INPUT}:0'): five}
        found = session.run(f'{consts.SERVING_OUTPUT}:0', feed)
    np.testing.assert_allclose(found, pipeline(joined, load(records, 'train').values[:5]), atol=1e-4)


def test_grad_cam_adds_up_the_maps_of_both(joined):
    predictor = load_model(paths.frozen(joined))
    _, image = next(pictures(open_records(joined), 'train'))
    found = predictor.grad_cam(predictor.reader.read(image), 0)
    assert found.shape == (12, 12)  # the finer one, of the network for 12 x 12 pixels
    assert np.isfinite(found).all() and found.max() > 0
    predictor.close()


def test_the_analysis_takes_the_bottlenecks_that_the_model_needs(joined, backbones, photos, copy):
    """The records of another data set hold the same backbones in another order, and one more."""
    converter.main(['--name', 'turned', *PLAIN, '--backbone', *map(str, backbones[::-1]), '--', str(photos)])
    predictor = load_model(paths.frozen(joined))
    ours, theirs = open_records(joined), open_records('turned')
    assert ours.bottlenecks().columns.keys() != theirs.bottlenecks().columns.keys()
    wanted = answered(predictor, ours, 'train')
    np.testing.assert_allclose(answered(predictor, theirs, 'train').values, wanted.values, atol=1e-5)
    training_perf_analysis.main(['--name', 'turned', '--model', copy])
    predictor.close()


def test_records_that_lack_a_backbone_are_refused_with_the_command_that_adds_it(copy, backbones, photos):
    converter.main([str(photos), '--name', 'fewer', *PLAIN, '--backbone', str(backbones[0])])
    with pytest.raises(
        UserError, match=r'fewer holds no bottlenecks of small\.pb: to add them run (.*)'
    ) as told:
        training_perf_analysis.main(['--name', 'fewer', '--model', copy])
    command = re.search(r'run python -m src\.data_preparation\.(.*)', str(told.value))[1].split()
    assert command == ['image_folder_to_tfrecords', '--name', 'fewer', '--add-backbone', 'small.pb']
    converter.main([*command[1:-1], str(backbones[1])])
    training_perf_analysis.main(['--name', 'fewer', '--model', copy])


def test_a_model_of_fewer_backbones_stays_valid_when_one_is_added(backbones, photos):
    converter.main([str(photos), '--name', 'grown', *PLAIN, '--backbone', str(backbones[0])])
    train.main(['--name', 'grown', '--layers', '0,0', '--steps', '10'])
    converter.main(['--name', 'grown', '--add-backbone', *map(str, backbones[1:])])
    freeze.main(['--name', 'grown'])
    training_perf_analysis.main(['--name', 'grown'])
    with pytest.raises(UserError, match=r'another backbone \(.*pocket\.pb.*\): add --fresh'):
        train.main(['--name', 'grown', '--layers', '0,0', '--steps', '10'])


def test_a_head_on_some_of_the_backbones_equals_one_on_their_own_records(backbones, photos, joined):
    converter.main([str(photos), '--name', 'all', *PLAIN, '--backbone', *map(str, backbones)])
    settings = ['--layers', '0,0', '--steps', '30']
    train.main(['--name', 'all', '--backbones', 'small', *settings])
    converter.main([str(photos), '--name', 'alone', *PLAIN, '--backbone', str(backbones[1])])
    train.main(['--name', 'alone', *settings])
    notes = [files.read_json(paths.checkpoints(name) / 'model.json') for name in ('all', 'alone')]
    assert notes[0]['backbone'] == notes[1]['backbone']
    scores = [files.read_json(paths.scores(name))['scores'] for name in ('all', 'alone')]
    assert scores[0] == scores[1]
    assert '--backbones small' in to_train('all', 'all')
    freeze.main(['--name', 'all'])
    np.testing.assert_array_equal(
        answered(load_model(paths.frozen('all')), open_records('all'), 'test').values,
        answered(load_model(paths.frozen('all')), open_records('alone'), 'test').values,
    )
    order = using(open_records('all'), ['small_2', 'pocket'])
    assert list(order.bottlenecks().columns) == ['inception_output/small_2', 'inception_output']


@pytest.mark.parametrize(
    ('names', 'fault'),
    [
        (['small', 'large'], 'holds no bottlenecks of large, only of pocket, small'),
        (['small', 'small'], '--backbones small small: name each backbone once'),
    ],
)
def test_names_of_backbones_are_checked(joined, names, fault):
    with pytest.raises(UserError, match=fault):
        Head.field(HeadRecipe(backbones=names), open_records(joined))


def test_l_bfgs_knows_how_wide_each_backbone_is(joined):
    records = open_records(joined)
    widths = [one['width'] for one in records.manifest['backbone']['joined']]
    recipe = HeadRecipe(data_set=joined, solver='lbfgs', all_splits=True)
    assert len(widths) == 2 and LinearHead.settled(recipe, records).blocks == widths
    assert LinearHead.settled(replace(recipe, backbones=['small']), records).blocks is None
    train.main(['--name', joined, '--model', 'scaled', '--solver', 'lbfgs', '--all-splits', '--folds', '0'])
    assert 'blocks' not in files.read_json(paths.scores('scaled'))['changed']


def test_what_takes_one_backbone_says_so(joined, tmp_path, photos):
    with pytest.raises(
        UserError, match=r'holds the bottlenecks of several backbones .*fine-tuning is for records of'
    ):
        fine_tune.main(['--name', joined])
    picture = str(photos / 'a' / '0.jpg')
    with pytest.raises(UserError, match=r'joined\.pb joins 2 backbones: look at one of them'):
        saliency.main([str(paths.frozen(joined)), picture])


def test_the_conversion_is_repeated_by_the_command_that_is_told(backbones, photos, tmp_path):
    """Flags follow the backbone that they are for; the same command finds the records complete."""
    pixels = write_graph(graph_of_pixels(), tmp_path / 'pixels.pb')
    words = ['--backbone', str(backbones[0]), '--backbone', str(pixels), '--pixel-range=-1,1', '--mirror']
    converter.main([str(photos), '--name', 'flags', *PLAIN, *words])
    (first, second) = open_records('flags').manifest['backbone']['joined']
    assert (first['pixel_range'], second['pixel_range']) == (None, [-1, 1])
    told = shlex.split(to_convert('flags'))
    assert told[3:] == [
        str(photos),
        '--name',
        'flags',
        '--backbone',
        'frozen/pocket/pocket.pb',
        *words[2:],
    ]
    shards = list(paths.records('flags').glob('*.tfrecord'))
    before = [path.stat().st_mtime_ns for path in shards]
    converter.main([*told[3:], *PLAIN])
    assert [path.stat().st_mtime_ns for path in shards] == before


@pytest.mark.parametrize(
    ('words', 'fault'),
    [
        (['--add-backbone', '{1}', '--backbone', '{0}'], '--add-backbone and --backbone exclude each other'),
        (['--add-backbone', __file__], r'test_joined\.py is'),
        (
            ['--add-backbone', '{2}', '--review', __file__],
            r'as they are: leave out --review, or convert again',
        ),
        (['--add-backbone', '{2}', '--no-backbone'], 'leave out --no-backbone'),
        (['--add-backbone', '{2}', '--precision', 'int8'], 'bottlenecks in float32.* leave out --precision'),
        (
            ['{photos}', *PLAIN, '--backbone', '{0}', '{0}'],
            r'pocket\.pb is given twice: name each backbone',
        ),
        (['{photos}', *PLAIN, '--backbone', '{0}'], 'holds these records with more backbones'),
        (['{photos}', *PLAIN, '--backbone', '{0}', '{1}', '{2}'], r'fewer .*: --add-backbone small\.pb adds'),
        (['--backbone', '{0}'], 'the folder of the photos is missing'),
        (['{photos}', '--no-backbone', '--mirror'], '--mirror is for bottlenecks'),
        (
            ['{photos}', '--no-backbone', '--backbone', '{0}'],
            '--backbone and --no-backbone exclude each other',
        ),
    ],
)
def test_bad_requests_are_told_in_one_line_and_lose_nothing(joined, backbones, photos, words, fault):
    before = json.dumps(open_records(joined).manifest)
    words = [word.format(*backbones, photos=photos) for word in words]
    with pytest.raises(UserError, match=fault):
        converter.main(['--name', joined, *words])
    assert json.dumps(open_records(joined).manifest) == before
    load(open_records(joined), 'train')


def test_a_frozen_file_that_is_no_backbone_adds_nothing(joined, tmp_path):
    before = load(open_records(joined), 'train')
    empty = tmp_path / 'empty.pb'
    empty.touch()
    with pytest.raises(UserError, match=r'empty\.pb is'):
        converter.main(['--name', joined, '--add-backbone', str(empty)])
    assert np.array_equal(load(open_records(joined), 'train').values, before.values)

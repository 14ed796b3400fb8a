"""Distillation as the command does it, from photos to a backbone file."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from src.common import files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation import image_folder_to_tfrecords
from src.engine.distilling import answers, run, student
from src.engine.distilling.backbone import student_graph
from src.engine.distilling.start import read_start
from src.engine.distilling.teacher import Teacher
from src.engine.optimizers import assign
from src.freezing import freeze
from src.graph.backbones import load_backbone, load_tried
from src.graph.graph_io import read_graph, write_graph
from src.graph.model_info import read_info
from src.models import students
from src.models.layers import Mode
from src.recipes.distill_recipe import DistillRecipe
from src.training import distill, train
from tests.graph.residual import SIDE, WIDTH, with_residual_block
from tests.training.test_fine_tune import write_photos

FLAGS = ['--student', 'resnet_small', '--side', '16', '--final-side', '16', '--views', '3', '--epochs', '8']
FLAGS += ['--batch-size', '8', '--learning-rate', '0.02', '--precision', 'float32']


@pytest.fixture(scope='module', autouse=True)
def small_student():
    """A student that trains in seconds, and few photos in a file of answers."""
    patch = pytest.MonkeyPatch()
    patch.setitem(students.STUDENTS, 'resnet_small', students._residual_network([(16, 1), (24, 0)], 32))
    patch.setattr(answers, 'CHUNK', 32)
    patch.setattr(run, 'HELD_SHARE', 0.1)
    yield
    patch.undo()


@pytest.fixture(scope='module')
def given(tmp_path_factory) -> list[str]:
    """Photos and a teacher, as arguments."""
    folder = tmp_path_factory.mktemp('given')
    photos = write_photos(folder / 'photos', 40, 24)
    teacher = with_residual_block(folder / 'teacher.pb')
    return [str(photos), '--teacher', str(teacher), '--pixel-range', '0,255', *FLAGS]


@pytest.fixture(scope='module')
def distilled(given):
    distill.main([*given, '--model', 'small'])
    return paths.frozen('small')


def losses(model):
    """The validation losses of a run in the order of the steps."""
    found = []
    for file in sorted(paths.summaries(model).glob('events*')):
        for event in tf.train.summary_iterator(str(file)):
            found += [v.simple_value for v in event.summary.value if v.tag == 'curves/validation_loss']
    return found


def test_the_student_learns_and_becomes_a_backbone(distilled, capsys):
    curve = losses('small')
    assert min(curve) == curve[-1] < 0.7 * curve[0]
    backbone = load_tried(distilled)
    assert backbone.width == 32 and backbone.preprocessing.height == 16
    info = read_info(read_graph(distilled))
    assert info['recipe'] == 'distill/pocket' and info['teachers'] == ['teacher.pb']
    assert info['settings']['views'] == 3
    assert info['losses']['validation_loss'] == pytest.approx(curve[-1], rel=1e-2)
    stored = sum(node.attr['value'].tensor.ByteSize() for node in read_graph(distilled).node)
    weights = sum(v.size for v in weights_of('small').values())
    assert stored < 2.5 * weights  # two bytes each


def test_the_side_may_grow_during_training(given, distilled):
    grows = DistillRecipe(first_side=32, side=64)
    sides = [grows.side_at(step / 1000) for step in range(1000)]
    assert sides == sorted(sides) and {DistillRecipe(side=48).side_at(step / 9) for step in range(9)} == {48}
    costs = [sides.count(side) * side**2 for side in (32, 48, 64)]
    assert costs == pytest.approx([sum(costs) / 3] * 3, rel=0.02)  # as long with each
    grown = ['--model', 'grown', '--side', '32', '--first-side', '16', '--final-side', '32', '--epochs', '4']
    distill.main([*given, *grown])
    assert losses('grown')[-1] < losses('grown')[0]
    assert load_backbone(paths.frozen('grown')).preprocessing.height == 32
    with pytest.raises(UserError, match='--first-side 32 is above --side 16'):
        distill.main([*given, '--model', 'shrunk', '--first-side', '32'])


def weights_of(model):
    reader = tf.train.load_checkpoint(str(paths.checkpoints(model)))
    names = (name for name in reader.get_variable_to_shape_map() if name.startswith('student/stage'))
    return {name: reader.get_tensor(name) for name in names if name.endswith('/W')}


def test_the_file_gives_the_bottlenecks_of_the_checkpoint(distilled):
    backbone, checkpoint = load_backbone(distilled), paths.checkpoints('small')
    pixels = np.random.default_rng(1).uniform(0, 255, (4, 16, 16, 3)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        found = session.run(backbone.attach(), {backbone.preprocessing.pixels: pixels})
    with tf.Graph().as_default(), tf.Session() as session:
        wanted = students.bottleneck_of('resnet_small', tf.constant(pixels))
        best = tf.train.get_checkpoint_state(str(checkpoint), 'best_checkpoint').model_checkpoint_path
        tf.train.Saver(tf.global_variables('student/')).restore(session, best)
        wanted = session.run(wanted)
    np.testing.assert_allclose(found, wanted, atol=0.02 * np.abs(wanted).max())


def test_a_student_starts_with_the_weights_of_a_distilled_backbone(distilled, given, capsys):
    onward = [*given, '--model', 'onward', '--epochs', '2', '--learning-rate', '0.001']
    distill.main([*onward, '--from', str(distilled)])
    assert losses('onward')[0] < 0.7 * losses('small')[0]
    info = read_info(read_graph(paths.frozen('onward')))
    assert info['start'] == {'file': 'small.pb', 'sha256': files.sha256(distilled)}
    with pytest.raises(UserError, match=r'another value of --from \(small.pb\)'):
        distill.main(onward)


@pytest.mark.parametrize('name', ['resnet_small', 'mobilenet_v2'])
def test_the_start_gives_the_bottlenecks_of_its_file(tmp_path, distilled, name):
    path = distilled
    if name == 'mobilenet_v2':  # depthwise convolutions too; random weights
        path = write_graph(student_graph(name, 32, {'settings': {'student': name}}), tmp_path / 'random.pb')
    backbone = load_backbone(path)
    side = backbone.preprocessing.height
    pixels = np.random.default_rng(1).integers(0, 255, (9, side, side, 3), np.uint8)
    with tf.Graph().as_default(), tf.Session() as session:
        wanted = session.run(backbone.attach(), {backbone.preprocessing.pixels: pixels.astype(np.float32)})
    values = read_start(path, name).values(pixels)
    for training in (False, True):  # with the averages of these photos, and with those of the batch
        with tf.Graph().as_default(), tf.Session() as session:
            found = students.bottleneck_of(name, tf.constant(pixels), Mode(training))
            assign(session, [(v, values[v.op.name]) for v in tf.global_variables('student/')])
            np.testing.assert_allclose(session.run(found), wanted, atol=1e-3 * np.abs(wanted).max())


@pytest.mark.parametrize(
    ('file', 'message'),
    [
        ('teacher.pb', r'teacher\.pb is no distilled backbone: --from takes a file of this command'),
        ('tiny.pb', r'tiny\.pb is a resnet_tiny: add --student resnet_tiny'),
        ('other.pb', r'other\.pb is not a resnet_small of this version: .* has the shape'),
    ],
)
def test_a_start_of_another_student_is_refused(given, tmp_path, monkeypatch, file, message):
    path = tmp_path / file
    if file == 'teacher.pb':
        shutil.copy(given[2], path)
    else:
        network = students._residual_network([(12, 1), (24, 0)], 32)
        with monkeypatch.context() as patch:
            patch.setitem(students.STUDENTS, 'other', network)
            name = {'tiny.pb': 'resnet_tiny', 'other.pb': 'resnet_small'}[file]
            write_graph(student_graph('other', 16, {'settings': {'student': name}}), path)
    with pytest.raises(UserError, match=message):
        distill.main([*given, '--from', str(path), '--model', 'refused', '--epochs', '1'])


def test_a_head_is_trained_on_it_like_on_any_backbone(distilled, given):
    image_folder_to_tfrecords.main([given[0], '--name', 'tones', '--backbone', str(distilled)])
    train.main(['--name', 'tones', '--steps', '200'])
    freeze.main(['--name', 'tones'])
    assert files.read_json(paths.scores('tones'))['scores']['train']['top_1'] > 0.9


def test_a_run_that_was_stopped_ends_as_an_uninterrupted_one(distilled, given, monkeypatch):
    def stop(self, step):
        if step == 30:
            raise KeyboardInterrupt
        return feed(self, step)

    feed = student.Distillation.feed
    monkeypatch.setattr(student.Distillation, 'feed', stop)
    with pytest.raises(KeyboardInterrupt):
        distill.main([*given, '--model', 'stopped'])
    monkeypatch.setattr(student.Distillation, 'feed', feed)
    distill.main([*given, '--model', 'stopped'])
    whole, resumed = weights_of('small'), weights_of('stopped')
    for name, value in whole.items():
        np.testing.assert_allclose(resumed[name], value, atol=1e-4, err_msg=name)


def test_answers_are_computed_once_and_more_views_are_added(given, monkeypatch):
    def count(self, photos, views):
        asked.append(len(views))
        return answer(self, photos, views)

    asked, answer = [], Teacher.answers
    monkeypatch.setattr(Teacher, 'answers', count)
    distill.main([*given, '--epochs', '1', '--model', 'again'])
    assert not asked
    distill.main([*given, '--epochs', '1', '--views', '4', '--model', 'more'])
    assert sum(asked) == 80  # the fourth view of each photo


def test_fresh_views_are_answered_as_they_come(given, capsys):
    distill.main([*given, '--fresh-views', '--epochs', '6', '--model', 'fresh'])
    curve = losses('fresh')
    assert curve[-1] < curve[0]


def test_several_teachers_are_learned_side_by_side(given, tmp_path, capsys):
    plain = without_classes(tmp_path / 'plain.pb')
    words = list(given)
    words.insert(3, str(plain))
    distill.main([*words, '--epochs', '2', '--model', 'both'])
    projection = tf.train.load_checkpoint(str(paths.checkpoints('both')))
    assert projection.get_tensor('student/projection/W').shape == (32, WIDTH + 3)
    assert read_info(read_graph(paths.frozen('both')))['teachers'] == ['teacher.pb', 'plain.pb']


def without_classes(path):
    with tf.Graph().as_default() as graph:
        pixels = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
        tf.reduce_mean(tf.nn.relu(pixels - 64), [1, 2], name='pool_3')
    return write_graph(graph.as_graph_def(), path)


def test_other_teachers_photos_or_settings_are_refused(distilled, given, tmp_path):
    plain = str(without_classes(tmp_path / 'plain.pb'))
    other = [plain if word.endswith('.pb') else word for word in given]
    with pytest.raises(UserError, match=r'was trained with another teacher \(teacher.pb\): add --fresh'):
        distill.main([*other, '--model', 'small'])
    with pytest.raises(UserError, match=r'another value of --epochs \(8.0\)'):
        distill.main([*given, '--model', 'small', '--epochs', '9'])
    more = shutil.copytree(given[0], tmp_path / 'photos')
    (more / 'dark' / '0.png').unlink()
    with pytest.raises(UserError, match='another set of photos'):
        distill.main([str(more), *given[1:], '--model', 'small'])


def test_a_student_is_no_classifier(distilled):
    with pytest.raises(UserError, match='small is a distilled backbone, not a classifier'):
        freeze.main(['--name', 'tones', '--model', 'small'])


def test_photos_that_cannot_be_read_are_skipped_and_listed(given, tmp_path, capsys):
    photos = shutil.copytree(given[0], tmp_path / 'photos')
    (photos / 'dark' / 'broken.jpg').write_bytes(b'\xff\xd8\xff\xe0 no picture')
    distill.main([str(photos), *given[1:], '--epochs', '1', '--model', 'skipping'])
    assert 'skipped 1 file: dark/broken.jpg' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--bottleneck', 'last/Conv2D'], None),
        (['--bottleneck', 'block/shared/kernel'], 'block/shared/kernel:0'),
        (['--bottleneck', 'nothing'], 'has no tensor nothing:0'),
    ],
)
def test_a_teacher_may_be_cut_at_a_feature_map_but_not_at_weights(given, words, message, capsys):
    if message is None:
        distill.main([*given, *words, '--epochs', '1', '--model', 'map'])
        return
    with pytest.raises(UserError, match=message):
        distill.main([*given, *words, '--model', 'refused'])


def test_an_unknown_student_is_refused_with_the_names(given, capsys):
    with pytest.raises(SystemExit) as ended:
        distill.main([*given, '--student', 'resnet_smal'])
    assert ended.value.code == 2 and 'resnet_small' in capsys.readouterr().err
    with pytest.raises(UserError, match="unknown student 'resnet_smal'; there is resnet_small"):
        students.find_student('resnet_smal')


def test_answers_of_another_teacher_are_not_used(given, tmp_path):
    other = with_residual_block(tmp_path / 'other.pb', between=lambda x: x * 2)
    words = [str(other) if word.endswith('.pb') else word for word in given]
    before = set((paths.DATA_DIR / 'answers').iterdir())
    distill.main([*words, '--epochs', '1', '--model', 'other'])
    assert len(set((paths.DATA_DIR / 'answers').iterdir()) - before) == 1


def test_the_finished_backbone_may_take_larger_pictures(distilled, given):
    assert DistillRecipe(side=112).side_of_backbone == 144
    before = weights_of('small')
    distill.main([*given, '--model', 'small', '--final-side', '24'])
    backbone = load_tried(paths.frozen('small'))
    assert (backbone.preprocessing.height, backbone.width) == (24, 32)
    for name, value in weights_of('small').items():
        np.testing.assert_array_equal(value, before[name])


def test_three_photos_are_enough_to_try_it(given, tmp_path, capsys):
    few = tmp_path / 'few'
    few.mkdir()
    for place, name in enumerate(['dark/0.png', 'dark/1.png', 'light/0.png']):
        shutil.copy(f'{given[0]}/{name}', few / f'{place}.png')
    distill.main([str(few), *given[1:], '--epochs', '1', '--model', 'few'])
    out = capsys.readouterr().out
    assert '3 photos to learn from, 0 to evaluate on' in out and 'train loss' in out
    (few / '1.png').unlink()
    (few / '2.png').unlink()
    with pytest.raises(UserError, match='1 photo to learn from: give more photos'):
        distill.main([str(few), *given[1:], '--model', 'one'])


@pytest.mark.parametrize('spoil', [lambda data: data[:100], lambda data: b'', lambda data: data[:-64]])
def test_damaged_answers_are_named(distilled, given, spoil):
    folder = max((paths.DATA_DIR / 'answers').iterdir(), key=lambda path: len([*path.iterdir()]))
    file = next(folder.glob('view-0000-*.npy'))
    data = file.read_bytes()
    file.write_bytes(spoil(data))
    try:
        with pytest.raises(UserError, match=r'view-0000-\d+\.npy is damaged: delete it, then'):
            distill.main([*given, '--epochs', '1', '--model', 'damaged', '--fresh'])
    finally:
        file.write_bytes(data)


def test_the_last_part_of_a_recipe_s_name_is_enough(given):
    distill.main([*given, '--epochs', '1', '--recipe', 'pocket', '--model', 'short'])
    assert read_info(read_graph(paths.frozen('short')))['recipe'] == 'distill/pocket'


def test_a_side_that_is_no_multiple_of_4_is_refused(given, capsys):
    with pytest.raises(SystemExit):
        distill.main([*given, '--side', '18'])
    assert '18 is not a multiple of 4' in capsys.readouterr().err

"""A head from a teacher's class probabilities, as the command makes it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from src import __main__ as the_map
from src.analysis import compare_runs, training_curves, training_perf_analysis
from src.analysis.answers import analyze, check_belongs, doubts
from src.common import consts, files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation import image_folder_to_tfrecords
from src.engine import checkpoints
from src.engine.distilling import run
from src.engine.distilling.class_teacher import load_class_teacher
from src.engine.distilling.teacher import Teacher
from src.freezing import export, freeze
from src.graph.backbone_flags import NO_CHANGES, Asked
from src.graph.backbones import load_backbone
from src.graph.graph_io import read_graph, write_graph
from src.graph.model_info import read_info
from src.inference import classify, inference
from src.inference.predictor import load_model
from src.records.age import remark_on_age
from src.records.dataset import open_records
from src.training import distill, distill_head, distilled_head, train
from tests.graph.residual import RANGE, SIDE, WIDTH, with_residual_block
from tests.pictures import encoded

COLORS = ('red', 'green', 'blue')
PHOTOS = 40  # of each color
LOADED = ['--pixel-range', '0,255']
QUICK = ['--l2', '0.01']  # no choice


def write_photos(folder: Path, number: int = PHOTOS) -> Path:
    """Folders of noisy pictures, in each of which one channel is brighter."""
    for channel, color in enumerate(COLORS):
        (folder / color).mkdir(parents=True)
        for n in range(number):
            random = np.random.default_rng([channel, n])
            picture = random.normal(100, 30, (24, 24, 3)) + 60 * random.uniform(0.3, 1) * np.eye(3)[channel]
            data = encoded(np.clip(picture, 0, 255).astype(np.uint8), 'PNG')
            (folder / color / f'{n}.png').write_bytes(data)
    return folder


def write_teacher(path: Path, units: int = 3, classes: bool = True, labels: bool = True) -> Path:
    """A classifier of the brightest channel; with one unit, of red or not. Its bottleneck: the mean color."""
    with tf.Graph().as_default() as graph:
        pixels = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
        colors = tf.reduce_mean(pixels, [1, 2], name='pool_3')
        if units == 1:
            logits = tf.matmul(colors, tf.constant([[0.4], [-0.2], [-0.2]])) - 5
            tf.sigmoid(tf.concat([-logits, logits], 1), name=consts.OUTPUT_NODE_NAME)
        elif classes:
            tf.nn.softmax(0.3 * colors, name='probabilities')
        graph_def = graph.as_graph_def()
    if labels:
        names = COLORS if units == 3 else ('other', 'red')
        path.with_suffix('.txt').write_text('\n'.join(names), encoding='utf-8')
    return write_graph(graph_def, path)


@pytest.fixture(scope='module')
def folder(tmp_path_factory) -> Path:
    made = tmp_path_factory.mktemp('given')
    write_photos(made / 'photos')
    write_teacher(made / 'teacher.pb')
    with_residual_block(made / 'backbone.pb')
    return made


@pytest.fixture(scope='module')
def given(folder) -> list[str]:
    """Photos, teacher and backbone, as arguments."""
    words = [str(folder / 'photos'), '--teacher', str(folder / 'teacher.pb'), *LOADED]
    words += ['--backbone', str(folder / 'backbone.pb'), *LOADED, '--views', '2', '--precision', 'float32']
    return words


@pytest.fixture(scope='module')
def head(given) -> Path:
    """The file of the model `colors`."""
    distill_head.main([*given, '--model', 'colors'])
    return paths.frozen('colors')


def changed(words: list[str], flag: str, value: object) -> list[str]:
    """The words with another value of a flag."""
    place = words.index(flag) + 1
    return [*words[:place], str(value), *words[place + 1 :]]


def variables(model: str) -> dict[str, np.ndarray]:
    reader = tf.train.load_checkpoint(checkpoints.best_checkpoint(paths.checkpoints(model)))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def test_the_head_agrees_with_the_teacher(head, folder):
    info = read_info(read_graph(head))
    held = info['held_out']
    assert held['photos'] == PHOTOS * 3 // 10
    assert held['agreement'] > 0.8 and held['cross_entropy'] < 0.7 * np.log(3)
    assert info['teacher']['file'] == 'teacher.pb'
    assert info['teacher']['sha256'] == files.sha256(folder / 'teacher.pb')
    assert info['photos'] == 3 * PHOTOS and info['data_set'] is None and info['learned_from'] == []
    model = load_model(head)
    assert model.labels == list(COLORS)
    fresh = write_photos(folder / 'others', PHOTOS + 10)
    rows = list(model.from_pictures([(fresh / c / f'{PHOTOS + 5}.png').read_bytes() for c in COLORS]))
    assert [COLORS[row.argmax()] for row in rows] == list(COLORS)


def test_the_penalty_is_chosen_or_given(head, given, capsys):
    chosen = read_info(read_graph(head))
    assert 0 < chosen['l2'] < 1 and chosen['settings']['l2'] is None
    assert variables('colors')['l2'] == pytest.approx(chosen['l2'])
    distill_head.main([*given, '--l2', '30', '--model', 'strong'])
    out = capsys.readouterr().out
    strong = read_info(read_graph(paths.frozen('strong')))
    assert strong['l2'] == 30 and 'L2 30, as given\n' in out
    assert f'for {strong["held_out"]["agreement"]:.1%} of 12 held-out photos' in out
    assert strong['held_out']['cross_entropy'] > chosen['held_out']['cross_entropy']
    assert np.abs(variables('strong')['head/W1']).max() < np.abs(variables('colors')['head/W1']).max()


def test_the_file_gives_the_probabilities_of_bottleneck_and_head(head, folder):
    held, backbone = variables('colors'), load_backbone(folder / 'backbone.pb', pixel_range=RANGE)
    assert held.keys() == {'head/W1', 'head/b1', 'l2'} and held['head/W1'].shape == (WIDTH, 3)
    pixels = np.random.default_rng(1).uniform(0, 255, (5, SIDE, SIDE, 3)).astype(np.float32)
    with tf.Graph().as_default(), tf.Session() as session:
        vectors = session.run(backbone.attach(), {backbone.preprocessing.pixels: pixels})
    logits = vectors @ held['head/W1'] + held['head/b1']
    wanted = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(load_model(head).from_pixels(pixels), wanted, atol=1e-5)


def test_answers_are_computed_once_for_this_command_and_for_distill(head, given, monkeypatch):
    def count(self, photos, views):
        asked.append((self.role, len(views)))
        return answer(self, photos, views)

    asked, answer = [], Teacher.answers
    monkeypatch.setattr(Teacher, 'answers', count)
    distill_head.main([*given, *QUICK, '--model', 'again'])
    assert not asked

    def stop(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(run, '_train', stop)
    with pytest.raises(KeyboardInterrupt):
        views = ['--views', '3', '--mixing', '0', '--precision', 'float32']
        distill.main([*given[:5], *views, '--model', 'student'])
    assert sum(number for _, number in asked) == 3 * PHOTOS  # the third view
    asked.clear()
    distill_head.main([*given, *QUICK, '--views', '3', '--model', 'three'])
    assert {role for role, _ in asked} == {'backbone'} and sum(n for _, n in asked) == 3 * PHOTOS
    asked.clear()
    distill_head.main([*given, *QUICK, '--stored-side', '12', '--model', 'smaller'])  # other pixels
    assert sum(number for _, number in asked) == 2 * 2 * 3 * PHOTOS


def test_a_run_that_was_stopped_goes_on(given, monkeypatch):
    def stop(self, photos, views):
        if self.role == 'backbone':
            raise KeyboardInterrupt
        return answer(self, photos, views)

    answer, words = Teacher.answers, [*given, *QUICK, '--seed', '2', '--model', 'stopped']
    monkeypatch.setattr(Teacher, 'answers', stop)
    with pytest.raises(KeyboardInterrupt):
        distill_head.main(words)
    assert not paths.frozen('stopped').exists()
    monkeypatch.setattr(Teacher, 'answers', answer)
    distill_head.main(words)
    assert paths.frozen('stopped').exists()


def test_classify_takes_the_file(head, folder, capsys):
    classify.main([str(folder / 'photos' / 'green' / '0.png'), '--model', 'colors'])
    assert 'green' in capsys.readouterr().out


def test_int8_is_exported_and_calibrated_on_photos(head, folder, capsys):
    export.main(['--model', 'colors', '--precision', 'int8', '--calibration', str(folder / 'photos')])
    lite = load_model(paths.frozen('colors').with_suffix('.tflite'))
    assert lite.labels == list(COLORS)
    (row,) = lite.from_pictures([(folder / 'photos' / 'blue' / '1.png').read_bytes()])
    assert COLORS[row.argmax()] == 'blue'
    with pytest.raises(UserError, match='belongs to no data set: give --calibration NAME'):
        export.main(['--model', 'colors', '--precision', 'int8'])


def test_a_teacher_with_one_sigmoid_unit(folder, given):
    teacher = write_teacher(folder / 'unit.pb', units=1)
    distill_head.main([*changed(given, '--teacher', teacher), *QUICK, '--views', '1'])
    model = load_model(paths.frozen('unit_small'))
    assert model.labels == ['other', 'red']
    rows = model.from_pictures([(folder / 'photos' / c / '3.png').read_bytes() for c in COLORS])
    assert [int(row.argmax()) for row in rows] == [1, 0, 0]


def trained_teacher(folder: Path, name: str, *flags: str) -> Path:
    """A frozen model with a head on the residual backbone, trained on labels."""
    if not paths.manifest('taught').exists():
        backbone = ['--backbone', str(folder / 'backbone.pb'), *LOADED]
        image_folder_to_tfrecords.main([str(folder / 'photos'), '--name', 'taught', *backbone])
    train.main(['--name', 'taught', '--model', name, *flags])
    freeze.main(['--name', 'taught', '--model', name])
    return paths.frozen(name)


@pytest.mark.parametrize(
    ('name', 'flags'),
    [
        ('hidden', ['--layers', '0,16,0', '--steps', '60']),
        ('mirrored', ['--mirror', '--solver', 'lbfgs']),
    ],
)
def test_the_probabilities_are_those_of_the_teacher_s_file(folder, name, flags):
    path = trained_teacher(folder, name, *flags)
    asked = Asked(path, consts.BOTTLENECK_TENSOR, None, NO_CHANGES)
    teacher = load_class_teacher(asked, 'float32')
    assert teacher.labels == sorted(COLORS)
    pixels = np.random.default_rng(1).integers(0, 255, (4, SIDE, SIDE, 3), np.uint8)
    backbone = teacher.teacher.backbones[0]
    with tf.Graph().as_default(), tf.Session() as session:
        vectors = session.run(backbone.attach(), {backbone.preprocessing.pixels: pixels.astype(np.float32)})
    found = teacher.probabilities(vectors.astype(np.float16))
    np.testing.assert_allclose(found, load_model(path).from_pixels(pixels.astype(np.float32)), atol=5e-3)


def test_analysis_of_a_data_set_of_the_same_classes(folder, given):
    teacher = trained_teacher(folder, 'linear', '--solver', 'lbfgs')
    distill_head.main([given[0], '--teacher', str(teacher), *given[5:], *QUICK, '--model', 'sorted'])
    predictor, records = load_model(paths.frozen('sorted')), open_records('taught')
    check_belongs(predictor, records, paths.frozen('sorted'))
    found = analyze(predictor, records, consts.SPLITS)
    assert len(found.labels) == 3 * PHOTOS and found.learned == []
    assert (found.probabilities.argmax(1) == found.labels).mean() > 0.7
    words = (
        'the model was distilled from linear.pb: one of both may have been trained on some of these photos'
    )
    assert doubts(predictor, records).startswith(words)


def test_records_of_another_backbone_are_to_get_that_of_the_head(folder, given, tmp_path):
    teacher = trained_teacher(folder, 'linear', '--solver', 'lbfgs')
    other = with_residual_block(tmp_path / 'other.pb', between=lambda x: x * 2)
    words = [given[0], '--teacher', str(teacher), *changed(given, '--backbone', other)[5:]]
    distill_head.main([*words, *QUICK, '--views', '1', '--model', 'elsewhere'])
    with pytest.raises(UserError, match=r'no bottlenecks of other\.pb: to add them run .*--add-backbone'):
        training_perf_analysis.main(['--name', 'taught', '--model', 'elsewhere'])


def test_photos_that_cannot_be_read_are_skipped_and_listed(folder, given, tmp_path, capsys):
    photos = shutil.copytree(folder / 'photos' / 'red', tmp_path / 'red')
    (photos / '00.jpg').write_bytes(b'\xff\xd8\xff\xe0 no picture')
    distill_head.main([str(photos), *given[1:], *QUICK, '--views', '1', '--model', 'skipping'])
    out = capsys.readouterr().out
    assert 'teacher.pb: teacher loaded (float32)' in out and 'backbone.pb: backbone loaded (float32)' in out
    assert 'skipped 1 file: 00.jpg' in out and f'{PHOTOS} photos to learn 3 classes from' in out


def test_three_photos_are_enough_to_try_it(folder, given, tmp_path, capsys):
    for color in COLORS:
        shutil.copy(folder / 'photos' / color / '0.png', tmp_path / f'{color}.png')
    distill_head.main([str(tmp_path), *given[1:], '--model', 'few'])
    assert read_info(read_graph(paths.frozen('few')))['held_out']['agreement'] is None
    assert 'held-out' not in capsys.readouterr().out


def test_other_photos_graphs_or_settings_are_refused(head, folder, given, tmp_path):
    words = [*given, '--model', 'colors']
    with pytest.raises(UserError, match=r'another value of --views \(2\): add --fresh'):
        distill_head.main([*words, '--views', '1'])
    with pytest.raises(UserError, match='with another set of photos'):
        distill_head.main([str(folder / 'photos' / 'red'), *words[1:]])
    other = with_residual_block(tmp_path / 'other.pb', between=lambda x: x * 2)
    with pytest.raises(UserError, match=r'with another backbone \(backbone.pb\)'):
        distill_head.main(changed(words, '--backbone', other))
    same_name = write_teacher(tmp_path / 'teacher.pb', units=1)
    same_name.with_suffix('.txt').write_text('red\ngreen', encoding='utf-8')
    with pytest.raises(UserError, match='with another list of classes'):
        distill_head.main(changed(words, '--teacher', same_name))


def test_models_of_other_commands_are_kept(head, folder, given):
    trained_teacher(folder, 'labelled_head', '--solver', 'lbfgs')
    with pytest.raises(UserError, match=r'was trained with another command \(train\): add --fresh'):
        distill_head.main([*given, '--model', 'labelled_head'])
    shutil.copy(head, paths.frozen('copied'))
    with pytest.raises(UserError, match=r'copied\.pb was made by another command: add --fresh'):
        distill_head.main([*given, '--model', 'copied'])
    with pytest.raises(UserError, match=r'copied\.pb would be replaced: choose another --model'):
        distill_head.main(
            [*changed(given, '--teacher', paths.frozen('copied')), '--model', 'copied', '--fresh']
        )
    with pytest.raises(UserError, match='colors learned from a teacher, not from a data set'):
        freeze.main(['--name', 'taught', '--model', 'colors'])


@pytest.mark.parametrize(
    ('flag', 'file', 'message'),
    [
        ('--teacher', 'classless.pb', 'classless.pb gives no probabilities'),
        ('--teacher', 'nameless.pb', r'nameless.pb contains no labels: put .*nameless.txt beside it'),
        ('--teacher', 'miscounted.pb', 'miscounted.pb has 3 classes but 2 labels'),
        (
            '--teacher',
            'absent.pb',
            'there is no teacher .*absent.pb: give the path of a frozen graph, such as .*pocket_dogs.pb',
        ),
        ('--backbone', 'absent.pb', 'there is no backbone .*absent.pb: give .*, such as .*pocket.pb'),
        ('--backbone', 'empty.pb', 'empty.pb is '),
    ],
)
def test_graphs_that_cannot_be_used_are_refused(given, tmp_path, flag, file, message):
    write_teacher(tmp_path / 'classless.pb', classes=False)
    write_teacher(tmp_path / 'nameless.pb', labels=False)
    write_teacher(tmp_path / 'miscounted.pb').with_suffix('.txt').write_text('a\nb', encoding='utf-8')
    (tmp_path / 'empty.pb').write_bytes(b'')
    with pytest.raises(UserError, match=message):
        distill_head.main([*changed(given, flag, tmp_path / file), '--model', 'refused'])
    assert not paths.frozen('refused').exists() and not paths.checkpoints('refused').exists()


def test_several_teachers_no_photos_and_too_many_views_are_refused(folder, given, tmp_path, monkeypatch):
    teacher = given[2]
    with pytest.raises(UserError, match='a head has one teacher: give a single --teacher'):
        distill_head.main([*given[:3], teacher, *given[3:]])
    with pytest.raises(UserError, match='holds no photos that can be read'):
        distill_head.main([str(tmp_path), *given[1:]])
    with pytest.raises(UserError, match='no classifier follows input:0: leave --bottleneck out'):
        distill_head.main([*given[:5], '--bottleneck', 'input:0', *given[5:]])
    monkeypatch.setattr(consts, 'MAX_EXAMPLE_BYTES', 1000)
    with pytest.raises(UserError, match='raise it, or give fewer photos or --views'):
        distill_head.main([*given, '--model', 'large'])


def test_the_map_of_a_distilled_head_has_no_data_set(head, capsys):
    capsys.readouterr()
    the_map.main(['--model', 'colors'])
    out = capsys.readouterr().out
    assert out.startswith('model colors ') and 'stanford' not in out
    assert '[x] distill it' in out and 'src.training.train' not in out and 'src.freezing.freeze ' not in out
    assert 'training_perf_analysis --name NAME --model colors' in out


def test_analysis_asks_for_a_data_set(head):
    words = r'colors learned without labels: --name NAME .* converted with --backbone backbone\.pb'
    with pytest.raises(UserError, match=words):
        training_perf_analysis.main(['--model', 'colors'])
    with pytest.raises(UserError, match='distill_head, which trained colors, writes none'):
        training_curves.main(['--model', 'colors'])
    with pytest.raises(
        UserError, match=r'no run of colors: .*distill_head, which trained it, writes no scores'
    ):
        compare_runs.main(['--model', 'colors'])
    with pytest.raises(UserError, match='colors learned without a data set: give the folder with the photos'):
        inference.main(['--model', 'colors'])


def test_after_an_interrupt_the_hint_is_the_same_command(given, monkeypatch, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    words = [*given, *QUICK, '--model', 'unfrozen']
    again = 'repeat the python -m src.training.distill_head command that began it'
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(distilled_head, '_freeze', interrupted)
        distill_head.main(words)
    with pytest.raises(UserError, match=rf'there is no .*unfrozen\.pb: {again}'):
        classify.main(['x.jpg', '--model', 'unfrozen'])
    with pytest.raises(UserError, match=f'not from a data set: {again}'):
        freeze.main(['--name', 'taught', '--model', 'unfrozen'])
    distill_head.main(words)
    later = paths.frozen('unfrozen').stat().st_mtime + 9
    os.utime(paths.trained('unfrozen'), (later, later))
    capsys.readouterr()
    remark_on_age(paths.frozen('unfrozen'))
    assert f'to use that one {again}' in capsys.readouterr().err


def test_a_missing_teacher_of_a_known_name_is_named_by_its_path(head, given):
    with pytest.raises(UserError, match=r'there is no teacher colors: give .*frozen.colors\.pb'):
        distill_head.main([*changed(given, '--teacher', 'colors'), '--model', 'refused'])
    with pytest.raises(UserError, match=r'there is no backbone colors: give .*frozen.colors\.pb'):
        distill_head.main([*changed(given, '--backbone', 'colors'), '--model', 'refused'])


@pytest.mark.parametrize(
    ('outputs', 'classes', 'message'),
    [
        (lambda logits: tf.sigmoid(logits), 3, 'gives no class probabilities: a row adds up to'),
        (lambda logits: logits - 50, 3, 'gives no class probabilities: a row adds up to'),
        (lambda logits: tf.nn.softmax(logits * np.nan), 3, 'gives NaN instead of class probabilities'),
        (lambda logits: tf.nn.softmax(logits), 1, 'has a single class: a teacher needs at least two'),
    ],
    ids=['independent', 'logits', 'NaN', 'one class'],
)
def test_a_teacher_whose_outputs_are_no_probabilities_is_refused(given, tmp_path, outputs, classes, message):
    with tf.Graph().as_default() as graph:
        pixels = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
        colors = tf.reduce_mean(pixels, [1, 2], name='pool_3')
        tf.identity(outputs(tf.matmul(colors, tf.eye(3, classes))), consts.OUTPUT_NODE_NAME)
    path = write_graph(graph.as_graph_def(), tmp_path / 'odd.pb')
    path.with_suffix('.txt').write_text('\n'.join(COLORS[:classes]), encoding='utf-8')
    with pytest.raises(UserError, match=f'odd.pb {message}'):
        distill_head.main([*changed(given, '--teacher', path), *QUICK, '--model', 'odd', '--fresh'])
    assert not paths.frozen('odd').exists()


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        (lambda colors: 0 * colors + 3, 'flat.pb gives the same bottleneck for all photos'),
        (lambda colors: 0 * colors, 'flat.pb gives the same bottleneck for all photos'),
        (lambda colors: tf.sqrt(colors - 105), 'the bottlenecks of the backbone are NaN for some photos'),
        (lambda colors: colors * 1e5, 'the bottlenecks of the backbone exceed the range of float16'),
    ],
    ids=['constant', 'zero', 'NaN', 'large'],
)
def test_a_backbone_whose_bottlenecks_are_of_no_use_is_refused(given, tmp_path, values, message):
    with tf.Graph().as_default() as graph:
        pixels = tf.placeholder(tf.float32, [None, SIDE, SIDE, 3], 'input')
        tf.identity(values(tf.reduce_mean(pixels, [1, 2])), 'pool_3')
    path = write_graph(graph.as_graph_def(), tmp_path / 'flat.pb')
    with pytest.raises(UserError, match=message):
        distill_head.main([*changed(given, '--backbone', path), *QUICK, '--model', 'flat', '--fresh'])


def test_too_many_views_are_refused_before_any_is_computed(given, monkeypatch, capsys):
    monkeypatch.setattr(Teacher, 'answers', None)
    monkeypatch.setattr(consts, 'MAX_EXAMPLE_BYTES', 1_000_000)
    with pytest.raises(UserError, match='raise it, or give fewer photos or --views'):
        distill_head.main([*changed(given, '--views', 10_000), '--seed', '3', '--model', 'views'])
    assert not paths.checkpoints('views').exists()
    with pytest.raises(SystemExit):
        distill_head.main(changed(given, '--views', 10_001))
    assert "'10001' is not a whole number from 1 to 10000" in capsys.readouterr().err


def test_the_largest_seed_and_a_larger_one(given, capsys):
    distill_head.main([*given, *QUICK, '--seed', str(2**32 - 1), '--model', 'seeded'])
    assert paths.frozen('seeded').exists()
    with pytest.raises(SystemExit):
        distill_head.main([*given, '--seed', str(2**64)])
    assert 'is not a whole number from 0 to 4294967295' in capsys.readouterr().err


def test_the_usual_name_of_the_model_has_to_be_a_name(given, tmp_path):
    teacher = write_teacher(tmp_path / '-flag.pb')
    with pytest.raises(UserError, match="the default name '-flag_small' begins with '-': give another with"):
        distill_head.main(changed(given, '--teacher', teacher))


@pytest.mark.parametrize('damage', ['NaN', 'archive'])
def test_damaged_answers_are_named(given, damage):
    words = [*given, *QUICK, '--seed', '4' if damage == 'NaN' else '5', '--model', f'damaged_{damage}']
    distill_head.main(words)
    newest = max((paths.DATA_DIR / 'answers').glob('*/*.npy'), key=lambda file: file.stat().st_mtime_ns)
    rows = np.load(newest)
    with newest.open('wb') as stream:
        np.savez(stream, rows) if damage == 'archive' else np.save(stream, rows * np.float16(np.nan))
    with pytest.raises(UserError, match=rf'{newest.name} is damaged: delete it, then the same command'):
        distill_head.main(words)

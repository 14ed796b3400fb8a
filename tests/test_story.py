"""All steps from photos to a classified picture, on a small drawn data set with the pocket backbone."""

from __future__ import annotations

import json
import re
import shutil

import numpy as np
import pytest

from src.analysis import compare_runs, layer_table, training_perf_analysis
from src.common import paths
from src.common.errors import UserError
from src.data_preparation import image_folder_to_tfrecords, stanford_ds_to_tfrecords
from src.drawn_dogs.draw import draw_sample
from src.freezing import freeze, frozen_to_saved_model
from src.inference import classify, serve
from src.inference.choice import wanted_model
from src.inference.versions import source_of
from src.records.dataset import load, open_records, pictures
from src.training import train

POCKET = ['--backbone', str(paths.POCKET_GRAPH_DEF)]
EXACT = ['--precision', 'float32']  # cached bottlenecks then equal those of the frozen file


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp('photos')
    draw_sample(folder, per_class=8)
    return folder


@pytest.fixture(scope='module')
def story(drawn):
    """The frozen file of a data set that the commands converted and trained on."""
    stanford_ds_to_tfrecords.main(['--data', str(drawn), '--name', 'story', *POCKET, *EXACT])
    train.main(['--name', 'story', '--steps', '200'])
    freeze.main(['--name', 'story'])
    return paths.frozen('story')


def test_splits_have_no_photo_in_common(story):
    records = open_records('story')
    held = [set(load(records, split).ids) for split in records.counts]
    assert sum(map(len, held)) == len(set().union(*held)) == 64


def test_the_frozen_file_predicts_the_same_from_pictures_and_from_cached_bottlenecks(story):
    records = open_records('story')
    examples = load(records, 'train')
    model = classify.load_model(story)
    expected = model.from_bottlenecks(examples.values)
    got = np.stack(list(model.from_pictures(data for _, data in pictures(records, 'train'))))
    np.testing.assert_allclose(got, expected, atol=1e-5)
    assert (expected.argmax(1) == examples.labels).mean() > 0.9


def test_classify_returns_a_table_sorted_by_probability(story, drawn):
    table = classify.classify('file', next(drawn.glob('Images/*/*.jpg')), story)
    assert list(table.columns) == ['prob', 'breed']
    assert table.prob.is_monotonic_decreasing
    assert table.prob.sum() == pytest.approx(1, abs=1e-5)


def test_a_bad_picture_does_not_stop_the_others(story, drawn, tmp_path, capsys):
    bad = tmp_path / 'text.jpg'
    bad.write_text('no picture')
    good = str(next(drawn.glob('Images/*/*.jpg')))
    assert classify.main(['file', str(bad), good, '--model', str(story), '--json']) == 2
    printed = capsys.readouterr()
    assert [entry['path'] for entry in json.loads(printed.out)] == [good]
    assert 'text.jpg: not an image' in printed.err


def test_the_saved_model_predicts_the_same_as_the_frozen_file(story, drawn, tmp_path, forks):
    folder = frozen_to_saved_model.export(story, tmp_path / '1')
    names = sorted(map(str, drawn.glob('Images/*/*_0001.jpg')))
    code = (
        'import sys, numpy, tensorflow as tf\n'
        'f = tf.saved_model.load(sys.argv[1]).signatures["serving_default"]\n'
        'images = tf.constant([open(n, "rb").read() for n in sys.argv[3:]])\n'
        'numpy.save(sys.argv[2], f(image_raw=images)["probs"].numpy())\n'
    )
    answers = tmp_path / 'answers.npy'
    started = forks.start(code, str(folder), str(answers), *names)
    assert started.wait() == 0, started.communicate()
    expected = [p for _, p in classify.answers(classify.load_model(story), 'file', names)]
    np.testing.assert_allclose(np.load(answers), np.stack(expected), atol=1e-4)
    assert (folder / 'assets' / 'labels.txt').read_text().split() == classify.load_model(story).labels


@pytest.fixture(scope='module')
def small(story):
    """A second model on the same data set, trained and frozen by its name."""
    train.main(['--name', 'story', '--model', 'small', '--steps', '20'])
    freeze.main(['--name', 'story', '--model', 'small'])
    return paths.frozen('small')


def test_a_model_is_found_by_its_name_and_by_the_path_of_its_file(small, drawn, monkeypatch, capsys):
    monkeypatch.chdir(paths.ROOT)
    photo = str(next(drawn.glob('Images/*/*.jpg')))
    printed = []
    for text in ('small', 'frozen/small.pb'):
        capsys.readouterr()
        assert classify.main([photo, '--model', text]) == 0
        for command in (layer_table, training_perf_analysis, compare_runs):
            command.main(['--model', text])
        layer_table.main([text])
        for command in (train, freeze):  # there is nothing left to train
            command.main(
                ['--name', 'story', '--model', text, *(['--steps', '20'] if command is train else [])]
            )
        (model,) = serve.parse_args(['--model', text]).model
        assert source_of(model, views=1).path.samefile(small)
        printed.append(capsys.readouterr().out)
    assert 'frozen/small.pb: 8 classes' in printed[0].replace('\\', '/')
    assert re.sub(r'\d+\.\d s\b', '', printed[0]) == re.sub(r'\d+\.\d s\b', '', printed[1])


@pytest.mark.parametrize(
    'ask',
    [
        lambda model: classify.main([str(paths.POCKET_DOGS), '--model', model]),
        lambda model: layer_table.main(['--model', model]),
        lambda model: training_perf_analysis.main(['--model', model]),
        lambda model: compare_runs.main(['--model', model]),
        lambda model: freeze.main(['--name', 'story', '--model', model]),
        lambda model: frozen_to_saved_model.main(['--name', 'story', '--model', model]),
        lambda model: source_of(wanted_model(model), views=1),
    ],
)
def test_a_model_that_is_not_found_is_answered_with_similar_names(small, ask):
    with pytest.raises(UserError, match=r'\bsmall\b'):
        ask('smal')


def test_training_again_with_the_same_seed_gives_the_same_scores(story):
    first = json.loads(paths.scores('story').read_text())['scores']
    train.main(['--name', 'story', '--model', 'again', '--steps', '200'])
    assert json.loads(paths.scores('again').read_text())['scores'] == first


def test_another_setting_is_refused_and_layers_are_checked(story):
    with pytest.raises(UserError, match='another value of --learning-rate'):
        train.main(['--name', 'story', '--steps', '200', '--learning-rate', '0.01'])
    with pytest.raises(UserError, match='--layers 512,64,8'):
        train.main(['--name', 'story', '--layers', '2048,64,120'])


def test_a_resumed_conversion_writes_only_the_missing_shards(story, drawn):
    folder = paths.records('story')
    shard = next(folder.glob('test-*.tfrecord'))
    kept = {p: p.stat().st_mtime_ns for p in folder.glob('*.tfrecord') if p != shard}
    before = shard.read_bytes()
    shard.unlink()
    stanford_ds_to_tfrecords.main(['--data', str(drawn), '--name', 'story', *POCKET, *EXACT])
    assert shard.read_bytes() == before
    assert {p: p.stat().st_mtime_ns for p in kept} == kept


def test_a_truncated_shard_is_named(story, tmp_path, monkeypatch):
    copy = tmp_path / 'records' / 'cut'
    shutil.copytree(paths.records('story'), copy)
    monkeypatch.setattr(paths, 'RECORDS_DIR', tmp_path / 'records')
    shard = next(copy.glob('train-*.tfrecord'))
    shard.write_bytes(shard.read_bytes()[:-100])
    with pytest.raises(UserError, match=shard.name):
        load(open_records('cut'), 'train')


def test_bad_photos_are_skipped_and_listed(drawn, tmp_path):
    photos = tmp_path / 'meine Photos ü'
    files = sorted(drawn.glob('Images/*/*.jpg'))
    for place, name in enumerate(('a', 'b', 'lonely')):
        (photos / name).mkdir(parents=True)
        for path in files[place * 8 : place * 8 + (1 if name == 'lonely' else 8)]:
            shutil.copy(path, photos / name)
    (photos / 'a' / 'text.jpg').write_text('no picture')
    (photos / 'a' / 'empty.jpg').touch()
    (photos / 'a' / 'cut.jpg').write_bytes(files[40].read_bytes()[:900])
    shutil.copy(files[0], photos / 'a' / 'copy.jpg')
    shutil.copy(files[50], photos / 'a' / 'both.jpg')
    shutil.copy(files[50], photos / 'b' / 'both.jpg')
    image_folder_to_tfrecords.main([str(photos), '--name', 'mess', *POCKET])
    records = open_records('mess')
    assert sum(records.counts.values()) == 17
    reasons = {remark['file'].split('/')[-1]: remark['reason'] for remark in records.manifest['remarks']}
    assert reasons['empty.jpg'] == 'empty file'
    assert reasons['text.jpg'] == 'not an image'
    assert reasons['cut.jpg'] == 'truncated'
    assert 'both.jpg' in reasons
    assert any(reason.startswith('a copy of') for reason in reasons.values())


def test_one_class_is_refused(drawn, tmp_path):
    shutil.copytree(next(drawn.glob('Images/*')), tmp_path / 'one')
    with pytest.raises(UserError, match='one class only'):
        image_folder_to_tfrecords.main([str(tmp_path), '--name', 'one', *POCKET])


def test_other_photos_under_the_same_name_are_refused(story, drawn, tmp_path):
    shutil.copytree(drawn / 'Images', tmp_path / 'Images', ignore=shutil.ignore_patterns('*_0002.jpg'))
    with pytest.raises(UserError, match='--overwrite'):
        stanford_ds_to_tfrecords.main(['--data', str(tmp_path), '--name', 'story', *POCKET, *EXACT])
    assert paths.manifest('story').exists()

"""The Beam pipeline writes what the local conversion writes, and reports the same errors."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from src.common import consts, files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.data_preparation import beam_to_tfrecords, image_folder_to_tfrecords
from src.data_preparation.class_folders import image_folder_samples, list_folders, samples_of_class
from src.data_preparation.samples import Unused
from src.graph.graph_io import write_graph
from src.images.files import LINKED_BEFORE
from src.records.dataset import load, open_records
from src.records.decisions import Decision, write_decisions
from tests.data_preparation.photos import POCKET, put, put_classes
from tests.graph.graphs import graph_of_2015
from tests.graph.several import several

ONE_PROCESS = ['--direct_running_mode=multi_processing', '--direct_num_workers=1']
TWO_PROCESSES = [*ONE_PROCESS[:1], '--direct_num_workers=2']
# Loads and computes in a fraction of the time of the pocket one.
SMALL = ['--backbone', str(paths.ROOT / 'small.pb')]
IN_SMALL_SHARDS = """
import sys
from src.common import consts, errors
from src.data_preparation.beam_to_tfrecords import main
if __name__ == '__main__':
    consts.SHARD_SIZE = 4
    errors.run(lambda: main(sys.argv[1:]))
"""


@pytest.fixture(scope='module', autouse=True)
def small_backbone(empty_project) -> None:
    write_graph(graph_of_2015(), Path(SMALL[-1]))


@pytest.fixture
def small_shards(monkeypatch):
    monkeypatch.setattr(consts, 'SHARD_SIZE', 4)


@pytest.fixture
def beam():
    return pytest.importorskip('apache_beam', reason="Apache Beam is missing: pip install -e '.[scale]'")


@pytest.fixture(scope='module')
def mess(tmp_path_factory) -> Path:
    """Photos of two classes, and other files among them."""
    folder = put_classes(tmp_path_factory.mktemp('mess'), {'a b': 20, 'ü': 20})
    (folder / 'ü' / 'text.jpg').write_text('no picture')
    (folder / 'ü' / 'empty.jpg').touch()
    (folder / 'ü' / 'cut.jpg').write_bytes((folder / 'ü' / '0.jpg').read_bytes()[:700])
    (folder / 'ü' / 'folder.jpg').mkdir()
    (folder / 'ü' / 'link.jpg').symlink_to(folder / 'nowhere.jpg')
    (folder / 'ü' / '.hidden.jpg').write_text('of no interest')
    (folder / 'ü' / 'again').symlink_to(folder / 'ü')
    put(folder.with_name('elsewhere') / 'of a link.jpg', 96)
    (folder / 'a b' / 'more').symlink_to(folder.with_name('elsewhere'))
    (folder / 'empty').mkdir()
    (folder / 'words').mkdir()
    (folder / 'words' / 'a.txt').write_text('no picture')
    put(folder / 'beside.jpg', 95)
    shutil.copy(folder / 'ü' / '1.jpg', folder / 'ü' / 'copy.jpg')
    for name in ('a b', 'ü'):
        put(folder / name / 'both.jpg', 99)
    put(folder / 'a b' / 'deep' / 'er' / 'x.JPEG', 98)
    if sys.platform == 'linux':
        put(os.fsencode(folder) + b'/a b/caf\xe9.jpg', 97)
        shutil.copy(__file__, os.fsdecode(os.fsencode(folder) + b'/a b/b\xe9d.jpg'))
    return folder


def backbone(flags: Sequence[str]) -> Sequence[str]:
    """A small backbone, unless the flags name another one."""
    return () if '--backbone' in flags else SMALL


def locally(folder: Path, name: str, *more: str) -> Path:
    image_folder_to_tfrecords.main([str(folder), '--name', name, *backbone(more), *more])
    return paths.records(name)


def with_beam(folder: Path | str, name: str, *more: str) -> Path:
    beam_to_tfrecords.main([str(folder), '--name', name, *backbone(more), *more])
    return paths.records(name)


def ended(*words: str) -> tuple[int, str, str]:
    """The exit code, standard output and standard error of a run of Python in the checkout."""
    done = subprocess.run([sys.executable, *words], cwd=paths.CHECKOUT, capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def content(folder: Path) -> dict[str, bytes]:
    """All files in a folder, with temporary and hidden ones. In the manifest the name of the converter, which
    may differ, is replaced."""
    held = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}
    for converter in (b'image_folder_to_tfrecords', b'beam_to_tfrecords'):
        held['manifest.json'] = held['manifest.json'].replace(converter, b'CONVERTER')
    return held


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.glob('*.tfrecord')}


def skipped(name: str) -> str:
    return paths.skipped(name).read_text(encoding='utf-8', errors='surrogateescape')


@pytest.mark.slow
def test_two_processes_write_what_the_local_conversion_writes_and_print_nothing_of_beam(
    beam, small_shards, mess, tmp_path
):
    alone, listed = locally(mess, 'same', *POCKET), skipped('same')
    paths.skipped('same').unlink()
    flags = '--output', str(tmp_path / 'out'), *POCKET, *TWO_PROCESSES
    code, out, err = ended('-c', IN_SMALL_SHARDS, str(mess), '--name', 'same', *flags)
    assert (code, err) == (0, '')
    assert re.match(r'\d+ records of 2 classes', out.splitlines()[0])
    assert content(tmp_path / 'out') == content(alone)
    assert skipped('same') == listed
    manifest = files.read_json(tmp_path / 'out' / 'manifest.json')
    assert manifest['complete'] and manifest['counts'].keys() == set(consts.SPLITS)
    assert len(manifest['shards']) > 6
    reasons = {remark['file'].rpartition('/')[2]: remark['reason'] for remark in manifest['remarks']}
    assert reasons.keys() >= {'text.jpg', 'empty.jpg', 'cut.jpg', 'folder.jpg', 'link.jpg', 'both.jpg'}
    assert reasons['copy.jpg'] == 'a copy of ü/1.jpg'
    assert manifest['classes'] == ['a b', 'ü']
    assert reasons['again'] == LINKED_BEFORE and reasons['a.txt'] == 'not an image'
    assert reasons.keys() >= {'empty', 'beside.jpg'} and 'more' not in reasons
    assert reasons['both.jpg'] == 'the same picture has the labels a b and ü'


def test_either_conversion_goes_on_after_the_other_and_removes_what_a_killed_run_left(
    beam, small_shards, mess
):
    folder = with_beam(mess, 'either')
    whole = content(folder)
    for go_on in (locally, with_beam):
        deleted = [*sorted(folder.glob('train-*.tfrecord'))[1:3], next(folder.glob('test-*.tfrecord'))]
        for shard in deleted:
            shard.unlink()
        left = times(folder)
        assert left
        (folder / '.train-00000-of-00005.tfrecord.1.tmp').write_bytes(b'half')
        go_on(mess, 'either')
        assert content(folder) == whole
        assert {name: time for name, time in times(folder).items() if name in left} == left
    assert len(load(open_records('either'), 'train')) > 0


def test_several_backbones_and_mirrored_pictures_are_as_in_the_local_conversion(
    beam, small_shards, mess, tmp_path
):
    _, small, other = several(tmp_path)
    flags = [*POCKET, str(small), str(other), '--mirror']
    together = content(locally(mess, 'local', *flags))
    grown = with_beam(mess, 'beam', *POCKET, str(small))
    beam_to_tfrecords.main(['--name', 'beam', '--add-backbone', str(other)])
    with_beam(mess, 'beam', *flags)
    names = b'"name": "local"', b'"name": "beam"'
    assert content(grown)['manifest.json'] == together.pop('manifest.json').replace(*names)
    assert together.items() <= content(grown).items()
    shutil.rmtree(grown)
    with_beam(mess, 'beam', *flags)
    assert together.items() <= content(grown).items()


def test_int8_models_are_those_of_the_local_conversion(beam, small_shards, mess, tmp_path):
    pytest.importorskip('ai_edge_litert')
    from tests.data_preparation.shelf import url_of

    _, small, other = several(tmp_path)
    flags = ['--backbone', str(small), str(other), '--mirror', '--precision', 'int8']
    here = content(locally(mess, 'int8', *flags))
    assert {'small.tflite', 'small_2.tflite'} < here.keys()
    shutil.rmtree(paths.records('int8'))
    folder = with_beam(mess, 'int8', *flags)
    assert content(folder) == here
    (folder / 'small.tflite').unlink()
    next(folder.glob('train-*')).unlink()
    with_beam(mess, 'int8', *flags)
    assert content(folder) == here
    with_beam(mess, 'int8', *flags, '--output', url_of(tmp_path / 'out'))
    assert content(tmp_path / 'out') == here


def test_a_review_changes_the_same(beam, mess, tmp_path, capsys):
    path = tmp_path / 'decisions.csv'
    decisions = [
        Decision('a b/1.jpg', 'drop'), Decision('a b/both.jpg', 'relabel', 'ü'), Decision('ü/2.jpg', 'keep'),
        Decision('ü/gone.jpg', 'drop'), Decision('ü/1.jpg', 'drop'),
    ]  # fmt: skip
    if sys.platform == 'linux':
        decisions.append(Decision('a b/caf\udce9.jpg', 'relabel', 'ü'))
    write_decisions(path, 'mess', decisions)
    here = locally(mess, 'reviewed', '--review', str(path))
    expected = content(here)
    shutil.rmtree(here)
    capsys.readouterr()
    assert content(with_beam(mess, 'reviewed', '--review', str(path))) == expected
    manifest = files.read_json(here / 'manifest.json')
    relabeled = 2 if sys.platform == 'linux' else 1
    assert manifest['review'] | {'file': '', 'sha256': ''} == {
        'file': '', 'sha256': '', 'dropped': 2, 'relabeled': relabeled, 'kept': 1
    }  # fmt: skip
    said = capsys.readouterr().out
    assert f'2 photos dropped, {relabeled} relabeled, 1 kept as they were' in said
    assert '1 photo not in ' in said and 'the first is ü/gone.jpg' in said
    for wrong, words in (
        (Decision('ü/gone.jpg', 'drop'), 'names none of the photos'),
        (Decision('ü/1.jpg', 'relabel', 'a_b'), "'a_b', which is no class of .*; similar names: a b"),
    ):
        write_decisions(path, 'mess', [wrong])
        with pytest.raises(UserError, match=words):
            with_beam(mess, 'wrong', '--review', str(path))
        assert not paths.records('wrong').exists()


def test_records_of_another_conversion_are_replaced_only_with_overwrite(beam, mess, tmp_path):
    other = put_classes(tmp_path, {'a': 4, 'b': 4})
    folder = locally(mess, 'taken')
    before = content(folder)
    with pytest.raises(UserError, match=r'taken holds records of other classes: add --overwrite'):
        with_beam(other, 'taken')
    assert content(folder) == before
    with_beam(other, 'taken', '--overwrite')
    assert sum(open_records('taken').counts.values()) == 8
    assert content(folder) == content(locally(other, 'taken'))


def facts(samples) -> list[tuple]:
    """The fields that two listings of one folder have in common."""
    rows = [(s.id, s.label, s.split, s.path.reason if isinstance(s.path, Unused) else '') for s in samples]
    return sorted(rows, key=repr)


@pytest.mark.parametrize(
    'folders',
    [
        'train Test',
        'training_set val test',
        'train dev',
        'seg_train seg_test',
        'test other',
        'train Test more',
    ],
)
def test_remote_folders_are_read_like_local_ones(beam, folders, tmp_path):
    from src.data_preparation.beam.files import Remote
    from src.data_preparation.beam.listing import remote_samples
    from tests.data_preparation import shelf

    for place, split in enumerate(folders.split()):
        put_classes(tmp_path / split, {'a': 2, 'b': 1}, first=10 * place)
        put(tmp_path / split / 'lies beside.jpg', 90 + place)
        put(tmp_path / split / 'a' / '.hidden' / 'x.jpg', 95)
        put(tmp_path / '__MACOSX' / split / 'a' / '._x.jpg', 96)
    for name in ('docs/deep/1.txt', 'docs/2.txt', 'labels.csv'):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text('no picture')
    remote = Remote(shelf.url_of(tmp_path))
    refused = 'other' in folders or 'more' in folders
    for choice in ['top', 'inside'] if refused else [None, 'top', 'inside']:
        expected = facts(image_folder_samples(tmp_path, choice))
        listing = list_folders(tmp_path, choice)
        here = [s for folder in listing.folders for s in samples_of_class(folder, tmp_path)]
        assert facts(here + listing.unused) == expected
        assert facts(remote_samples(remote, choice)) == expected
    if refused:
        with pytest.raises(UserError, match='can be read in two ways') as there:
            list(remote_samples(remote))
        with pytest.raises(UserError) as here:
            image_folder_samples(tmp_path)
        assert str(here.value).removeprefix(str(tmp_path)) == str(there.value).removeprefix(str(remote))


def test_photos_backbone_and_records_may_be_remote(beam, small_shards, tmp_path, capsys):
    from tests.data_preparation.shelf import url_of

    photos = put_classes(tmp_path / 'photos', {'a': 12, 'b': 12})
    (photos / 'b' / 'text.jpg').write_text('no picture')
    shutil.copy(SMALL[-1], tmp_path)
    flags = [url_of(photos), '--name', 'far', '--backbone', url_of(tmp_path / 'small.pb')]
    beam_to_tfrecords.main([*flags, '--output', url_of(tmp_path / 'out')])
    far, near = content(tmp_path / 'out'), content(locally(photos, 'far'))
    assert {n: b for n, b in far.items() if 'json' not in n} == {
        n: b for n, b in near.items() if 'json' not in n
    }
    there, here = (json.loads(held['manifest.json']) for held in (far, near))
    assert there['fingerprint'] == here['fingerprint']
    assert [remark['file'] for remark in there['remarks']] == [url_of(photos / 'b' / 'text.jpg')]
    assert there['backbone']['path'] == url_of(tmp_path / 'small.pb')
    assert 'next: copy that folder to' in capsys.readouterr().out

    deleted = sorted((tmp_path / 'out').glob('train-*'))[0]
    deleted.unlink()
    left = times(tmp_path / 'out')
    beam_to_tfrecords.main([*flags, '--output', url_of(tmp_path / 'out')])
    assert content(tmp_path / 'out') == far
    assert left.items() < times(tmp_path / 'out').items()
    put(photos / 'a' / 'new.jpg', 99)
    with pytest.raises(UserError, match=r'shelf://.*out holds records of other photos'):
        beam_to_tfrecords.main([*flags, '--output', url_of(tmp_path / 'out')])
    beam_to_tfrecords.main([*flags, '--output', url_of(tmp_path / 'out'), '--overwrite'])
    assert json.loads((tmp_path / 'out' / 'manifest.json').read_bytes())['fingerprint'] != here['fingerprint']


def test_missing_files_are_reported(beam, tmp_path):
    from tests.data_preparation.shelf import url_of

    with pytest.raises(UserError, match=r'shelf://.*nowhere holds no folders of photos'):
        with_beam(url_of(tmp_path / 'nowhere'), 'none')
    with pytest.raises(UserError, match=r'cannot read the folder .*nowhere: No such file'):
        with_beam(tmp_path / 'nowhere', 'none')
    with pytest.raises(UserError, match=r'cannot read shelf://.*x\.pb: No such file'):
        with_beam(tmp_path, 'none', '--backbone', url_of(tmp_path / 'x.pb'))
    with pytest.raises(UserError, match=r'there is no backbone .*x\.pb'):
        with_beam(tmp_path, 'none', '--backbone', str(tmp_path / 'x.pb'))


def test_unknown_options_are_refused(beam, mess):
    with pytest.raises(UserError, match='unknown option --direct_workers, '):
        with_beam(mess, 'none', '--direct_workers=2')
    with pytest.raises(UserError, match=r"Apache Beam: .*--direct_num_workers: invalid int value: 'two'"):
        with_beam(mess, 'none', '--direct_num_workers=two')
    with pytest.raises(UserError, match='Apache Beam: Unexpected pipeline runner: Nobody'):
        with_beam(mess, 'none', '--runner=Nobody')


@pytest.mark.slow
def test_an_error_in_another_process_is_one_line(beam, tmp_path):
    put_classes(tmp_path / 'one', {'lonely': 2})
    command = '-m', 'src.data_preparation.beam_to_tfrecords', str(tmp_path / 'one'), '--name', 'y'
    code, out, err = ended(*command, '--no-backbone', *ONE_PROCESS)
    assert (code, out) == (2, '')
    assert err.startswith('error: ') and 'one class only (lonely)' in err and err.count('\n') == 1


def test_help_works_without_beam_and_a_conversion_names_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'apache_beam', None)  # as if it were not installed
    with pytest.raises(SystemExit) as stop:
        beam_to_tfrecords.main(['--help'])
    assert stop.value.code == 0
    assert '--direct_num_workers=2' in capsys.readouterr().out
    with pytest.raises(
        UserError, match=r"Apache Beam is missing: run python -m pip install .* -e '.*\[scale\]'"
    ):
        beam_to_tfrecords.main(['photos', '--name', 'x', *POCKET])


def test_changes_of_the_backbone_reach_the_workers(beam, tmp_path):
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, [None, None, None, 3], 'input')
        keep = tf.placeholder(tf.float32, [], 'keep_prob')
        mask = tf.floor(keep + tf.random_uniform(tf.shape(x)))
        tf.reduce_mean(tf.nn.dropout(x / keep * mask, rate=0.5), [1, 2], name='pool_3')
        backbone = write_graph(graph.as_graph_def(), tmp_path / 'training.pb')
    folder = put_classes(tmp_path / 'photos', {'a': 4, 'b': 4})
    flags = ['--backbone', str(backbone), '--pixel-range=0,1', '--input-size=8,8']
    flags += ['--set', 'keep_prob=1', '--inference-mode']
    alone = files.read_json(locally(folder, 'changed', *flags) / 'manifest.json')
    beamed = files.read_json(with_beam(folder, 'changed_beamed', *flags) / 'manifest.json')
    assert alone['backbone']['changes'] == {
        'input_size': [8, 8],
        'set': {'keep_prob:0': 1.0},
        'inference_mode': True,
    }
    assert alone['fingerprint'] == beamed['fingerprint']
    vectors = [load(open_records(name), 'train').values for name in ('changed', 'changed_beamed')]
    np.testing.assert_array_equal(*vectors)

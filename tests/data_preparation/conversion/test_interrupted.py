"""Conversions in their own process that are killed or stopped halfway, and then resumed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from src.common import paths
from src.common.errors import UserError
from src.data_preparation.conversion.add import ADDING
from src.records.dataset import open_records
from tests.data_preparation.photos import POCKET, put_classes
from tests.forks import Forked, Forks
from tests.graph.several import several

pytestmark = [pytest.mark.slow, pytest.mark.posix]

# Small shards, so that several are written before it is interrupted.
CONVERT = """
import sys
from src.common import consts, errors
from src.data_preparation.image_folder_to_tfrecords import main
consts.SHARD_SIZE = 2
errors.run(lambda: main(sys.argv[1:]))
"""


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    """160 photos of two classes, and a text file."""
    folder = put_classes(tmp_path_factory.mktemp('photos'), {'a': 80, 'b': 80})
    (folder / 'a' / 'text.jpg').write_text('no picture')
    return folder


class Conversions:
    """Starts conversions of the photos into a folder."""

    def __init__(self, forks: Forks, photos: Path):
        self._forks, self._photos = forks, photos

    def start(self, home: Path, flags: Sequence[str] = POCKET) -> Forked:
        words = str(self._photos), '--name', 'cut', *flags
        return self._forks.start(CONVERT, *words, ROOTSTOCK_HOME=str(home))

    def finish(self, home: Path, flags: Sequence[str] = POCKET) -> str:
        """Convert to the end. Returns the standard output."""
        process = self.start(home, flags)
        out, err = process.communicate()
        assert (process.returncode, err) == (0, '')
        return out


@pytest.fixture(scope='module')
def conversions(forks, photos):
    return Conversions(forks, photos)


@pytest.fixture(scope='module')
def uninterrupted(conversions, tmp_path_factory):
    home = tmp_path_factory.mktemp('uninterrupted')
    conversions.finish(home)
    return home


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """Another backbone."""
    return several(tmp_path_factory.mktemp('backbones'))[1]


@pytest.fixture(scope='module')
def joint(conversions, small, tmp_path_factory):
    """A conversion with both backbones."""
    home = tmp_path_factory.mktemp('joint')
    conversions.finish(home, [*POCKET, str(small)])
    return home


def interrupted(conversions: Conversions, home: Path, number: signal.Signals) -> tuple[int, str]:
    """Convert until the first shard exists, then send the signal. Returns exit code and standard error."""
    process = conversions.start(home)
    try:
        while not shards(home):
            assert process.poll() is None, process.communicate()
            time.sleep(0.002)
        process.send_signal(number)
        return process.wait(), process.communicate()[1]
    finally:
        process.kill()


def shards(home: Path) -> dict[str, Path]:
    return {path.name: path for path in (home / 'data' / 'records' / 'cut').glob('*.tfrecord')}


def content(home: Path) -> dict[str, bytes]:
    return {name: path.read_bytes() for name, path in shards(home).items()}


def manifest(home: Path) -> dict:
    return json.loads((home / 'data' / 'records' / 'cut' / 'manifest.json').read_text())


@pytest.mark.parametrize('number', [9, signal.SIGINT], ids=['killed', 'stopped'])
def test_an_interrupted_conversion_resumes_with_the_same_result(
    conversions, uninterrupted, tmp_path, monkeypatch, number
):
    code, complaint = interrupted(conversions, tmp_path, number)
    if number == signal.SIGINT:
        assert code == 130
        assert complaint == 'stopped; finished work is kept, the same command continues from there\n'
    else:
        assert (code, complaint) == (-number, '')
    finished = {name: path.stat().st_mtime_ns for name, path in shards(tmp_path).items()}
    assert 0 < len(finished) < len(shards(uninterrupted))
    monkeypatch.setattr(paths, 'RECORDS_DIR', tmp_path / 'data' / 'records')
    with pytest.raises(UserError, match='is not finished: to go on run python -m'):
        open_records('cut')

    assert 'going on after' in conversions.finish(tmp_path)
    assert {name: shards(tmp_path)[name].stat().st_mtime_ns for name in finished} == finished
    assert content(tmp_path) == content(uninterrupted)
    assert manifest(tmp_path) == manifest(uninterrupted)
    assert [r['reason'] for r in manifest(tmp_path)['remarks']] == ['not an image']
    assert not list((tmp_path / 'data').rglob('*.tmp'))


@pytest.mark.parametrize('number', [9, signal.SIGINT], ids=['killed', 'stopped'])
def test_an_interrupted_addition_resumes_with_the_result_of_a_joint_conversion(
    conversions, uninterrupted, small, joint, tmp_path, number
):
    home = shutil.copytree(uninterrupted, tmp_path / 'grown')
    adding = home / 'data' / 'records' / 'cut' / ADDING
    process = conversions.start(home, ['--add-backbone', str(small)])
    try:
        while not adding.exists():
            assert process.poll() is None, process.communicate()
            time.sleep(0.002)
        process.send_signal(number)
        assert process.wait() == (130 if number == signal.SIGINT else -number), process.communicate()
    finally:
        process.kill()
        process.communicate()
    done = list(json.loads(adding.read_text())['done'])
    assert 0 < len(done) < len(shards(home))
    assert manifest(home)['complete'] and 'joined' not in manifest(home)['backbone']
    finished = {name: shards(home)[name].stat().st_mtime_ns for name in done}

    assert 'going on after' in conversions.finish(home, ['--add-backbone', str(small)])
    assert {name: shards(home)[name].stat().st_mtime_ns for name in done} == finished
    assert content(home) == content(joint)
    assert manifest(home) == manifest(joint)
    assert not list((home / 'data').rglob('*.tmp')) and not adding.exists()


def killed_at_random(conversions: Conversions, home: Path, chance: random.Random, whole: float) -> None:
    """Convert and kill the process: at a random moment of the `whole` seconds that a conversion takes, or
    right after some more files are written."""
    process = conversions.start(home)
    try:
        if chance.random() < 0.3:
            time.sleep(chance.uniform(0, whole))
        else:
            wanted = len(all_files(home)) + chance.randint(1, 30)
            while len(all_files(home)) < wanted and process.poll() is None:
                time.sleep(0.001)
            time.sleep(chance.uniform(0, 0.03))
        process.kill()
        _, error = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL) and error == ''
    finally:
        process.kill()


def all_files(home: Path) -> list[str]:
    """The names of all files that the conversion has written, complete or not."""
    return [name for _, _, names in os.walk(home / 'data') for name in names]


def check_kills(conversions: Conversions, uninterrupted: Path, home: Path, seed: int, kills: int) -> int:
    """Kill a conversion several times, then let it finish: no shard is ever incomplete or written twice, and
    the result is that of an uninterrupted run. Returns how many kills left some of the shards."""
    chance, whole, began = random.Random(seed), content(uninterrupted), time.perf_counter()
    conversions.finish(home / 'clock')
    seconds = time.perf_counter() - began
    partial, finished = 0, {}
    for _ in range(kills):
        killed_at_random(conversions, home, chance, seconds)
        now = {name: path.stat().st_mtime_ns for name, path in shards(home).items()}
        assert finished.items() <= now.items()
        assert content(home).items() <= whole.items()
        partial += len(finished) < len(now) < len(whole)
        finished = now
    conversions.finish(home)
    now = {name: path.stat().st_mtime_ns for name, path in shards(home).items()}
    assert finished.items() <= now.items()
    assert content(home) == whole
    assert manifest(home) == manifest(uninterrupted)
    assert not list((home / 'data').rglob('*.tmp'))
    return partial


def test_a_conversion_killed_at_random_moments_has_the_same_result(conversions, uninterrupted, tmp_path):
    # With a seed all kills may happen before or after the shards are written.
    tries = (
        check_kills(conversions, uninterrupted, tmp_path / str(seed), seed, kills=4) for seed in range(1, 9)
    )
    assert any(tries)

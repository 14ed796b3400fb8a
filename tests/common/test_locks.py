"""Two processes and one target: the error names the first process, and a crash releases the lock."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys

import pytest

from src.common import paths
from src.common.errors import UserError
from src.common.locks import at_work, lock_of
from src.data_preparation import cifar10_to_tfrecords, image_folder_to_tfrecords
from src.downloads import download
from src.downloads.download import Download, RemoteFile
from src.drawn_dogs import draw
from src.freezing import freeze, frozen_to_saved_model
from src.training import train_images
from tests.data_preparation.cifar import write_cifar
from tests.pictures import encoded, photo

HOLD = """
import sys
from src.common.locks import at_work
with at_work(sys.argv[1]):
    print('held', flush=True)
    sys.stdin.read()
"""


@contextlib.contextmanager
def held(target):
    """Another process that holds the lock of `target`."""
    other = subprocess.Popen(
        [sys.executable, '-c', HOLD, str(target)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == 'held\n'
        yield other
    finally:
        other.kill()
        other.communicate()


def test_the_error_names_the_process_that_holds_the_lock(tmp_path):
    target = tmp_path / 'flowers'
    with held(target) as other:
        with pytest.raises(UserError) as error, at_work(target):
            pytest.fail('worked on it all the same')
        since = r'since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d'
        assert re.search(
            rf'flowers is being written by process {other.pid} \(-c, {since}\): wait', str(error.value)
        )
        with at_work(tmp_path / 'roses'):
            pass
        other.communicate('')  # it ends
        with at_work(target):
            pass


def test_a_process_that_is_killed_leaves_no_lock(tmp_path):
    with held(tmp_path / 'flowers') as other:
        other.kill()
        other.wait()
        assert lock_of(tmp_path / 'flowers').exists()
        with at_work(tmp_path / 'flowers'):
            pass


def test_the_process_may_acquire_its_own_lock_again(tmp_path):
    with at_work(tmp_path / 'flowers'):
        with at_work(tmp_path / 'flowers'):
            pass
        code = HOLD.replace('sys.stdin.read()', '')
        second = subprocess.run(
            [sys.executable, '-c', code, tmp_path / 'flowers'], capture_output=True, text=True
        )
        assert f'process {os.getpid()} ' in second.stderr, 'still locked'


def test_the_same_folder_by_another_path_is_the_same(tmp_path):
    (tmp_path / 'here').mkdir()
    (tmp_path / 'link').symlink_to(tmp_path / 'here')
    with held(tmp_path / 'here' / 'x'), pytest.raises(UserError), at_work(tmp_path / 'link' / 'x'):
        pass


def test_without_locks_the_work_continues(tmp_path):
    (tmp_path / 'file').write_text('in place of the folder')
    with at_work(tmp_path / 'file' / 'flowers'):
        worked = True
    assert worked and not lock_of(tmp_path / 'file' / 'flowers').exists()


@pytest.mark.parametrize('goes_on', [True, False])
def test_only_resumable_work_says_so_after_ctrl_c(tmp_path, goes_on):
    with pytest.raises(KeyboardInterrupt) as stopped, at_work(tmp_path / 'x', goes_on):
        raise KeyboardInterrupt
    assert getattr(stopped.value, 'resumes', False) is goes_on


def photos(folder):
    for label in 'ab':
        for n in range(6):
            (folder / label).mkdir(parents=True, exist_ok=True)
            (folder / label / f'{n}.png').write_bytes(encoded(photo(seed=n + 10 * ord(label)), 'PNG'))
    return folder


def convert(folder):
    image_folder_to_tfrecords.main([str(photos(folder / 'photos')), '--name', 'locked', '--no-backbone'])


def train(folder):
    convert(folder)
    train_images.main(['--name', 'locked', '--model', 'locked'])


def cifar10(folder):
    write_cifar(folder / 'packed' / cifar10_to_tfrecords.FOLDER)
    archive = shutil.make_archive(str(folder / 'cifar-10-binary'), 'gztar', folder / 'packed')
    cifar10_to_tfrecords.main(['--data', archive])


def fetch(folder):
    remote = RemoteFile('http://127.0.0.1:9/images.tar', 10)
    download.install(Download('x', folder, (remote,), '', ''), folder)


@pytest.mark.parametrize(
    ('target', 'work'),
    [
        (paths.records('locked'), convert),
        (paths.checkpoints('locked'), train),
        (paths.checkpoints('locked'), lambda _: freeze.main(['--model', 'locked'])),
        (paths.SAVED_MODELS_DIR / 'locked', lambda _: frozen_to_saved_model.main(['--model', 'locked'])),
        ('Images', lambda folder: draw.main(['--out', str(folder), '--per-class', '1'])),
        ('images.tar', fetch),
        ('cifar-10-binary.tar.gz.unpacked', cifar10),
    ],
    ids=['convert', 'train', 'freeze', 'export', 'sample', 'download', 'unpack'],
)
def test_every_command_that_writes_fails_if_the_target_is_locked(tmp_path, target, work):
    with (
        held(tmp_path / target) as other,
        pytest.raises(UserError, match=f'is being written by process {other.pid}'),
    ):
        work(tmp_path)

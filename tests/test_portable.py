"""Differences of Windows and macOS, as far as they can be tested on any system."""

from __future__ import annotations

import ast
import errno
import os
from pathlib import Path

import pytest
import yaml

from src.common import files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.downloads import archives
from src.records.example import write_shard
from tests.downloads.test_archives import entry, tar

SOURCES = sorted((paths.CHECKOUT / 'src').rglob('*.py'))
# Missing on Windows, except os.kill, which ends the process there for any signal.
POSIX_ONLY = {
    'os': {'kill', 'killpg', 'fork', 'getuid', 'geteuid', 'getgid', 'chown', 'mkfifo', 'wait4'}
    | {'uname', 'sched_getaffinity', 'setsid', 'getpgid'},
    'signal': {'SIGKILL', 'SIGHUP', 'SIGALRM', 'alarm', 'pause', 'setitimer', 'pthread_kill'},
    'select': {'poll', 'epoll', 'kqueue'},
}


def named(path: Path) -> str:
    return path.relative_to(paths.CHECKOUT).as_posix()


@pytest.mark.parametrize('path', SOURCES, ids=named)
def test_no_call_that_windows_lacks(path):
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert node.attr not in POSIX_ONLY.get(node.value.id, ()), f'{path.name}:{node.lineno}'


@pytest.mark.parametrize('path', SOURCES, ids=named)
def test_text_files_are_utf_8_on_every_system(path):
    """Without `encoding`, Windows reads and writes text in the code page of the user."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute | ast.Name):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        keywords = {keyword.arg for keyword in node.keywords}
        if name in ('read_text', 'write_text'):
            assert 'encoding' in keywords, f'{path.name}:{node.lineno}'


@pytest.fixture
def fsync_as_on_windows(monkeypatch):
    """os.fsync that fails for files that are not open for writing. Returns the flushed descriptors."""
    fcntl = pytest.importorskip('fcntl')  # on Windows the real one refuses
    flushed, fsync = [], os.fsync

    def refusing(descriptor: int) -> None:
        if fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        flushed.append(descriptor)
        fsync(descriptor)

    monkeypatch.setattr(os, 'fsync', refusing)
    return flushed


def test_only_files_open_for_writing_are_flushed(fsync_as_on_windows, tmp_path):
    files.write_json(tmp_path / 'a.json', {'a': 1})
    shard = tmp_path / 'a.tfrecord'
    assert write_shard(shard, [b'one', b'two']) == 2
    assert [bytes(r) for r in tf.io.tf_record_iterator(str(shard))] == [b'one', b'two']
    assert len(fsync_as_on_windows) == 2


def test_names_with_a_special_meaning_on_windows_are_refused(tmp_path, monkeypatch):
    archive = tar(tmp_path / 'a.tar', entry('photos/a:b.jpg', body=b'x'))
    monkeypatch.setattr(archives, 'NOT_IN_NAMES', '<>:"|?*')
    with pytest.raises(UserError, match=r"'photos/a:b\.jpg' has a character"):
        archives.extract(archive, tmp_path / 'out')
    assert not list((tmp_path / 'out').glob('photos'))
    monkeypatch.setattr(archives, 'NOT_IN_NAMES', '')
    assert archives.extract(archive, tmp_path / 'out') == ['photos']


def test_noted_paths_have_slashes(monkeypatch, tmp_path):
    monkeypatch.setattr(paths, 'ROOT', tmp_path.resolve())
    assert paths.from_root(tmp_path / 'frozen' / 'a.pb') == 'frozen/a.pb'


def test_the_workflow_runs_the_tests_on_three_systems():
    text = (paths.CHECKOUT / '.github' / 'workflows' / 'test.yml').read_text(encoding='utf-8')
    job = yaml.safe_load(text)['jobs']['test']
    systems = {name.partition('-')[0] for name in job['strategy']['matrix']['os']}
    assert systems == {'ubuntu', 'macos', 'windows'}
    commands = [step['run'] for step in job['steps'] if 'run' in step]
    assert any('setup/test.sh' in command for command in commands)
    script = (paths.CHECKOUT / 'setup' / 'test.sh').read_text(encoding='utf-8')
    for part in ('ruff check .', 'ruff format --check .', '-m pytest'):  # both ways do the same
        assert part in script and part in commands[-1]


def test_scripts_keep_their_line_ends_on_windows():
    rules = (paths.CHECKOUT / '.gitattributes').read_text(encoding='utf-8')
    assert '* text=auto eol=lf' in rules.splitlines()

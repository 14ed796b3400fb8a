"""How a command ends."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

START = 'from src.common import errors\n'


def end(body: str, *flags: str, encoding: str = 'utf-8') -> subprocess.CompletedProcess:
    code = START + body + '\nerrors.run(main)'
    return subprocess.run(
        [sys.executable, '-c', code, *flags], capture_output=True, env={'PYTHONIOENCODING': encoding}
    )


@pytest.mark.parametrize(
    ('body', 'code', 'line'),
    [
        ('def main(): return None', 0, ''),
        ('def main(): raise errors.UserError("no such\\nphoto")', 2, 'error: no such photo'),
        ('def main(): raise KeyboardInterrupt', 130, 'stopped\n'),
        ('def main(): raise MemoryError', 2, 'error: not enough memory: use smaller pictures or batches'),
        ('import numpy\ndef main(): numpy.ones((10**9, 10**6))', 2, 'error: not enough memory'),
        ('def main(): raise KeyError("x")', 1, "unexpected KeyError: 'x' (--debug shows where)"),
    ],
)
def test_it_ends_with_a_code_and_at_most_one_line(body, code, line):
    ended = end(body)
    assert ended.returncode == code
    printed = ended.stderr.decode()
    assert printed.startswith(line)
    assert printed.count('\n') == (1 if line else 0)


def test_debug_shows_where():
    assert b'Traceback' in end('def main(): raise errors.UserError("no")', '--debug').stderr


@pytest.mark.parametrize(
    ('encoding', 'shown'), [('utf-8', b'dog-\xff-\xc3\xa4\n'), ('ascii', b'dog-\\udcff-\\xe4\n')]
)
def test_any_file_name_can_be_printed(encoding, shown):
    ended = end('import os\ndef main(): print("dog-" + os.fsdecode(b"\\xff") + "-\\xe4")', encoding=encoding)
    assert (ended.returncode, ended.stdout) == (0, shown)


@pytest.mark.parametrize(
    ('flags', 'said'),
    [
        ((), 'stopped; finished work is kept, the same command continues from there\n'),
        (
            ('--fresh',),
            'stopped; finished work is kept, the same command without --fresh continues from there\n',
        ),
    ],
)
def test_only_resumable_work_says_that_it_resumes(flags, said):
    body = 'def main():\n with errors.resumes(): raise KeyboardInterrupt'
    assert end(body, *flags).stderr.decode() == said


FULL = 'OSError(28, os.strerror(28), {})'


@pytest.mark.parametrize(
    ('fault', 'said'),
    [
        (
            FULL.format('"a.csv"'),
            'error: cannot write a.csv: No space left on device: free some space, then repeat\n',
        ),
        (FULL.format('None'), 'error: cannot write: No space left on device: free some space, then repeat\n'),
        ('OSError(30, os.strerror(30), "a.csv")', 'error: cannot write a.csv: Read-only file system\n'),
        ('PermissionError(13, os.strerror(13), "a.csv")', 'error: cannot use a.csv: Permission denied\n'),
    ],
)
def test_disk_errors_are_reported_in_one_line(fault, said):
    ended = end(f'import os\ndef main(): raise {fault}')
    assert (ended.returncode, ended.stderr.decode()) == (2, said)


@pytest.mark.parametrize('shut', [(1,), (2,), (1, 2), (0, 1, 2)])
def test_closed_streams_are_no_error(shut, tmp_path):
    """And what is printed does not reach a file that is opened later."""
    body = (
        f'import os, pathlib\ndef main():\n'
        f' with open({str(tmp_path / "made")!r}, "w") as made:\n'
        f'  print("out"); os.write(1, b"native\\n"); os.write(2, b"native\\n"); made.write("made")\n'
        f' raise errors.UserError("no such photo")'
    )
    code = START + body + '\nerrors.run(main)'
    shell = ' '.join(f'{number}>&-' for number in shut)
    ended = subprocess.run(
        ['sh', '-c', f'exec "$0" -c "$1" {shell}', sys.executable, code], capture_output=True, text=True
    )
    assert ended.returncode == 2
    assert (tmp_path / 'made').read_text() == 'made'
    assert ended.stderr == ('' if 2 in shut else 'error: no such photo\n')
    assert ('out' in ended.stdout) == (1 not in shut)


@pytest.mark.parametrize('streams', ['| head -n 1', '2>&1 | head -n 1'])
def test_a_reader_that_closes_the_pipe_is_no_error(streams):
    body = 'import sys\ndef main():\n for _ in range(99999): print("line"); print("line", file=sys.stderr)'
    if '2>&1' not in streams:
        body = body.replace('; print("line", file=sys.stderr)', '')
    code = START + body + '\nerrors.run(main)'
    ended = subprocess.run(
        ['sh', '-c', f'"$0" -c "$1" {streams}', sys.executable, code], capture_output=True, text=True
    )
    assert (ended.stdout, ended.stderr) == ('line\n', '')


@pytest.mark.skipif(not Path('/dev/full').exists(), reason='no /dev/full')
@pytest.mark.parametrize('printing', ['print("out")', 'progress.say("out")'])
def test_a_standard_output_that_cannot_be_written_is_an_error(printing):
    code = START + f'from src.common import progress\ndef main(): {printing}\nerrors.run(main)'
    with Path('/dev/full').open('w') as full:
        ended = subprocess.run([sys.executable, '-c', code], stdout=full, stderr=subprocess.PIPE, text=True)
    assert ended.returncode == 2
    assert ended.stderr.startswith('error: cannot write') and ended.stderr.count('\n') == 1
    assert 'No space left on device' in ended.stderr


def test_output_of_libraries_does_not_reach_the_terminal():
    body = (
        'import os, warnings\ndef main():\n os.write(2, b"Corrupt JPEG data\\n"); warnings.warn("bad EXIF")\n'
        ' raise errors.UserError("no such photo")'
    )
    assert end(body).stderr == b'error: no such photo\n'
    assert b'Corrupt JPEG data' in end(body, '--debug').stderr


def test_a_mistyped_flag_does_not_control_the_terminal():
    ended = end(
        "def main(): __import__('src.common.cli').common.cli.parser('src.x', '').parse_args()", '--\x1b[2J'
    )
    assert ended.returncode == 2
    assert ended.stderr == b'error: unrecognized arguments: --\\x1b[2J (see python -m src.x --help)\n'

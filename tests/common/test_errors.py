"""How a command ends."""

from __future__ import annotations

import subprocess
import sys

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
        ('def main(): raise KeyboardInterrupt', 130, 'stopped; what was finished is kept'),
        ('def main(): raise KeyError("x")', 1, "unexpected KeyError: 'x' (--debug shows where)"),
    ],
)
def test_it_ends_with_a_code_and_at_most_one_line(body, code, line):
    ended = end(body)
    assert ended.returncode == code
    told = ended.stderr.decode()
    assert told.startswith(line)
    assert told.count('\n') == (1 if line else 0)


def test_debug_shows_where():
    assert b'Traceback' in end('def main(): raise errors.UserError("no")', '--debug').stderr


@pytest.mark.parametrize(
    ('encoding', 'shown'), [('utf-8', b'dog-\xff-\xc3\xa4\n'), ('ascii', b'dog-\\udcff-\\xe4\n')]
)
def test_any_file_name_can_be_printed(encoding, shown):
    ended = end('import os\ndef main(): print("dog-" + os.fsdecode(b"\\xff") + "-\\xe4")', encoding=encoding)
    assert (ended.returncode, ended.stdout) == (0, shown)

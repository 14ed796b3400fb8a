"""Python programs that run in forks of a process which has imported TensorFlow: each is a process of its own
that gets signals and may be killed, without the seconds of CPU time that a start of TensorFlow takes."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from src.common import paths

# Nothing is computed yet: the threads of TensorFlow would be missing in a fork. Keras imports the three
# packages if they are there, as no command of the project does.
SERVER = """
import json, os, sys
skipped = dict.fromkeys({'matplotlib', 'pandas', 'scipy'} - sys.modules.keys())
sys.modules.update(skipped)
exec(sys.argv[1])
for name in skipped:
    del sys.modules[name]
for line in sys.stdin:
    given = json.loads(line)
    process = os.fork()
    if process == 0:
        os.dup2(os.open(given['in'], os.O_RDONLY), 0)
        sys.stdin = open(0, closefd=False)
        for number, name in (1, given['out']), (2, given['err']):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), number)
        os.environ.clear()
        os.environ.update(given['environment'])
        os.chdir(given['folder'])
        sys.argv = ['-c', *given['arguments']]
        exec(compile(given['program'], '<program>', 'exec'), {'__name__': '__main__'})
        sys.exit(0)
    print(process, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""

# What `python -m` does.
MODULE = """
import runpy, sys
del sys.argv[0]
runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)
"""


class Printing:
    """A running program whose output goes to files."""

    _out: Path
    _err: Path

    def lines(self) -> Iterator[str]:
        """The lines of standard output from its begin, as they are written, until the program ends."""
        seen = 0
        while True:
            ended = self.poll() is not None  # before reading: nothing is written after it
            *new, rest = _content(self._out)[seen:].splitlines(keepends=True) or [b'']
            if rest.endswith(b'\n') or ended:
                new.append(rest)
            for line in filter(None, new):
                seen += len(line)
                yield line.decode()
            if ended:
                return
            time.sleep(0.01)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for the end. Returns standard output and standard error. Raises subprocess.TimeoutExpired."""
        self.wait(timeout)
        return _content(self._out).decode(), _content(self._err).decode()


class Anew(Printing, subprocess.Popen):
    """A program that was started and not forked."""

    def __init__(self, asked: dict):
        self._out, self._err = Path(asked['out']), Path(asked['err'])
        given = Path(asked['in'])
        with given.open('rb') as given, self._out.open('ab') as out, self._err.open('ab') as err:
            super().__init__(
                [sys.executable, '-c', asked['program'], *asked['arguments']],
                stdin=given, stdout=out, stderr=err, env=asked['environment'], cwd=asked['folder'],
            )  # fmt: skip


class Forked(Printing):
    """A program in a fork, with the methods of subprocess.Popen that tests need."""

    def __init__(self, replies, out: Path, err: Path):
        self._replies, self._out, self._err = replies, out, err
        self._code: int | None = None
        self.pid = int(replies.readline())

    @property
    def returncode(self) -> int | None:
        return self._code

    def poll(self) -> int | None:
        """The exit code, or None while the program runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self._code

    def wait(self, timeout: float | None = None) -> int:
        """The exit code. Raises subprocess.TimeoutExpired."""
        if self._code is None:
            if not select.select([self._replies], [], [], timeout)[0]:
                raise subprocess.TimeoutExpired(f'fork {self.pid}', timeout)
            self._code = int(self._replies.readline())
        return self._code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended in this moment
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _server(imports: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, '-c', SERVER, imports], cwd=paths.CHECKOUT, bufsize=0,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b''


class Forks:
    """Starts programs: each begins when the one before has ended. On Windows, which has no forks, as `python`
    does. See the fixture `forks`.

    imports: what the process that is forked imports, source text.
    """

    def __init__(self, imports: str = 'import tensorflow.compat.v1'):
        self._folder = tempfile.TemporaryDirectory(prefix='rootstock-forks-')
        self._number = 0
        self._last: Forked | Anew | None = None
        self._server = _server(imports) if os.name == 'posix' else None

    def start(
        self,
        program: str,
        *arguments: str,
        folder: Path = paths.CHECKOUT,
        given: bytes = b'',
        merged: bool = False,
        **environment: str,
    ) -> Forked | Anew:
        """Start the source text `program` as `python -c` does.

        folder: the working folder.
        given: what standard input holds.
        merged: standard error goes to standard output.
        environment: variables besides those of this process.
        """
        if self._last:
            self._last.wait()
        self._number += 1
        stdin, out, err = (
            Path(self._folder.name) / f'{self._number}_{name}' for name in ('in', 'out', 'err')
        )
        stdin.write_bytes(given)
        asked = {
            'program': program,
            'arguments': arguments,
            'environment': os.environ | environment,
            'folder': str(folder),
            'in': str(stdin),
            'out': str(out),
            'err': str(out if merged else err),
        }
        if self._server:
            self._server.stdin.write(json.dumps(asked).encode() + b'\n')
            self._last = Forked(self._server.stdout, out, err)
        else:
            self._last = Anew(asked)
        return self._last

    def command(self, module: str, *arguments: str, **options) -> Forked | Anew:
        """Start a module as `python -m` does. Options are those of `start`."""
        return self.start(MODULE, module, *arguments, **options)

    def close(self) -> None:
        if self._server:
            self._server.stdin.close()
            self._server.wait()
            self._server.stdout.close()
        self._folder.cleanup()

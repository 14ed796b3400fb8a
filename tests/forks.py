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
from pathlib import Path

from src.common import paths

# No session yet: its threads would be missing in a fork.
SERVER = """
import json, os, sys
import tensorflow.compat.v1
for line in sys.stdin:
    given = json.loads(line)
    process = os.fork()
    if process == 0:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for number, name in (1, given['out']), (2, given['err']):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), number)
        os.environ.update(given['environment'])
        sys.argv = ['-c', *given['arguments']]
        exec(compile(given['program'], '<program>', 'exec'), {'__name__': '__main__'})
        sys.exit(0)
    print(process, flush=True)
    print(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), flush=True)
"""


class Forked:
    """A running program, with the methods of subprocess.Popen that tests need."""

    def __init__(self, replies, texts: list[Path]):
        self._replies, self._texts = replies, texts
        self._code: int | None = None
        self.pid = int(replies.readline())

    @property
    def returncode(self) -> int | None:
        return self._code

    def poll(self) -> int | None:
        """The exit code, or None while the program runs."""
        if self._code is None and select.select([self._replies], [], [], 0)[0]:
            return self.wait()
        return self._code

    def wait(self) -> int:
        if self._code is None:
            self._code = int(self._replies.readline())
        return self._code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):  # it has ended in this moment
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self) -> tuple[str, str]:
        """Wait for the end. Returns standard output and standard error."""
        self.wait()
        out, err = (path.read_text() if path.exists() else '' for path in self._texts)
        return out, err


class Forks:
    """Starts programs, one at a time, in the checkout. POSIX only."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix='rootstock-forks-')
        self._number = 0
        self._server = subprocess.Popen(
            [sys.executable, '-c', SERVER], cwd=paths.CHECKOUT, bufsize=0,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        )  # fmt: skip

    def start(self, program: str, *arguments: str, **environment: str) -> Forked:
        """Start the source text `program` as `python -c` does."""
        self._number += 1
        texts = [Path(self._folder.name) / f'{self._number}_{name}' for name in ('out', 'err')]
        given = {
            'program': program,
            'arguments': arguments,
            'environment': environment,
            'out': str(texts[0]),
            'err': str(texts[1]),
        }
        self._server.stdin.write(json.dumps(given).encode() + b'\n')
        return Forked(self._server.stdout, texts)

    def close(self) -> None:
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()
        self._folder.cleanup()

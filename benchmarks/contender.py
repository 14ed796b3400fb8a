"""A contender in its own process, so that threads, settings and memory of contenders are separate.

with Contender(build, 'a.pb') as contender:    # build('a.pb') returns a function without arguments
    first = contender.result                   # the result of its first call, the warm-up
    contender()                                # calls it again
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from multiprocessing.connection import Connection

from src.common.errors import UserError, debugging
from src.common.tf1 import own_process


class Contender:
    """Runs `build(*args)` and one warm-up. `missing` is the reason why there is no `result`, or None."""

    def __init__(self, build: Callable, *args):
        context = multiprocessing.get_context('spawn')  # inherits nothing of this process
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, build, args), daemon=True)
        self._process.start()
        theirs.close()  # so that the end of the process closes the pipe
        self.result, self.missing = self._received()

    def __call__(self) -> None:
        """Call the function again, without its result. Raises RuntimeError if it fails."""
        self._pipe.send('again')
        _, fault = self._received()
        if fault:
            raise RuntimeError(fault)

    def __enter__(self) -> Contender:
        return self

    def __exit__(self, *_) -> None:
        self._pipe.close()
        self._process.join(10)
        if self._process.is_alive():
            self._process.terminate()

    def _received(self) -> tuple[object, str | None]:
        try:
            return self._pipe.recv()
        except (EOFError, ConnectionError):
            self._process.join()
            return None, f'its process ended with code {self._process.exitcode}'


def _work(pipe: Connection, build: Callable, args: tuple) -> None:
    """The other process: sends (result, fault) once, then once for each message."""
    own_process()
    if not debugging():
        os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libraries' own logs
    try:
        run = build(*args)
        pipe.send((run(), None))
        while pipe.recv():
            run()
            pipe.send((None, None))
    except EOFError:
        return
    except ModuleNotFoundError as error:
        pipe.send((None, f'{error.name} is not installed'))
    except UserError as error:
        pipe.send((None, str(error)))
    except Exception as error:  # a contender that fails must not stop the others
        first = (str(error).strip() or '-').splitlines()[0]
        pipe.send((None, f'{type(error).__name__}: {first}'))

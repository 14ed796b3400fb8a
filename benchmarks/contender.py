"""A contender in a process of its own: threads, settings and memory of one do not disturb another.

with Contender(build, 'a.pb') as contender:    # build('a.pb') returns a function without arguments
    first = contender.result                   # what that function returned at first, the warm-up
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
    """Runs `build(*args)` and one warm-up. `missing` says why there is no result, or is None."""

    def __init__(self, build: Callable, *args):
        context = multiprocessing.get_context('spawn')  # nothing of this process is inherited
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, build, args), daemon=True)
        self._process.start()
        theirs.close()  # so that the end of the process is noticed here
        self.result, self.missing = self._received()

    def __call__(self) -> None:
        """Once more; the result stays there. Raises RuntimeError when it fails now."""
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
    """What the other process does: answers (result, fault) once, and then for each message."""
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
    except Exception as error:  # one contender that fails must not stop the others
        first = (str(error).strip() or '-').splitlines()[0]
        pipe.send((None, f'{type(error).__name__}: {first}'))

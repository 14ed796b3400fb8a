"""A process that runs a model: it gets encoded pictures through a pipe and returns probabilities."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np

from src.common import paths, tf1
from src.common.errors import UserError, first_line
from src.common.process import memory, trust
from src.images.decode import encode_jpeg
from src.images.faults import BadImage
from src.inference.predictor import load_model
from src.inference.runtimes.base import Predictor

GOOD, BAD, FAILED = b'+', b'-', b'!'  # the first byte of an answer
END_SECONDS = 2  # a process that has not ended by then is killed
# A process is started anew, not forked: threads of the server may hold locks, and Windows has no fork.
CONTEXT = multiprocessing.get_context('spawn')

_ends: list[Callable[[], None]] = []


class Worker:
    """A process that loads the file `path`, which messages call `name`, with so many `views` of each picture.
    Raises OSError."""

    def __init__(self, path: Path, name: str, views: int = 1):
        self.name, self.ready, self.late = name, False, False  # `late`: it was killed for that
        self.begun: float | None = None  # the time at which it got a picture that it has not answered yet
        self.pipe, there = CONTEXT.Pipe()
        args = there, path, name, views, trust.is_trusted()
        self.process = CONTEXT.Process(target=_run, args=args, daemon=True)
        try:
            self.process.start()
        finally:
            there.close()

    def wait(self, begun: float, seconds: float) -> None:
        """Wait until it has loaded the model and answered a first picture, for so many seconds since the time
        `begun`. Raises UserError."""
        try:
            if not self.pipe.poll(max(0.0, begun + seconds - time.monotonic())):
                raise UserError(f'{self.name} did not answer a first picture in {seconds:g} seconds')
            answer = self.pipe.recv_bytes()
        except (EOFError, OSError) as error:
            self.process.join(END_SECONDS)
            raise UserError(
                f'{self.name} ended its process at a first picture (exit code {self.process.exitcode})'
            ) from error
        if answer[:1] != GOOD:
            raise UserError(answer[1:].decode())
        self.ready = True

    def gone(self) -> bool:
        """Whether it ended while it was idle: then its pipe is at its end."""
        try:
            return self.pipe.poll()
        except OSError:
            return True

    def end(self, deadline: float = 0.0) -> None:
        """Wait for its end until `deadline`, then kill it."""
        self.process.join(max(0.0, deadline - time.monotonic()))
        if self.process.is_alive():
            self.process.kill()
            self.process.join(END_SECONDS)


@contextlib.contextmanager
def loading(end: Callable[[], None]) -> Iterator[None]:
    """Inside, `end_loading` calls `end`."""
    _ends.append(end)
    try:
        yield
    finally:
        _ends.remove(end)


def end_loading() -> None:
    """End the processes that load a model now, as the server stops: their loading fails."""
    for end in list(_ends):
        end()


def warm_up(predictor: Predictor) -> None:
    """Let a model answer a picture: the first run is slow, and shows whether it can be run."""
    predictor.from_mixed([encode_jpeg(np.zeros((8, 8, 3), np.uint8))])


def _run(pipe: Connection, path: Path, name: str, views: int, trusted: bool) -> None:
    """Load the model, and answer pictures until the server closes the pipe or ends."""
    for sent in ('SIGINT', 'SIGTERM', 'SIGBREAK'):  # sent to all processes; the server ends this one
        if hasattr(signal, sent):
            signal.signal(getattr(signal, sent), signal.SIG_IGN)
    threading.Thread(target=_end_with_server, daemon=True).start()
    tf1.own_process()
    trust.set_trusted(trusted)
    memory.keep_freed()
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        try:
            predictor = load_model(path, weights_as_variables=False, views=views)
            warm_up(predictor)
        except Exception as error:
            pipe.send_bytes(FAILED + first_line(error).replace(paths.shown(path), name).encode())
            return
        pipe.send_bytes(GOOD)
        while True:
            picture = pipe.recv_bytes()
            try:
                (answer,) = predictor.from_mixed([picture])
                bad = isinstance(answer, BadImage)
                reply = BAD + str(answer).encode() if bad else GOOD + answer.tobytes()
            except Exception as error:  # of this picture; the next one may be answered
                reply = FAILED + first_line(error).replace(paths.shown(path), path.name).encode()
            pipe.send_bytes(reply)


def _end_with_server() -> None:
    """End this process with the server, also while the network runs."""
    connection.wait([multiprocessing.parent_process().sentinel])
    os._exit(1)

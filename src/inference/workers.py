"""Processes that run a .tflite model for a server, one a core.

In a single process the threads of the requests hold each other up: decoding, resizing and the network are
some forty short steps outside of Python's lock, and after each a thread waits for the lock again, so that
half of the time of two cores is lost. A worker gets an encoded picture through a pipe and returns its
probabilities. Labels and facts are those of the model in the server itself.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
from concurrent.futures import TimeoutError  # another one than the built-in before Python 3.11
from multiprocessing.connection import Connection
from queue import Empty, SimpleQueue
from typing import NamedTuple

import numpy as np

from src.common import paths
from src.common.errors import UserError
from src.common.process import memory
from src.images.faults import BadImage
from src.inference.predictor import load_model
from src.inference.versions import Found, stamp_of

CORES = os.cpu_count() or 1
GOOD, BAD = b'+', b'-'  # the first byte of an answer
START_SECONDS = ANSWER_SECONDS = 60
# A process is started anew, not forked: threads of the server may hold locks, and Windows has no fork.
CONTEXT = multiprocessing.get_context('spawn')


class _Worker(NamedTuple):
    process: multiprocessing.Process
    pipe: Connection


class Workers:
    """`number` processes with a model. The methods are thread-safe.

    Raises UserError if they do not start, or the file was replaced after it was found.
    """

    def __init__(self, found: Found, number: int = CORES):
        self._found = found
        self._free: SimpleQueue[_Worker] = SimpleQueue()
        started = [self._start() for _ in range(number)]
        try:
            for worker in started:
                self._wait(worker)
        except UserError:
            for worker in started:
                worker.pipe.close()
            raise
        for worker in started:
            self._free.put(worker)
        self._number = number

    def answer(self, picture: bytes) -> np.ndarray | BadImage:
        """The probabilities [classes] float32 of an encoded picture, or why it cannot be read. Waits for a
        free worker.

        Raises RuntimeError if the worker ends, as by a fault in a decoder; it is replaced. Raises
        TimeoutError if none is free for ANSWER_SECONDS.
        """
        try:
            worker = self._free.get(timeout=ANSWER_SECONDS)
        except Empty:
            raise TimeoutError(f'no process was free for {ANSWER_SECONDS} seconds') from None
        try:
            worker.pipe.send_bytes(picture)
            answer = worker.pipe.recv_bytes()
        except (EOFError, OSError) as error:
            worker = self._replaced(worker)
            raise RuntimeError(f'a process of {paths.shown(self._found.path)} ended') from error
        finally:
            self._free.put(worker)
        if answer[:1] == BAD:
            return BadImage(answer[1:].decode())
        return np.frombuffer(answer, np.float32, offset=1)

    def close(self) -> None:
        """End the processes, when none of them is used any more."""
        for _ in range(self._number):
            worker = self._free.get()
            worker.pipe.close()
            worker.process.join()

    def _start(self) -> _Worker:
        here, there = CONTEXT.Pipe()
        process = CONTEXT.Process(target=_run, args=(there, self._found), daemon=True)
        process.start()
        there.close()
        return _Worker(process, here)

    def _wait(self, worker: _Worker) -> None:
        """Wait until a worker has loaded the model."""
        path = paths.shown(self._found.path)
        try:
            if not worker.pipe.poll(START_SECONDS):
                raise UserError(f'a process for {path} did not start in {START_SECONDS} seconds')
            answer = worker.pipe.recv_bytes()
        except (EOFError, OSError) as error:
            raise UserError(f'a process for {path} did not start') from error
        if answer[:1] == BAD:
            raise UserError(answer[1:].decode())

    def _replaced(self, worker: _Worker) -> _Worker:
        """A new worker in the place of one that ended; the old one if none can be started."""
        worker.pipe.close()
        worker.process.join()
        fresh = self._start()
        try:
            self._wait(fresh)
        except UserError:  # as when the file was deleted: the next use fails in the same way
            fresh.pipe.close()
        return fresh


def _run(pipe: Connection, found: Found) -> None:
    """Load the model, and answer pictures until the server closes the pipe or ends."""
    for name in ('SIGINT', 'SIGTERM', 'SIGBREAK'):  # sent to all processes; the server ends this one
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    memory.keep_freed()
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt):
        try:
            predictor = load_model(found.path)
            if stamp_of(found.path) != found.stamp:
                raise UserError(f'{paths.shown(found.path)} was replaced while it was loaded')
        except (UserError, OSError) as error:
            pipe.send_bytes(BAD + str(error).encode())
            return
        pipe.send_bytes(GOOD)
        while True:
            (answer,) = predictor.from_mixed([pipe.recv_bytes()])
            bad = isinstance(answer, BadImage)
            pipe.send_bytes(BAD + str(answer).encode() if bad else GOOD + answer.tobytes())

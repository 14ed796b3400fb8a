"""Processes that run a .tflite model for a server, one a core.

In a single process the threads of the requests hold each other up: decoding, resizing and the network are
some forty short steps outside of Python's lock, and after each a thread waits for the lock again, so that
half of the time of two cores is lost. A worker gets an encoded picture through a pipe and returns its
probabilities. Labels and facts are those of the model in the server itself.

A model that crashes or never ends does so in these processes, and the server goes on. A frozen graph is run
by the server itself; a new version of one is tried in a process first (server/loading.py). A process that
ended is replaced, from the bytes of the model in memory: the file may be another one by then.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
from concurrent.futures import TimeoutError  # another one than the built-in before Python 3.11
from operator import attrgetter
from pathlib import Path
from queue import Empty
from tempfile import TemporaryDirectory

import numpy as np

from src.common import paths
from src.common.errors import UserError, first_line
from src.common.progress import say
from src.images.decode import charged
from src.images.faults import BadImage, or_fault
from src.images.headers import read_header
from src.inference.runtimes.worker import BAD, END_SECONDS, FAILED, Worker, loading
from src.inference.server.fairness.turns import Shared
from src.inference.versions import Found, check_same

CORES = os.cpu_count() or 1
START_SECONDS = ANSWER_SECONDS = 60
CHECK_SECONDS, RETRY_SECONDS = 1, 10  # between looks at the processes; between attempts to start one


class Failed(RuntimeError):
    """A process ended or failed while it answered."""


class NoneLeft(RuntimeError):
    """All processes ended, and none can be started now."""


class Workers:
    """`number` processes with a model, all of which have answered a picture. The methods are thread-safe, and
    clients take turns.

    Raises UserError if one crashes, refuses the model or does not answer in START_SECONDS, or the file was
    replaced after it was found.
    """

    def __init__(self, found: Found, number: int = CORES):
        self._name, self._number = paths.shown(found.path), number
        self._file = found.path.name  # for clients, whom its folder does not concern
        self._contents = _contents(found)
        self._changed = threading.Condition()
        self._all: list[Worker] = []
        self._free: Shared[Worker] = Shared()
        self._failed = self._closed = False  # `_failed`: the last attempt to start a process
        self._retry_at = 0.0
        self.ratio = attrgetter('least_ratio')  # of a header: the ratio at which the picture is decoded
        # Before multiprocessing's own, which would wait without end for a process that was stopped.
        atexit.register(self.close)
        try:
            with loading(self.close):
                self._add(number)
        except BaseException:
            self.close()
            raise
        threading.Thread(target=self._tend, name='workers', daemon=True).start()

    @property
    def ready(self) -> bool:
        """Whether there is a process to answer."""
        return any(worker.ready for worker in list(self._all))

    def answer(self, picture: bytes) -> np.ndarray | BadImage:
        """The probabilities [classes] float32 of an encoded picture, or why it cannot be read. Waits for a
        free worker, and for the memory that decoding takes, which counts in the budget of the server.

        Raises Failed if the worker ends, as by a fault in a decoder; NoneLeft; and TimeoutError if none is
        free, or there is no answer, for ANSWER_SECONDS.
        """
        header = or_fault(read_header, picture)
        if isinstance(header, BadImage):
            return header
        with charged(header, self.ratio(header)):
            worker = self._sent(picture)
            try:
                answer = worker.pipe.recv_bytes()
            except (EOFError, OSError) as error:
                raise self._lose(worker) from error
            self._put_back(worker)
        if answer[:1] == FAILED:
            raise Failed(f'{self._file}: {answer[1:].decode()}')
        if answer[:1] == BAD:
            return BadImage(answer[1:].decode())
        return np.frombuffer(answer, np.float32, offset=1)

    def close(self) -> None:
        """End the processes; those that are at a picture, or do not end by themselves, are killed."""
        with self._changed:
            if self._closed:
                return
            self._closed = True
            workers, idle = list(self._all), self._free.get_all()
            self._all.clear()
            self._changed.notify_all()
        atexit.unregister(self.close)
        for worker in workers:
            worker.pipe.close() if worker in idle else worker.process.kill()
        deadline = time.monotonic() + END_SECONDS
        for worker in workers:
            worker.end(deadline)

    def _sent(self, picture: bytes) -> Worker:
        """The worker that got the picture; those that ended while they were idle are passed over."""
        while True:
            worker = self._take()
            worker.begun = time.monotonic()
            try:
                worker.pipe.send_bytes(picture)
                return worker
            except OSError as error:
                fault = self._lose(worker)
                try:
                    if worker.late:
                        raise fault from error
                finally:
                    del fault  # else its traceback and this frame refer to each other, and keep the picture

    def _put_back(self, worker: Worker) -> None:
        """Let a worker that has answered get the next picture, unless `_tend` has just killed it as late."""
        with self._changed:
            worker.begun = None
            if not worker.late:
                self._free.put(worker)
                return
        self._lose(worker)

    def _take(self) -> Worker:
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            if self._closed or (self._failed and not self.ready):
                raise NoneLeft(f'no process of {self._file} runs')
            try:
                return self._free.get(timeout=max(0.0, min(CHECK_SECONDS, deadline - time.monotonic())))
            except Empty:
                if time.monotonic() >= deadline:
                    raise TimeoutError(f'no process was free for {ANSWER_SECONDS} seconds') from None

    def _lose(self, worker: Worker) -> Exception:
        """Take a worker that ended out of the pool; `_tend` starts another one. Returns what to raise."""
        worker.end(time.monotonic() + END_SECONDS)
        worker.pipe.close()
        with self._changed:
            if worker in self._all:
                self._all.remove(worker)
                say(f'{self._name}: a process ended (exit code {worker.process.exitcode}); it is replaced')
            self._changed.notify_all()
        if worker.late:
            return TimeoutError(f'no answer in {ANSWER_SECONDS} seconds')
        if self._closed:
            return NoneLeft(f'{self._file} is closed')
        return Failed(f'a process of {self._file} ended')

    def _add(self, number: int) -> None:
        """Start so many workers. Raises UserError and OSError; then there are none of them."""
        started: list[Worker] = []
        begun = time.monotonic()
        try:
            with TemporaryDirectory(prefix='rootstock-') as folder:
                for name, data in self._contents.items():
                    Path(folder, name).write_bytes(data)
                for _ in range(number):
                    with self._changed:
                        if self._closed:
                            raise UserError('the server is stopping')
                        started.append(Worker(Path(folder, next(iter(self._contents))), self._name))
                        self._all.append(started[-1])
                for worker in started:
                    worker.wait(begun, START_SECONDS)
        except BaseException:
            for worker in started:
                worker.end()
                worker.pipe.close()
            with self._changed:
                self._all = [worker for worker in self._all if worker not in started]
            raise
        with self._changed:
            self._failed = False
            for worker in started if not self._closed else ():
                self._free.put(worker)

    def _tend(self) -> None:
        """Kill what does not answer, and replace what ended, until `close`."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._closed or self._due(), CHECK_SECONDS)
                if self._closed:
                    return
                late = time.monotonic() - ANSWER_SECONDS
                for worker in self._all:
                    if (worker.begun or late) < late:
                        worker.late = True
                        worker.process.kill()
                gone = []
                for worker in self._free.get_all():
                    gone.append(worker) if worker.gone() else self._free.put(worker)
            for worker in gone:
                self._lose(worker)
            if self._due():
                self._replace()

    def _due(self) -> bool:
        return len(self._all) < self._number and time.monotonic() >= self._retry_at

    def _replace(self) -> None:
        try:
            self._add(self._number - len(self._all))
        except Exception as error:  # of any kind: it is tried again
            with self._changed:
                if not self._failed and not self._closed:
                    say(f'{self._name}: no process can be started: {first_line(error)}; tried again later')
                self._failed, self._retry_at = True, time.monotonic() + RETRY_SECONDS


def _contents(found: Found) -> dict[str, bytes]:
    """The bytes of the model, and of the file of labels beside it, by name."""
    files = [found.path, found.path.with_suffix('.txt')]
    try:
        contents = {file.name: file.read_bytes() for file in files if file == found.path or file.exists()}
    except OSError as error:
        raise UserError(f'cannot read {paths.shown(found.path)}: {error.strerror or error}') from error
    check_same(found)
    return contents

"""Models are loaded for a server so that no file can end it: what crashes or never ends does so in another
process."""

from __future__ import annotations

import time

from src.common import paths
from src.graph.lite.package import SUFFIX
from src.inference.predictor import load_model
from src.inference.runtimes.base import Predictor
from src.inference.runtimes.worker import END_SECONDS, Worker, loading, warm_up
from src.inference.versions import Found, check_same
from src.inference.workers import Workers

TRIAL_SECONDS = 180  # for a frozen graph, which TensorFlow takes long to load on a busy machine


def try_apart(found: Found, views: int) -> None:
    """Let a process of its own load a file and answer a picture, and end it. Raises UserError if it crashes,
    refuses the file or does not answer in TRIAL_SECONDS, or the file was replaced; OSError if no process can
    be started."""
    begun = time.monotonic()
    worker = Worker(found.path, paths.shown(found.path), views)
    try:
        with loading(worker.end):
            worker.wait(begun, TRIAL_SECONDS)
    finally:
        worker.pipe.close()
        worker.end(time.monotonic() + END_SECONDS)
    check_same(found)


def load_served(
    found: Found, views: int, number: int, replaces: bool = False
) -> tuple[Predictor, Workers | None]:
    """A model that has answered a picture; a .tflite file with `number` workers (0: None).

    A .tflite file that crashes or never ends does so in the workers, before it is loaded here; a frozen graph
    that `replaces` one that is served, in a process that tries it first. Raises UserError, or TensorFlow's
    error.
    """
    if number and replaces and found.path.suffix != SUFFIX:
        try_apart(found, views)
    workers = Workers(found, number) if found.path.suffix == SUFFIX and number else None
    try:
        if workers:
            check_same(found)
        predictor = load_model(found.path, weights_as_variables=False, views=views)
        if workers:
            workers.ratio = predictor.reader.ratio
            check_same(found)
        else:
            warm_up(predictor)
    except BaseException:
        if workers:
            workers.close()
        raise
    return predictor, workers

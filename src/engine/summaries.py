"""Writing summaries for TensorBoard, with a check that they are on the disk."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from src.common import paths
from src.common.errors import UserError
from src.common.tf1 import tf


class Writer:
    """A FileWriter that counts its summaries."""

    def __init__(self, writer: tf.summary.FileWriter):
        self._writer = writer
        self.added = 0

    def add_summary(self, summary: tf.Summary | bytes, step: int | None = None) -> None:
        self._writer.add_summary(summary, step)
        self.added += 1

    def add_session_log(self, log: tf.SessionLog, step: int) -> None:
        self._writer.add_session_log(log, step)


@contextlib.contextmanager
def summary_writer(
    folder: Path, graph: tf.Graph | None = None, suffix: str | None = None
) -> Iterator[Writer]:
    """A writer of summaries into `folder`, to a file whose name ends with `suffix`.

    TensorFlow writes in a thread and only logs failures. Raises UserError at the end of the `with` block when
    summaries are missing in the file.
    """
    before = _stamps(folder)
    with tf.Graph().as_default():  # FileWriter refuses eager mode, which the caller may use
        writer = tf.summary.FileWriter(str(folder), graph, filename_suffix=suffix)
    with writer:
        counted = Writer(writer)
        yield counted
    written = {Path(file) for file, _ in _stamps(folder).items() - before.items()}
    if sum(map(_summaries_in, written)) < counted.added:
        name = paths.shown(next(iter(written), folder))
        raise UserError(f'cannot write {name}, summaries are missing in it: free some space, then repeat')


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Modification time and size of each event file, to find new and changed ones."""
    stats = {str(file): file.stat() for file in folder.glob('events.*')}
    return {file: (stat.st_mtime_ns, stat.st_size) for file, stat in stats.items()}


def _summaries_in(file: Path) -> int:
    found = 0
    with contextlib.suppress(tf.errors.DataLossError):  # the last one is incomplete
        for record in tf.io.tf_record_iterator(str(file)):
            found += tf.Event.FromString(record).HasField('summary')
    return found

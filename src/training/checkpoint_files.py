"""Checkpoints in folders of any name.

TensorFlow takes the path of a checkpoint for a pattern (`Env::GetMatchingPaths`) when it looks for the newest
one, restores it or removes older ones, so in a folder called `my [project]` it finds nothing. The files are
the usual ones.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from src.common.tf1 import tf

PATTERN = set('[]*?' if os.name == 'nt' else '[]*?\\')


def latest(folder: Path, kind: str) -> str:
    """The checkpoint that the state file `kind` names; '' if there is none, or its files are missing."""
    state = tf.train.get_checkpoint_state(str(folder), kind)
    found = state.model_checkpoint_path if state else ''
    return found if found and Path(found + '.index').exists() else ''


def save(session: tf.Session, saver: tf.train.Saver, prefix: Path, step: int, kind: str) -> str:
    """Write the checkpoint `<prefix>-<step>`, name it in the state file `kind`, and remove older ones."""
    saved = saver.save(session, str(prefix), step, kind, write_meta_graph=False)
    for file in prefix.parent.iterdir():
        if file.name.startswith(f'{prefix.name}-') and not file.name.startswith(f'{Path(saved).name}.'):
            file.unlink(missing_ok=True)
    return saved


@contextlib.contextmanager
def readable(checkpoint: str) -> Iterator[str]:
    """A path that TensorFlow can restore from: the checkpoint, or a copy for as long as the body runs."""
    if not PATTERN & set(checkpoint):
        yield checkpoint
        return
    with tempfile.TemporaryDirectory() as scratch:
        source = Path(checkpoint)
        for file in source.parent.iterdir():
            if file.name.startswith(f'{source.name}.'):
                shutil.copy(file, Path(scratch, file.name))
        yield str(Path(scratch, source.name))

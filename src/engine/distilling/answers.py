"""The teacher's answers to a fixed number of views of each photo, computed once.

data/answers/<fingerprint>/ holds `answers.json`, which says what they are, and for each number of a view and
each CHUNK photos a file `view-<number>-<first photo>.npy`, [photos, width] float16. The views themselves are
drawn again from the seed where they are needed. A file gets its name when it is complete, so a stopped
command goes on with the first missing one. The folder may be deleted after the training.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from src.common import files, paths
from src.common.ahead import ahead
from src.common.errors import UserError
from src.common.files import count, human_size
from src.common.progress import progress, say
from src.engine.distilling.photos import Photos
from src.engine.distilling.teacher import AT_ONCE, Teacher
from src.graph.bottleneck_session import BATCHES_AT_ONCE
from src.images.views import Views, draw

FORMAT = 1  # of the views too: changes when the same seed draws others
NOTE = 'answers.json'
CHUNK = 2048  # photos


@dataclass(frozen=True)
class Answers:
    """The answers of `teacher` to `number` views of each of `photos`."""

    teacher: Teacher
    photos: Photos
    settings: Mapping[str, float]  # of `draw`
    seed: int
    number: int
    _opened: dict[str, np.ndarray] = field(default_factory=dict)

    def facts(self) -> dict[str, Any]:
        """Everything that an answer depends on, as JSON."""
        return {
            'format': FORMAT,
            'teacher': self.teacher.facts,
            'precision': self.teacher.precision,
            'photos': self.photos.fingerprint,
            'stored_side': self.photos.side,
            'views': dict(self.settings),
            'seed': self.seed,
        }

    @property
    def folder(self) -> Path:
        identity = json.dumps(self.facts(), sort_keys=True).encode()
        return paths.DATA_DIR / 'answers' / hashlib.sha256(identity).hexdigest()[:16]

    def views(self, rows: np.ndarray, view: int | np.ndarray) -> Views:
        """The views of the photos `rows` [N]."""
        return draw(rows, view, self.seed, len(self.photos), **self.settings)

    def compute(self) -> None:
        """Compute the missing answers, with a progress bar. Raises UserError when the disk is full."""
        missing = [(view, first) for view, first in self._files() if not self._file(view, first).exists()]
        if not missing:
            return
        photos, total, role = len(self.photos), self.number * len(self.photos), self.teacher.role
        size = human_size(2 * self.teacher.width * total)
        say(f"the {role}'s answers to {count(total, 'view')}, {size}, go to {paths.shown(self.folder)}")
        files.write_json(self.folder / NOTE, self.facts())
        done = total - sum(min(CHUNK, photos - first) for _, first in missing)
        with progress(total, role, 'views', done=done) as bar:
            computed = ahead(
                lambda batch: self.teacher.answers(self.photos, self.views(*batch)),
                self._batches(missing),
                2 * BATCHES_AT_ONCE,
                BATCHES_AT_ONCE,
            )
            for view, first in missing:
                rows, left = [], min(CHUNK, photos - first)
                while left:
                    rows.append(next(computed))
                    left -= len(rows[-1])
                    bar.update(len(rows[-1]))
                with files.atomic(self._file(view, first), 'wb') as stream:
                    np.save(stream, np.concatenate(rows))

    def of(self, rows: np.ndarray, view: int) -> np.ndarray:
        """The answers to one view of the photos `rows` [N]: [N, width] float16."""
        found = np.empty((len(rows), self.teacher.width), np.float16)
        for chunk in np.unique(rows // CHUNK):
            here = rows // CHUNK == chunk
            found[here] = self._stored(view, int(chunk) * CHUNK)[rows[here] % CHUNK]
        return found

    def _stored(self, view: int, first: int) -> np.ndarray:
        path = self._file(view, first)
        if path.name not in self._opened:
            try:
                found = np.load(path, mmap_mode='r')
            except (OSError, ValueError, EOFError) as error:
                raise _damaged(path) from error
            shape = min(CHUNK, len(self.photos) - first), self.teacher.width
            # An archive of arrays is loaded as something else.
            whole = isinstance(found, np.ndarray) and (found.shape, found.dtype) == (shape, np.float16)
            if not whole or not np.isfinite(found).all():
                raise _damaged(path)
            self._opened[path.name] = found
        return self._opened[path.name]

    def _file(self, view: int, first: int) -> Path:
        return self.folder / f'view-{view:04}-{first:08}.npy'

    def _files(self) -> Iterator[tuple[int, int]]:
        return ((view, first) for view in range(self.number) for first in range(0, len(self.photos), CHUNK))

    def _batches(self, chunks: Sequence[tuple[int, int]]) -> Iterator[tuple[np.ndarray, int]]:
        """The photos of some files, a few at a time, each with the number of the view."""
        for view, first in chunks:
            end = min(first + CHUNK, len(self.photos))
            for begin in range(first, end, AT_ONCE):
                yield np.arange(begin, min(begin + AT_ONCE, end)), view


def _damaged(path: Path) -> UserError:
    return UserError(f'{paths.shown(path)} is damaged: delete it, then the same command computes it again')

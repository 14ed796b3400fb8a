"""The photos that a command line names, decoded and without those that must not be used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from src.common import paths
from src.common.errors import UserError
from src.common.files import count, listed
from src.common.progress import say
from src.engine.distilling.photo_sources import source_of
from src.engine.distilling.photos import Photos, left_out, stored


def gather(words: Sequence[str], without: Path | None, side: int) -> Photos:
    """The photos that `words` name, as `photo_sources.source_of` takes them, except those in the file
    `without`, with a name on each line; decoded with a shorter side of at most `side` pixels. Prints which
    are left out, and which files are skipped. Raises UserError without two photos."""
    opened = [stored(source, side) for source in map(source_of, words)]
    keep, unmet = left_out(without) if without else (lambda name: True, set())
    photos = Photos(opened, keep)
    if without:
        say(f'left out by {paths.shown(without)}: {count(photos.refused, "photo")}')
        if unmet:
            say(f'not among the photos: {listed(sorted(unmet))}')
    if photos.skipped:
        reasons = [f'{file} ({reason})' for file, reason in photos.skipped.items()]
        say(f'skipped {count(len(reasons), "file")}: {listed(reasons)}')
    if len(photos) < 2:
        raise UserError(f'{count(len(photos), "photo")} to learn from: give more photos')
    return photos


def encoded(words: Sequence[str]) -> Iterator[bytes]:
    """The encoded pictures that `words` name, without those that cannot be read."""
    for word in words:
        for _, data in source_of(word).pictures():
            if isinstance(data, bytes):
                yield data

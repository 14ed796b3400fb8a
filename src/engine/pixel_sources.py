"""Pictures to learn from: decoded once and held in memory while they fit, else decoded as they come."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

from src.common import consts
from src.engine.sources import InMemory, Source
from src.images.reader import ImageReader
from src.records.dataset import Examples, Records, number_of
from src.records.pixels import decoded, image_feature, load_pixels, pixel_chunks
from src.records.stream import Batch, Field, stream

PICTURE_BYTES = 30_000  # of an encoded photo, about


class StreamedPictures:
    """A source of pixels that reads and decodes the records again in every epoch, a batch ahead."""

    def __init__(
        self, records: Records, splits: Mapping[str, Sequence[str]], reader: ImageReader, size: int, seed: int
    ):
        self._records, self._splits, self._reader = records, splits, reader
        self._size, self._seed = size, seed
        self.parts = list(splits)
        self._stream: Iterator[Batch] = iter(())
        self._step = -1  # that the stream has reached

    def number(self, part: str) -> int:
        return number_of(self._records, self._splits[part])

    def batch(self, step: int) -> Batch:
        if step != self._step:
            self._stream = _ahead(self._batches(step))
        self._step = step + 1
        return next(self._stream)

    def _batches(self, step: int) -> Iterator[Batch]:
        field = Field(consts.IMAGE_RAW_FIELD, image_feature(), PICTURE_BYTES)
        start = step * self._size
        for pictures, labels in stream(
            self._records, self._splits['train'], field, self._size, self._seed, start
        ):
            yield decoded(pictures, self._reader, self._records), labels

    def first(self, part: str, most: int) -> Examples:
        return load_pixels(self._records, self._splits[part], self._reader, most)

    def chunks(self, part: str) -> Iterator[Examples]:
        return pixel_chunks(self._records, self._splits[part], self._reader)


def _ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The same, each made by a thread while the one before is used."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches)
        while True:
            ready = coming.result()
            coming = pool.submit(next, batches)
            yield ready


def fits_in_memory(records: Records, side: int) -> bool:
    labelled = sum(records.counts.get(split, 0) for split in consts.SPLITS)
    return 3 * side * side * labelled <= consts.MAX_PIXEL_BYTES


def pixel_parts(records: Records, with_validation: bool) -> dict[str, list[str]]:
    """Which splits make which part of a source."""
    held = [split for split in consts.SPLITS if records.counts.get(split)]
    if not with_validation:
        return {split: [split] for split in held}
    learned = [split for split in held if split != 'test']
    return {'train': learned} | {split: [split] for split in held if split == 'test'}


def open_pixels(records: Records, reader: ImageReader, with_validation: bool, size: int, seed: int) -> Source:
    """The pictures of the records, in batches of `size`."""
    parts = pixel_parts(records, with_validation)
    if not fits_in_memory(records, reader.shape[0]):
        return StreamedPictures(records, parts, reader, size, seed)
    held = {part: load_pixels(records, splits, reader) for part, splits in parts.items()}
    return InMemory(held, size, seed)

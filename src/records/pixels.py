"""TFRecords to pixels: the pictures in records, decoded and resized as a graph will see them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from src.common import consts, paths
from src.common.errors import UserError
from src.common.progress import progress
from src.common.tf1 import tf
from src.graph.batching import feed_batches
from src.graph.preprocessing.find import preprocessing_graph
from src.images.faults import BadImage
from src.images.reader import ImageReader
from src.records.dataset import Examples, Records, filled, labelled, number_of


def reader_for(side: int) -> ImageReader:
    """A reader of pictures resized to `side` x `side`, 0 to 255."""
    graph_def, preprocessing = preprocessing_graph(side, side)
    return ImageReader(feed_batches(graph_def, preprocessing), preprocessing)


def load_pixels(
    records: Records, splits: Sequence[str], reader: ImageReader, most: int | None = None
) -> Examples:
    """The examples of some splits, or the first `most` of them, as pixels [N, height, width, 3] uint8.

    Memory: 3 bytes x height x width x N, once. Raises UserError for a damaged shard or picture.
    """
    number = number_of(records, splits, most)
    with progress(number, 'reading pictures', 'pictures') as bar:
        parts = (_counted(part, bar) for part in pixel_chunks(records, splits, reader))
        return filled(np.empty((number, *reader.shape), np.uint8), records, parts)


def pixel_chunks(
    records: Records, splits: Sequence[str], reader: ImageReader, size: int = 256
) -> Iterator[Examples]:
    """The same, up to `size` at a time."""
    for ids, labels, fields in labelled(records, splits, {consts.IMAGE_RAW_FIELD: image_feature()}, size):
        yield Examples(ids, labels, decoded(fields[consts.IMAGE_RAW_FIELD], reader, records))


def image_feature() -> tf.FixedLenFeature:
    """The field of the encoded picture, for tf.io.parse_example."""
    return tf.FixedLenFeature([], tf.string)


def decoded(pictures: Sequence[bytes], reader: ImageReader, records: Records) -> np.ndarray:
    """[N, height, width, 3] uint8 of encoded pictures. Raises UserError for one that is damaged, which only
    records that were tampered with hold."""
    values = reader.read_many(list(pictures))
    fault = next((value for value in values if isinstance(value, BadImage)), None)
    if fault:
        raise UserError(
            f'a picture in {paths.shown(records.folder)} cannot be decoded ({fault}): run the '
            'conversion again with --overwrite'
        )
    return np.rint(np.stack(values)).astype(np.uint8)  # exact where nothing was resized


def _counted(part: Examples, bar) -> Examples:
    bar.update(len(part))
    return part

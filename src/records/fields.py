"""What an example is: which field of a record is read, and how it becomes an array.

`bottlenecks` for heads, `pixels` for networks that learn from pixels; anything else that a learner learns
from is another `Field`, and needs no other reader.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from src.common import consts
from src.common.tf1 import tf
from src.graph.batching import feed_batches
from src.graph.preprocessing.find import preprocessing_graph
from src.images.faults import BadImage
from src.images.reader import ImageReader

PICTURE_BYTES = 30_000  # of an encoded photo, about
MIRRORED = '~mirrored'  # ends the name of a field that holds the bottleneck of the mirrored picture


@dataclass(frozen=True)
class Field:
    """What is read from a record, and its values as an array.

    `what`: a plural noun for messages. `shape`, `dtype`: of one example's values.
    `columns`: the fields of the record by name, as tf.io.parse_example reads them; several are concatenated.
    `record_bytes`: their size in a record, about.
    `decode`: from N parsed values to values [N, *shape]; None where they are equal. It may raise BadImage.
    """

    what: str
    shape: tuple[int, ...]
    dtype: Any
    columns: Mapping[str, tf.FixedLenFeature]
    record_bytes: int
    decode: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def value_bytes(self) -> int:
        """Bytes of one example's values in memory."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize

    def parsed(self, batch: Mapping[str, Any], concatenate: Callable[[Sequence[Any], int], Any]) -> Any:
        """The columns of N parsed records, concatenated by np.concatenate or tf.concat: values
        [N, *shape], or what `decode` takes."""
        columns = [batch[name] for name in self.columns]
        whole = columns[0] if len(columns) == 1 else concatenate(columns, 1)
        if self.decode or len(self.shape) == 1:
            return whole
        reshape = tf.reshape if tf.is_tensor(whole) else np.reshape
        return reshape(whole, (-1, *self.shape))


def bottlenecks(widths: int | Mapping[str, int], mirrored: bool = False) -> Field:
    """Cached bottlenecks: [width] float32, or with `mirrored` [2, width]: of a picture and its mirror image.

    widths: of one backbone, or of each backbone by the name of its field in the records.
    """
    if isinstance(widths, int):
        widths = {consts.INCEPTION_OUTPUT_FIELD: widths}
    ends = ('', MIRRORED) if mirrored else ('',)
    columns = {
        name + end: tf.FixedLenFeature([width], tf.float32) for end in ends for name, width in widths.items()
    }
    total = sum(widths.values())
    shape = (2, total) if mirrored else (total,)
    return Field('bottlenecks', shape, np.float32, columns, 4 * len(ends) * total)


def pixels(reader: ImageReader, dtype: Any = np.uint8) -> Field:
    """Pictures as `reader` decodes and resizes them: [height, width, 3] uint8, 0 to 255, or of a float
    `dtype`, in which resized ones are not rounded to whole numbers."""

    def decode(encoded: np.ndarray) -> np.ndarray:
        values = reader.read_many(list(encoded))
        if fault := next((value for value in values if isinstance(value, BadImage)), None):
            raise fault
        stacked = np.stack(values)
        # Rounding is exact where nothing was resized.
        return (np.rint(stacked) if np.issubdtype(dtype, np.integer) else stacked).astype(dtype)

    columns = {consts.IMAGE_RAW_FIELD: encoded_image()}
    return Field('pictures', reader.shape, dtype, columns, PICTURE_BYTES, decode)


def encoded_image() -> tf.FixedLenFeature:
    """The field of the encoded picture, for tf.io.parse_example."""
    return tf.FixedLenFeature([], tf.string)


def reader_for(side: int) -> ImageReader:
    """A reader of pictures resized to `side` x `side` pixels, 0 to 255."""
    graph_def, preprocessing = preprocessing_graph(side, side)
    return ImageReader(feed_batches(graph_def, preprocessing), preprocessing)

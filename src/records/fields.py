"""What an example is: which field of a record is read, and how it becomes an array.

`bottlenecks` for heads, `pixels` for networks that learn from pixels; anything else that a learner learns
from is another `Field`, and needs no other reader.
"""

from __future__ import annotations

import math
from collections.abc import Callable
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


@dataclass(frozen=True)
class Field:
    """A field of records, and its values as an array.

    `name`: the field's name. `what`: a plural noun for messages. `shape`, `dtype`: of one example's values.
    `feature`: how tf.io.parse_example reads it. `record_bytes`: size of one in a record, about.
    `decode`: from N parsed fields to values [N, *shape]; None where they are equal. It may raise BadImage.
    """

    name: str
    what: str
    shape: tuple[int, ...]
    dtype: Any
    feature: tf.FixedLenFeature
    record_bytes: int
    decode: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def value_bytes(self) -> int:
        """Bytes of one example's values in memory."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def bottlenecks(width: int) -> Field:
    """Cached bottlenecks: [width] float32."""
    feature = tf.FixedLenFeature([width], tf.float32)
    return Field(consts.INCEPTION_OUTPUT_FIELD, 'bottlenecks', (width,), np.float32, feature, 4 * width)


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

    return Field(
        consts.IMAGE_RAW_FIELD, 'pictures', reader.shape, dtype, encoded_image(), PICTURE_BYTES, decode
    )


def encoded_image() -> tf.FixedLenFeature:
    """The field of the encoded picture, for tf.io.parse_example."""
    return tf.FixedLenFeature([], tf.string)


def reader_for(side: int) -> ImageReader:
    """A reader of pictures resized to `side` x `side` pixels, 0 to 255."""
    graph_def, preprocessing = preprocessing_graph(side, side)
    return ImageReader(feed_batches(graph_def, preprocessing), preprocessing)

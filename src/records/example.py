"""One record: its fields, and how it is written.

| field            | what                                                     |
|------------------|----------------------------------------------------------|
| id               | bytes, the name of the photo within its data set         |
| image_raw        | bytes, the encoded picture that the vector was made from |
| label            | bytes, the class name (absent for unlabelled photos)     |
| label_one_hot    | float32 [classes] (absent for unlabelled photos)         |
| inception_output | float32 [width], the bottleneck (absent without backbone) |

Further backbones have a field each, named in the manifest. A field whose name ends with `~mirrored` holds the
bottleneck of the mirrored picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from src.common import consts, files
from src.common.tf1 import tf


def bytes_feature(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def float_feature(values: Sequence[float] | np.ndarray) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def build_example(
    id_: str, image: bytes, bottleneck: np.ndarray | None, label: str | None, classes: Sequence[str]
) -> bytes:
    """A serialized tf.train.Example; `bottleneck` is [width] float32, `label` one of `classes`."""
    feature = {
        consts.ID_FIELD: bytes_feature(id_.encode('utf-8', 'surrogateescape')),
        consts.IMAGE_RAW_FIELD: bytes_feature(image),
    }
    if bottleneck is not None:
        feature[consts.INCEPTION_OUTPUT_FIELD] = float_feature(bottleneck)
    if label is not None:
        one_hot = np.zeros(len(classes), np.float32)
        one_hot[classes.index(label)] = 1
        feature[consts.LABEL_FIELD] = bytes_feature(label.encode('utf-8', 'surrogateescape'))
        feature[consts.LABEL_ONE_HOT_FIELD] = float_feature(one_hot)
    # Deterministic: the same photo gives the same bytes.
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString(deterministic=True)


def write_shard(path: Path, examples: Iterable[bytes]) -> int:
    """Write serialized examples as one TFRecord file, flushed to the disk. Returns their number."""
    number = 0
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            writer.write(example)
            number += 1
    files.flush_to_disk(path)
    return number


def shard_name(split: str, index: int, total: int) -> str:
    return f'{split}-{index:05d}-of-{total:05d}.tfrecord'

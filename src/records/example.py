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

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from src.common import consts, files
from src.common.tf1 import serialized_records, tf


def bytes_feature(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def float_feature(values: Sequence[float] | np.ndarray) -> tf.train.Feature:
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def build_example(
    id_: str,
    image: bytes,
    bottleneck: Mapping[str, np.ndarray] | np.ndarray | None,
    label: str | None,
    classes: Sequence[str],
) -> bytes:
    """A serialized tf.train.Example; `bottleneck` is [width] float32, or several of these by field, and
    `label` one of `classes`."""
    feature = {
        consts.ID_FIELD: bytes_feature(id_.encode('utf-8', 'surrogateescape')),
        consts.IMAGE_RAW_FIELD: bytes_feature(image),
    }
    if isinstance(bottleneck, np.ndarray):
        bottleneck = {consts.INCEPTION_OUTPUT_FIELD: bottleneck}
    feature |= {field: float_feature(vector) for field, vector in (bottleneck or {}).items()}
    if label is not None:
        one_hot = np.zeros(len(classes), np.float32)
        one_hot[classes.index(label)] = 1
        feature[consts.LABEL_FIELD] = bytes_feature(label.encode('utf-8', 'surrogateescape'))
        feature[consts.LABEL_ONE_HOT_FIELD] = float_feature(one_hot)
    return _serialized(tf.train.Example(features=tf.train.Features(feature=feature)))


def id_and_image(example: bytes) -> tuple[str, bytes]:
    """The id and the encoded picture in a serialized example."""
    feature = tf.train.Example.FromString(example).features.feature
    values = [feature[name].bytes_list.value[0] for name in (consts.ID_FIELD, consts.IMAGE_RAW_FIELD)]
    return values[0].decode('utf-8', 'surrogateescape'), values[1]


def fields_of(example: bytes) -> set[str]:
    """The names of the fields of a serialized example."""
    return set(tf.train.Example.FromString(example).features.feature)


def with_bottlenecks(example: bytes, bottlenecks: Mapping[str, np.ndarray], keep: Container[str]) -> bytes:
    """A serialized example with these bottlenecks by field, as `build_example` would have made it. Of those
    that it has, it keeps the fields `keep`."""
    parsed = tf.train.Example.FromString(example)
    feature = parsed.features.feature
    for field in list(feature):
        if field.startswith(consts.INCEPTION_OUTPUT_FIELD) and field not in keep:
            del feature[field]
    for field, vector in bottlenecks.items():
        feature[field].CopyFrom(float_feature(vector))
    return _serialized(parsed)


def _serialized(example: tf.train.Example) -> bytes:
    return example.SerializeToString(deterministic=True)  # the same photo gives the same bytes


def write_shard(path: Path, examples: Iterable[bytes]) -> int:
    """Write serialized examples as one TFRecord file, flushed to the disk. Returns their number."""
    number = 0
    with tf.io.TFRecordWriter(str(path)) as writer:
        for example in examples:
            writer.write(example)
            number += 1
    files.flush_to_disk(path)
    return number


def read_shard(path: Path) -> Iterator[bytes]:
    """The serialized examples of a TFRecord file. Raises what `dataset.damages` names."""
    yield from serialized_records(path)


def shard_name(split: str, index: int, total: int) -> str:
    return f'{split}-{index:05d}-of-{total:05d}.tfrecord'

"""Summaries reach the disk (tests/common/test_full_disk.py: or it is told)."""

from __future__ import annotations

from src.common.tf1 import tf
from src.engine.summaries import summary_writer


def scalar(step: int) -> tf.Summary:
    return tf.Summary(value=[tf.Summary.Value(tag='cost', simple_value=step)])


def test_what_was_added_is_there(tmp_path):
    with summary_writer(tmp_path, suffix='.x') as writer:
        for step in range(3):
            writer.add_summary(scalar(step), step)
    (file,) = tmp_path.iterdir()
    assert file.name.endswith('.x')
    assert len(list(tf.io.tf_record_iterator(str(file)))) == 4  # the first tells the version

"""Checkpoints in folders whose names TensorFlow takes for patterns."""

from __future__ import annotations

import os

import pytest

from src.common.tf1 import tf
from src.training import checkpoint_files, loop

ODD = 'my [project]' if os.name == 'nt' else 'my [project]*? {x}'


@pytest.mark.parametrize('name', ['plain', ODD])
def test_the_newest_is_found_and_restored_and_older_ones_are_removed(tmp_path, name):
    folder = tmp_path / name / 'checkpoints'
    folder.mkdir(parents=True)
    with tf.Graph().as_default(), tf.Session() as session:
        variable = tf.get_variable('x', [], tf.float32)
        value = tf.placeholder(tf.float32, [])
        assign = variable.assign(value)
        savers = {'best': tf.train.Saver(max_to_keep=1), 'last': tf.train.Saver(max_to_keep=1)}
        for step in (1, 2, 3):
            for number, (kind, saver) in enumerate(savers.items()):
                session.run(assign, {value: 10 * step + number})
                checkpoint_files.save(session, saver, folder / kind, step, kind)
        assert {file.name.partition('.')[0] for file in folder.glob('*-*')} == {'best-3', 'last-3'}
        for number, (kind, saver) in enumerate(savers.items()):
            found = checkpoint_files.latest(folder, kind)
            loop.restore(session, saver, found)
            assert session.run(variable) == 30 + number
            with checkpoint_files.readable(found) as path:
                assert tf.train.load_checkpoint(path).get_variable_to_shape_map() == {'x': []}


def test_missing_files_are_no_checkpoint(tmp_path):
    assert checkpoint_files.latest(tmp_path, 'last') == ''
    with tf.Graph().as_default(), tf.Session() as session:
        tf.get_variable('x', [], initializer=tf.zeros_initializer())
        session.run(tf.global_variables_initializer())
        checkpoint_files.save(session, tf.train.Saver(), tmp_path / 'last', 1, 'last')
    assert checkpoint_files.latest(tmp_path, 'last')
    (tmp_path / 'last-1.index').unlink()
    assert checkpoint_files.latest(tmp_path, 'last') == ''

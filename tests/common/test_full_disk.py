"""All writers on a full disk: one line that names the file.

A limit of the file size stands in for a full disk: the same calls fail, with "File too large".
"""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from PIL import Image

from src.common import errors, files
from src.common.errors import UserError
from src.common.tf1 import tf
from src.drawing import style
from src.drawn_dogs import draw
from src.engine.summaries import summary_writer
from src.graph.graph_io import write_graph
from src.records.example import write_shard
from tests.graph.graphs import graph_of_2015

resource = pytest.importorskip('resource', reason='Windows limits no file sizes')


@contextlib.contextmanager
def full(limit: int = 1000):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def shard(path):
    with files.atomic_path(path) as part:
        write_shard(part, (b'x' * 600 for _ in range(9)))


def picture(path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    files.write_picture(path, Image.fromarray(noise), format='JPEG')


def text(path):
    with files.atomic(path) as stream:
        stream.write('x' * 5000)


def plot(path):
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])
    with files.atomic_path(path) as part:
        figure.savefig(part, format='png', dpi=style.DPI)


WRITERS = {
    'shard': shard,
    'picture': picture,
    'plot': plot,
    'text': text,
    'JSON': lambda path: files.write_json(path, ['x' * 5000]),
    'graph': lambda path: write_graph(graph_of_2015(), path),
}


@pytest.mark.parametrize('write', WRITERS.values(), ids=WRITERS)
def test_a_file_is_named_and_nothing_is_left(tmp_path, write):
    path = tmp_path / 'made'
    path.write_text('what was there before')
    with pytest.raises(UserError) as error, full():
        write(path)
    assert str(error.value) == f'cannot write {path}: File too large: free some space, then repeat'
    assert [file.name for file in tmp_path.iterdir()] == ['made']
    assert path.read_text() == 'what was there before'


def test_an_error_names_the_final_path(tmp_path):
    """A writer inside of `atomic_path` knows only the temporary name."""
    failing = pytest.raises(UserError, match=r'cannot write \S*/made: File')
    with failing, full(), files.atomic_path(tmp_path / 'made') as part:
        files.write_json(part, ['x' * 5000])


def test_drawing(tmp_path):
    with pytest.raises(UserError, match=r's00000001_0001\.jpg: File too large'), full():
        draw.draw_sample(tmp_path, 1)


def test_an_error_while_saving_names_the_checkpoint(tmp_path, capsys):
    with tf.Graph().as_default(), tf.Session() as session:
        session.run(tf.get_variable('x', [999], initializer=tf.zeros_initializer()).initializer)
        saver = tf.train.Saver()
        with pytest.raises(tf.errors.OpError) as error, full():
            saver.save(session, str(tmp_path / 'last'), 1, 'last', write_meta_graph=False)
    assert errors.disk_fault(error.value) == 'File too large: free some space, then repeat'
    assert errors.place_of(error.value) == f'cannot write {tmp_path}/last-1.data-00000-of-00001'


def test_summaries(tmp_path):
    failing = pytest.raises(UserError, match=r'cannot write .*events.*: free some space')
    with failing, full(), summary_writer(tmp_path) as writer:
        for step in range(99):
            writer.add_summary(tf.Summary(value=[tf.Summary.Value(tag='cost', simple_value=1)]), step)


def test_other_errors_of_tensorflow_are_not_disk_errors():
    with tf.Graph().as_default(), tf.Session() as session, pytest.raises(tf.errors.OpError) as error:
        session.run(tf.io.read_file('/nowhere'))
    assert errors.disk_fault(error.value) == ''

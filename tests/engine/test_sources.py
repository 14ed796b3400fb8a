"""Examples from memory and from the records."""

from __future__ import annotations

import shutil
from itertools import islice

import numpy as np
import pytest

from src.common import files, paths
from src.common.errors import UserError
from src.common.tf1 import tf
from src.engine.learners.head import Head
from src.engine.sources import InMemory, Streamed, parts_of
from src.recipes.recipe import HeadRecipe
from src.records import dataset
from src.records import stream as stream_module
from src.records.dataset import load, open_records
from src.records.fields import bottlenecks
from src.records.stream import stream
from tests.clusters import WIDTH

TRAIN = ['train']


@pytest.fixture
def records(clusters):
    return open_records(clusters)


@pytest.fixture
def spoilt(records):
    """A copy of the records whose files a test may damage."""
    folder = paths.records('spoilt')
    shutil.copytree(records.folder, folder, dirs_exist_ok=True)
    return open_records('spoilt')


def rows_of(held: dataset.Examples, vectors: np.ndarray) -> list[int]:
    """Which of the held examples these vectors are; no two of them are alike."""
    places = {vector.tobytes(): i for i, vector in enumerate(held.values)}
    return [places[vector.tobytes()] for vector in vectors]


def test_every_epoch_of_a_stream_shows_each_record_once_in_another_order(records):
    held = load(records, 'train')
    batches = list(islice(stream(records, TRAIN, bottlenecks(WIDTH), 30, seed=1), 24))  # three epochs of 240
    for vectors, labels in batches:
        np.testing.assert_array_equal(labels, held.labels[rows_of(held, vectors)])
    seen = rows_of(held, np.concatenate([vectors for vectors, _ in batches]))
    epochs = [seen[i : i + 240] for i in range(0, 720, 240)]
    assert all(sorted(epoch) == list(range(240)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == 3
    other = rows_of(held, next(stream(records, TRAIN, bottlenecks(WIDTH), 240, seed=2))[0])
    assert other != epochs[0]


def test_a_stream_mixes_the_shards(records, monkeypatch):
    """Even where the buffer holds one example, a batch comes from several files."""
    monkeypatch.setattr(stream_module, 'SHUFFLED_BYTES', 1)
    held = load(records, 'train')
    rows = rows_of(held, next(stream(records, TRAIN, bottlenecks(WIDTH), 60, seed=1))[0])
    assert len({row // 50 for row in rows}) >= 4


def test_a_stream_goes_on_where_it_was(records):
    whole = np.concatenate([x for x, _ in islice(stream(records, TRAIN, bottlenecks(WIDTH), 32, seed=1), 25)])
    for start in (0, 32, 224, 240, 500):  # within an epoch, at its end, in the third one
        vectors, _ = next(stream(records, TRAIN, bottlenecks(WIDTH), 32, seed=1, start=start))
        np.testing.assert_array_equal(vectors, whole[start : start + 32])


def test_a_batch_depends_on_the_step_alone(records):
    parts = parts_of(records, ['train'])
    held = {part: load(records, *splits) for part, splits in parts.items()}
    for make in (lambda: InMemory(held, 32, 1), lambda: Streamed(records, parts, bottlenecks(WIDTH), 32, 1)):
        source = make()
        in_order = [source.batch(step) for step in range(10)]
        again = make()
        for step in (9, 3, 4, 0):
            for got, wanted in zip(again.batch(step), in_order[step], strict=True):
                np.testing.assert_array_equal(got, wanted)


def test_a_head_scores_alike_from_memory_and_from_the_records(records):
    parts = parts_of(records, ['train'])
    held = InMemory({part: load(records, *splits) for part, splits in parts.items()}, 32, 1)
    streamed = Streamed(records, parts, bottlenecks(WIDTH), 32, 1)
    with tf.Graph().as_default(), tf.Session() as session:
        head = Head(HeadRecipe(layers=[16, 8, 4], dropout=0.0), held, 4)
        head.initialize(session)
        wanted, told = head.outcome(session)[1], head.evaluate(session)
        head.source = streamed
        got = head.outcome(session)[1]
    assert got.keys() == wanted.keys() == {'train', 'validation', 'test'}
    for split in wanted:
        assert got[split] == pytest.approx(wanted[split])
        np.testing.assert_array_equal(held.first(split, 7).labels, streamed.first(split, 7).labels)
        thirds = load(records, split).ids[::3]
        assert held.first(split, 7, 3).ids == streamed.first(split, 7, 3).ids == thirds[:7]
        assert held.first(split, 999, 3).ids == streamed.first(split, 999, 3).ids == thirds
    before = wanted['validation']['log_loss_uncalibrated']
    assert told['validation_log_loss'] == pytest.approx(before)


def test_loading_takes_several_splits_or_only_the_first(records):
    parts = [load(records, split) for split in ('train', 'validation')]
    whole = load(records, 'train', 'validation')
    assert whole.ids == parts[0].ids + parts[1].ids
    np.testing.assert_array_equal(whole.values, np.concatenate([p.values for p in parts]))
    few = load(records, 'train', most=60)  # more than a file holds
    assert few.ids == parts[0].ids[:60]
    np.testing.assert_array_equal(few.labels, parts[0].labels[:60])


def test_records_that_have_gone_are_told(spoilt):
    manifest = spoilt.manifest | {'counts': spoilt.counts | {'train': 300}}
    files.write_json(spoilt.folder / 'manifest.json', manifest)
    with pytest.raises(UserError, match='holds 240 of the 300 records'):
        load(open_records('spoilt'), 'train')


def test_a_damaged_shard_is_named_while_it_streams(spoilt):
    shard = spoilt.shards('train')[2]
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 255
    shard.write_bytes(data)
    with pytest.raises(UserError, match=f'{shard.name} is missing or damaged'):
        list(islice(stream(spoilt, TRAIN, bottlenecks(WIDTH), 32, seed=1), 20))
    shard.unlink()
    with pytest.raises(UserError, match=f'{shard.name} is missing or damaged'):
        list(islice(stream(spoilt, TRAIN, bottlenecks(WIDTH), 32, seed=1), 20))

"""A photo's shard depends on its hash alone, not on the order of the photos."""

from __future__ import annotations

import random
from collections import Counter
from hashlib import sha256
from pathlib import Path

from src.common import consts
from src.data_preparation.conversion.job import Job, add_up, new_manifest, record_hash, totals_of
from src.data_preparation.conversion.shards import Shard, into_shards, shard_count, shard_index
from src.data_preparation.samples import Planned, Sample
from src.data_preparation.splits import planned_as, with_copies
from src.records.manifest import UNIFORM


def planned(number: int, split: str | None = None) -> list[Planned]:
    """Photos without files: shards depend on their hashes only."""
    return [
        planned_as(Sample(f'{i}.jpg', Path(f'{i}.jpg'), 'ab'[i % 2], split), sha256(b'%d' % i).hexdigest())
        for i in range(number)
    ]


def in_shards(items: list[Planned]) -> list[Shard]:
    return into_shards(items, consts.SHARD_SIZE)


def test_every_photo_is_in_one_shard_of_its_split_in_the_order_of_hashes():
    items = planned(9_000)
    shards = in_shards(items)
    assert sorted(item.sample.id for shard in shards for item in shard.items) == sorted(
        item.sample.id for item in items
    )
    for shard in shards:
        assert {item.split for item in shard.items} == {shard.split} == {shard.name.split('-')[0]}
        assert list(shard.items) == sorted(shard.items, key=lambda item: item.digest)


def test_shards_hold_about_their_size_and_as_many_as_planned():
    items = planned(20_000)
    for split, total in Counter(item.split for item in items).items():
        sizes = [len(shard.items) for shard in in_shards(items) if shard.split == split]
        assert len(sizes) == shard_count(total, consts.SHARD_SIZE) == -(-total // 512)
        # Hashes are as good as random: five standard deviations of a Poisson count.
        mean = total / len(sizes)
        assert max(abs(size - mean) for size in sizes) < 5 * mean**0.5


def test_the_order_of_the_photos_does_not_matter():
    items = with_copies(planned(3_000), ['dark', 'mirror'])
    shuffled = random.Random(1).sample(items, len(items))
    assert in_shards(shuffled) == in_shards(items)
    assert len({tuple(shard.items) for shard in in_shards(items)}) == len(in_shards(items)) > 3


def test_a_photo_and_its_augmented_copies_are_neighbors():
    for shard in in_shards(with_copies(planned(3_000, 'train'), ['dark'])):
        assert len(shard.items) % 2 == 0
        for photo, copy in zip(shard.items[::2], shard.items[1::2], strict=True):
            assert copy.sample.id == f'{photo.sample.id}~dark'


def test_a_photo_s_shard_depends_on_no_other_photo():
    items = planned(4_000, 'train')
    total = shard_count(len(items), consts.SHARD_SIZE)
    for index, shard in enumerate(in_shards(items)):
        assert {shard_index(item.digest, total) for item in shard.items} == {index}


def test_no_photos_make_no_shards():
    assert in_shards([]) == []


def test_a_fingerprint_does_not_depend_on_the_order_and_changes_with_every_photo():
    backbone = {'sha256': 'x', 'file': 'f', 'path': 'p'}

    def fingerprint(items: list[Planned], **more) -> str:
        job = Job('name', Path('photos'), (), **more)
        return new_manifest(job, backbone, ['a', 'b'], sum(map(record_hash, items)))['fingerprint']

    items = planned(50)
    first = fingerprint(items)
    assert fingerprint(items[::-1]) == first
    other_label = [*items[:-1], Planned(Sample('49.jpg', Path('49.jpg'), 'a'), 'train', items[-1].digest)]
    twice = [*items, items[0], items[0]]
    changed = [items[1:], items[:-1], other_label, twice]
    assert len({first, *map(fingerprint, changed)}) == 5
    assert fingerprint(items, crop_to_box=True) != first != fingerprint(items, precision='bfloat16')


def test_totals_add_up_and_rename_the_outcomes_of_earlier_versions():
    def note(records: int, labels: list[str], outcome: str) -> dict:
        return {
            'records': records,
            'labels': labels,
            'remarks': [{'file': outcome, 'outcome': outcome, 'reason': 'empty file'}],
        }

    total = add_up(
        [
            totals_of('train-00000-of-00002.tfrecord', note(3, ['a', 'b'], 'skipped')),
            totals_of('train-00001-of-00002.tfrecord', note(2, ['b'], 'kept')),
            totals_of('test-00000-of-00001.tfrecord', note(1, ['c'], 'not used')),
            totals_of('unlabelled-00000-of-00001.tfrecord', note(4, [], 'given even odds')),
        ]
    )
    assert total.counts == {'train': 5, 'test': 1, 'unlabelled': 4}
    assert total.trained == {'a', 'b'} and len(total.shards) == 4
    outcomes = {remark['file']: remark['outcome'] for remark in total.remarks}
    assert outcomes.pop('given even odds') == UNIFORM == 'given uniform probabilities'
    assert all(file == outcome for file, outcome in outcomes.items()) and len(outcomes) == 3

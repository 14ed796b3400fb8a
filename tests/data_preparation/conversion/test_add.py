"""Records of several backbones, converted together or added one by one: the same bytes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from src.common import consts, files, paths
from src.common.errors import UserError
from src.data_preparation.class_folders import image_folder_samples
from src.data_preparation.conversion import add
from src.data_preparation.conversion.add import ADDING, add_bottlenecks
from src.data_preparation.conversion.convert import convert
from src.data_preparation.conversion.job import Job
from src.data_preparation.conversion.shards import note_name
from src.graph.backbones import Backbone, load_backbone
from src.graph.joined.facts import members
from src.graph.joined.join import join_backbones
from src.images.faults import BadImage
from src.records.dataset import Records, load, open_records
from tests.data_preparation.photos import put_classes
from tests.graph.graphs import DEPTH
from tests.graph.several import several
from tests.pictures import encoded, photo

SPLITS = (*consts.SPLITS,)


@pytest.fixture(scope='module')
def photos(tmp_path_factory):
    """24 photos of two classes, two of them so large that the pocket backbone takes them at a half and at a
    quarter of their size, and that of 2015, which does not average, in full."""
    folder = put_classes(tmp_path_factory.mktemp('photos'), {'a': 11, 'b': 11})
    (folder / 'a' / 'large.jpg').write_bytes(encoded(photo(500, 420, seed=80)))
    (folder / 'b' / 'larger.jpg').write_bytes(encoded(photo(1000, 820, seed=81)))
    return folder


@pytest.fixture(scope='module')
def backbones(tmp_path_factory) -> list[Backbone]:
    return [load_backbone(path) for path in several(tmp_path_factory.mktemp('backbones'))]


@pytest.fixture(scope='module')
def small(backbones) -> list[Backbone]:
    """Those that load and compute in a fraction of the time of the pocket one."""
    return backbones[1:]


def converted(photos: Path, name: str, backbones: list[Backbone], mirrored: bool = False) -> Records:
    job = Job(name, photos, samples=image_folder_samples(photos), shard_size=4, mirrored=mirrored)
    convert(job, join_backbones(backbones), overwrite=True)
    return open_records(name)


def content(records: Records) -> dict[str, bytes]:
    """The files of a records folder, the manifest without the data set's name."""
    manifest = (records.folder / paths.MANIFEST).read_text().replace(f'"{records.folder.name}"', '""')
    shards = {name: (records.folder / name).read_bytes() for name in records.manifest['shards']}
    return {paths.MANIFEST: manifest.encode()} | shards


def test_fields_of_joined_backbones_equal_those_of_single_conversions(photos, backbones):
    joined = converted(photos, 'joined', backbones)
    held = load(joined, *SPLITS)
    assert list(joined.bottlenecks().columns) == [
        'inception_output', 'inception_output/small', 'inception_output/small_2'
    ]  # fmt: skip
    singles = [load(converted(photos, 'single', [backbone]), *SPLITS) for backbone in backbones]
    assert held.ids == singles[0].ids
    assert np.array_equal(held.values, np.concatenate([single.values for single in singles], 1))
    assert joined.width == backbones[0].width + 2 * DEPTH


@pytest.mark.parametrize('mirrored, first', [(False, 1), (True, 0)])
def test_added_backbones_give_the_bytes_of_a_joint_conversion(photos, backbones, mirrored, first):
    """Of two small ones, and of all three with mirrored pictures."""
    taken = backbones[first:]
    together = converted(photos, 'together', taken, mirrored)
    grown = converted(photos, 'grown', taken[:1])
    for backbone in taken[1:]:
        grown = add_bottlenecks(grown, [backbone])
    grown = add_bottlenecks(grown, mirrored=mirrored)
    assert content(grown) == content(together)
    assert grown.manifest == open_records('grown').manifest
    both = add_bottlenecks(converted(photos, 'both', taken[:1], mirrored), taken[1:])
    assert content(both) == content(together)
    assert not (both.folder / ADDING).exists()


def test_mirrored_bottlenecks_are_those_of_the_mirrored_pixels(photos, backbones):
    records = converted(photos, 'mirrored', backbones[:1], mirrored=True)
    held = load(records, 'train', field=records.bottlenecks(mirrored=True))
    again = load(converted(photos, 'plain', backbones[:1]), 'train')
    assert np.array_equal(held.values[:, 0], again.values)
    assert held.values.shape == (len(again), 2, backbones[0].width)
    assert np.abs(held.values[:, 0] - held.values[:, 1]).max() > 0.01


def test_a_conversion_that_is_repeated_with_mirrored_pictures_adds_them(photos, small):
    both = content(converted(photos, 'once', small[:1], mirrored=True))
    samples = image_folder_samples(photos)
    converted(photos, 'twice', small[:1])
    convert(Job('twice', photos, samples=samples, shard_size=4, mirrored=True), small[0])
    assert content(open_records('twice')) == both
    convert(Job('twice', photos, samples=samples, shard_size=4), small[0])
    assert content(open_records('twice')) == both  # nothing is taken away


def test_a_stopped_addition_leaves_the_records_usable_and_goes_on(photos, small, monkeypatch):
    together = converted(photos, 'whole', small)
    records = converted(photos, 'stopped', small[:1])
    before, rewrite, written = load(records, *SPLITS), add._rewrite, []

    def stop_at_third(records, addition, name, *rest):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(name)
        return rewrite(records, addition, name, *rest)

    monkeypatch.setattr(add, '_rewrite', stop_at_third)
    with pytest.raises(KeyboardInterrupt):
        add_bottlenecks(records, [small[1]])
    assert list(files.read_json(records.folder / ADDING)['done']) == written
    assert np.array_equal(load(open_records('stopped'), *SPLITS).values, before.values)

    written.clear()
    monkeypatch.setattr(add, '_rewrite', lambda *given: written.append(given[2]) or rewrite(*given))
    assert content(add_bottlenecks(records, [small[1]])) == content(together)
    assert written == records.manifest['shards'][2:]


def test_another_addition_does_not_go_on_with_a_stopped_one(photos, backbones, monkeypatch):
    """Both backbones are named small.pb, so the field is the same."""
    records = converted(photos, 'changed', backbones[:1])
    rewrite, last = add._rewrite, records.manifest['shards'][-1]
    monkeypatch.setattr(add, '_rewrite', lambda *given: 1 / 0 if given[2] == last else rewrite(*given))
    with pytest.raises(ZeroDivisionError):
        add_bottlenecks(records, [backbones[2]])
    monkeypatch.undo()
    together = converted(photos, 'wanted', backbones[:2])
    assert content(add_bottlenecks(records, [backbones[1]])) == content(together)


def test_a_picture_without_finite_bottleneck_is_left_out_and_listed(photos, small, monkeypatch):
    records = converted(photos, 'infinite', small[:1])
    computed, number = add.computed, sum(records.counts.values())

    def overflowing(*given):
        for row, vector in computed(*given):
            large = add.id_and_image(row[0])[0] == 'a/3.jpg'
            yield row, BadImage('its bottleneck is not finite') if large else vector

    monkeypatch.setattr(add, 'computed', overflowing)
    records = add_bottlenecks(records, [small[1]])
    assert sum(records.counts.values()) == number - 1
    assert 'a/3.jpg' not in load(records, *SPLITS).ids
    (remark,) = records.manifest['remarks']
    assert (remark['file'], remark['outcome']) == ('a/3.jpg', 'skipped')
    assert 'a/3.jpg,skipped' in paths.skipped('infinite').read_text()
    notes = [files.read_json(records.folder / note_name(name)) for name in records.manifest['shards']]
    assert sum(note['records'] for note in notes) == number - 1


def test_a_backbone_that_the_records_hold_is_not_added_again(photos, backbones, capsys):
    records = converted(photos, 'twice', backbones[:2])
    before = content(records)
    assert add_bottlenecks(records, [backbones[1]]).manifest == records.manifest
    assert 'twice holds bottlenecks of' in capsys.readouterr().out
    assert content(open_records('twice')) == before
    assert len(members(add_bottlenecks(records, backbones).manifest['backbone'])) == len(backbones)


def test_what_cannot_be_added_is_refused_in_one_line(photos, backbones):
    records = converted(photos, 'there', backbones[:2])
    before = content(records)
    with pytest.raises(UserError, match=r'small\.pb is given twice'):
        add_bottlenecks(records, [backbones[2], backbones[2]])
    assert content(open_records('there')) == before
    pictures = Job('pictures', photos, samples=image_folder_samples(photos))
    convert(pictures, None)
    with pytest.raises(UserError, match='holds pictures without bottlenecks'):
        add_bottlenecks(open_records('pictures'), [backbones[1]])


def test_a_damaged_shard_is_named(photos, small):
    records = converted(photos, 'damaged', small[:1])
    shard = records.folder / records.manifest['shards'][1]
    shard.write_bytes(shard.read_bytes()[:-7])
    with pytest.raises(UserError, match=rf'{shard.name} is missing or damaged'):
        add_bottlenecks(records, [small[1]])

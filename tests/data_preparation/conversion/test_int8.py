"""`--precision int8`: one .tflite model for each backbone, made once, beside the records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from src.common import consts, errors, files, paths
from src.common.errors import UserError
from src.data_preparation import image_folder_to_tfrecords
from src.data_preparation.class_folders import image_folder_samples
from src.data_preparation.conversion import add, calibration, int8
from src.data_preparation.conversion.add import ADDING, add_bottlenecks
from src.data_preparation.conversion.convert import convert
from src.data_preparation.conversion.job import Job
from src.data_preparation.samples import Planned
from src.data_preparation.splits import plan
from src.graph.backbones import Backbone, load_backbone
from src.graph.joined.facts import int8_of, members
from src.graph.joined.join import join_backbones
from src.graph.lite.interpreters import Interpreters
from src.images.reader import ImageReader
from src.records.backbone_words import backbone_words
from src.records.dataset import Records, load, open_records, pictures
from tests.data_preparation.photos import POCKET, put_classes
from tests.graph.several import several

pytest.importorskip('ai_edge_litert')

INT8 = ['--precision', 'int8']
SPLITS = (*consts.SPLITS,)


@pytest.fixture(scope='module')
def photos(tmp_path_factory) -> Path:
    folder = put_classes(tmp_path_factory.mktemp('photos'), {'a': 14, 'b': 14})
    (folder / 'a' / 'cut.jpg').write_bytes((folder / 'a' / '0.jpg').read_bytes()[:700])
    return folder


@pytest.fixture(scope='module')
def backbones(tmp_path_factory) -> list[Backbone]:
    return [load_backbone(path) for path in several(tmp_path_factory.mktemp('backbones'))]


@pytest.fixture(scope='module')
def small(backbones) -> list[Backbone]:
    """Those that are converted to int8 in a tenth of a second, and not in two."""
    return backbones[1:]


def job_of(photos: Path, name: str, **settings) -> Job:
    samples = image_folder_samples(photos)
    return Job(name, photos, samples=samples, shard_size=4, precision='int8', **settings)


def converted(photos: Path, name: str, backbones: list[Backbone], **settings) -> Records:
    convert(job_of(photos, name, **settings), join_backbones(backbones), overwrite=True)
    return open_records(name)


def content(records: Records) -> dict[str, bytes]:
    """Shards, models and the manifest, without the data set's name in that."""
    manifest = (records.folder / paths.MANIFEST).read_text().replace(f'"{records.folder.name}"', '""')
    held = [*records.manifest['shards'], *(one['file'] for one in models(records).values())]
    return {paths.MANIFEST: manifest.encode()} | {name: (records.folder / name).read_bytes() for name in held}


def models(records: Records) -> dict[str, dict]:
    return int8_of(records.manifest['backbone'])


def refuse(*_):
    raise AssertionError('a model is made again')


def test_bottlenecks_are_those_of_the_stored_model(photos, backbones):
    records = converted(photos, 'one', backbones[:1])
    ((sha256, model),) = models(records).items()
    assert sha256 == backbones[0].sha256 and model['sha256'] == files.sha256(records.folder / model['file'])
    assert model['file'] == f'{backbones[0].path.stem}.tflite'
    assert records.manifest['precision'] == 'int8' and model['photos'] == records.counts['train']
    reader = ImageReader(backbones[0].graph_def, backbones[0].preprocessing)
    network = Interpreters(records.folder / model['file'])
    held = load(records, 'train')
    pixels = np.stack([reader.read(data) for _, data in pictures(records, 'train')])
    assert np.array_equal(network.run(pixels), held.values)
    exact = replace(job_of(photos, 'exact'), precision='float32')
    convert(exact, backbones[0], overwrite=True)
    wanted = load(open_records('exact'), 'train')
    assert wanted.ids == held.ids
    moved = np.linalg.norm(held.values - wanted.values) / np.linalg.norm(wanted.values)
    assert 0 < moved < 0.25


def test_a_conversion_goes_on_with_the_very_same_model(photos, small, monkeypatch):
    records = converted(photos, 'halfway', small[:1])
    whole = content(records)
    manifest = files.read_json(records.folder / paths.MANIFEST)
    files.write_json(records.folder / paths.MANIFEST, manifest | {'complete': False})
    for shard in manifest['shards'][1:]:
        (records.folder / shard).unlink()
    monkeypatch.setattr(int8, 'int8_backbone', refuse)
    convert(job_of(photos, 'halfway'), small[0])
    assert content(open_records('halfway')) == whole


@pytest.mark.parametrize('places', ['outside', 'above', 'shard', 'folder'])
def test_a_manifest_that_names_a_model_elsewhere_is_refused(photos, small, tmp_path, places):
    records = converted(photos, 'elsewhere', small[:1])
    outside = tmp_path / 'mine.tflite'
    outside.write_bytes(b'mine')
    manifest = files.read_json(records.folder / paths.MANIFEST)
    file = {
        'outside': str(outside),
        'above': '../mine.tflite',
        'shard': manifest['shards'][0],
        'folder': r'a\mine.tflite',
    }[places]
    manifest['backbone']['int8']['file'] = file
    files.write_json(records.folder / paths.MANIFEST, manifest | {'complete': False})
    before = content(records)
    with pytest.raises(
        UserError, match=r'is not the name of a \.tflite file beside the records: .*overwrite'
    ):
        convert(job_of(photos, 'elsewhere'), small[0])
    assert content(records) == before and outside.read_bytes() == b'mine'


def test_a_conversion_that_was_stopped_before_its_first_shard_goes_on(photos, small, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    whole = content(converted(photos, 'uninterrupted', small[:1]))
    with monkeypatch.context() as stopped, pytest.raises(KeyboardInterrupt):
        stopped.setattr('src.data_preparation.conversion.convert.write_missing', stop)
        converted(photos, 'early', small[:1])
    noted = int8_of(files.read_json(paths.manifest('early'))['backbone'])
    assert files.sha256(paths.records('early') / noted[small[0].sha256]['file'])
    monkeypatch.setattr(int8, 'int8_backbone', refuse)
    convert(job_of(photos, 'early'), small[0])
    assert content(open_records('early')) == whole


@pytest.mark.parametrize('damage', [Path.unlink, lambda path: path.write_bytes(b'something else')])
def test_a_lost_model_is_made_again_if_it_is_the_same(photos, small, monkeypatch, damage):
    records = converted(photos, 'lost', small[:1])
    whole = content(records)
    damage(records.folder / f'{small[0].path.stem}.tflite')
    convert(job_of(photos, 'lost'), small[0])
    assert content(open_records('lost')) == whole
    damage(records.folder / f'{small[0].path.stem}.tflite')
    monkeypatch.setattr(calibration, 'PHOTOS', 2)  # another model
    with pytest.raises(UserError, match=r'tflite in .*lost is missing or has changed.*--overwrite'):
        convert(job_of(photos, 'lost'), small[0])


@pytest.mark.parametrize('mirrored, first', [(False, 1), (True, 0)])
def test_added_backbones_give_the_bytes_of_a_joint_conversion(photos, backbones, mirrored, first):
    """Of two small ones, and of all three with mirrored pictures."""
    taken = backbones[first:]
    together = converted(photos, 'together', taken, mirrored=mirrored)
    names = [f'{backbones[0].path.stem}.tflite', 'small.tflite', 'small_2.tflite']
    assert [one['file'] for one in models(together).values()] == names[first:]
    grown = converted(photos, 'grown', taken[:1])
    for backbone in taken[1:]:
        grown = add_bottlenecks(grown, [backbone])
    grown = add_bottlenecks(grown, mirrored=mirrored)
    assert content(grown) == content(together)
    if mirrored:
        held = load(grown, 'train', field=grown.bottlenecks(mirrored=True))
        assert np.abs(held.values[:, 0] - held.values[:, 1]).max() > 0.01


def test_a_stopped_addition_goes_on_with_the_same_model(photos, small, monkeypatch):
    together = content(converted(photos, 'whole', small))
    records, rewrite, written = converted(photos, 'stopped', small[:1]), add._rewrite, []

    def stop_at_third(records, addition, name, *rest):
        if len(written) == 2:
            raise KeyboardInterrupt
        written.append(name)
        return rewrite(records, addition, name, *rest)

    with monkeypatch.context() as stopped, pytest.raises(KeyboardInterrupt):
        stopped.setattr(add, '_rewrite', stop_at_third)
        add_bottlenecks(records, [small[1]])
    assert list(files.read_json(records.folder / ADDING)['done']) == written
    monkeypatch.setattr(int8, 'int8_backbone', refuse)
    assert content(add_bottlenecks(records, [small[1]])) == together


def test_the_photos_are_chosen_by_their_hashes(photos, small, monkeypatch):
    monkeypatch.setattr(calibration, 'PHOTOS', 6)
    records = converted(photos, 'few', small[:1])
    (model,) = models(records).values()
    assert model['photos'] == 6
    held = {data for _, data in pictures(records, 'train')}
    taken = list(calibration.recorded(records))
    assert len(taken) == 6 and set(taken) < held
    monkeypatch.setattr(calibration, 'CANDIDATES', 6)
    planned = calibration.chosen(planned_of(photos))
    assert {path.read_bytes() for path in (item.sample.path for item in planned)} >= set(taken)


def planned_of(photos: Path) -> Iterable[Planned]:
    return reversed(plan(image_folder_samples(photos))[0])


def test_other_precisions_are_other_records(photos, small):
    converted(photos, 'as_int8', small[:1])
    with pytest.raises(UserError, match=r'records of another precision \(int8\): add --overwrite'):
        convert(replace(job_of(photos, 'as_int8'), precision='float32'), small[0])


def test_the_command_to_repeat_a_conversion_names_int8(photos):
    image_folder_to_tfrecords.main([str(photos), '--name', 'repeated', *POCKET, *INT8])
    manifest = open_records('repeated').manifest
    assert backbone_words('image_folder_to_tfrecords', manifest)[-2:] == INT8
    assert members(manifest['backbone'])[0]['int8']['file'] == 'pocket.tflite'


def test_int8_without_training_photos(photos, small):
    samples = [replace(sample, split='test') for sample in image_folder_samples(photos)]
    before = content(converted(photos, 'untrained', small[:1]))
    job = replace(job_of(photos, 'untrained'), samples=samples)
    with pytest.raises(
        UserError, match=r'int8 is calibrated on training photos, and there are none for .*untrained'
    ):
        convert(job, small[0], overwrite=True)
    assert content(open_records('untrained')) == before  # nothing is deleted before the model is made


def test_int8_without_litert(photos, monkeypatch):
    monkeypatch.setattr(errors, 'missing_packages', lambda *packages: list(packages))
    with pytest.raises(UserError, match=r"ai_edge_litert is missing: run .*pip install .*'\.\[lite\]'"):
        image_folder_to_tfrecords.main([str(photos), '--name', 'without', *POCKET, *INT8])
    assert not paths.records('without').exists()

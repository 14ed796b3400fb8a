"""Converting the official archive to records of pictures."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest
from PIL import Image

from src.common import files, paths
from src.common.errors import UserError
from src.data_preparation import cifar10_to_tfrecords, image_folder_to_tfrecords
from src.data_preparation.cifar10_to_tfrecords import FOLDER, RECORD, TEST, batches_in, cifar10_samples
from src.records.dataset import load, open_records, pictures
from src.records.fields import pixels as pixel_field
from src.records.fields import reader_for
from tests.data_preparation.cifar import CLASSES, write_cifar
from tests.pictures import encoded, photo


@pytest.fixture
def official(tmp_path):
    return write_cifar(tmp_path / FOLDER)


def convert(*arguments) -> None:
    cifar10_to_tfrecords.main([*map(str, arguments)])


def test_records_hold_the_original_pixels(official):
    convert('--data', official, '--name', 'tiny_cifar', '--overwrite')
    records = open_records('tiny_cifar')
    assert records.classes == sorted(CLASSES)
    assert records.counts['test'] == 60 and sum(records.counts.values()) == 260
    assert records.counts['validation'] > 0
    wanted = np.frombuffer((official / TEST).read_bytes(), np.uint8).reshape(-1, RECORD)
    wanted = {f'test_batch/{i:05d}': row for i, row in enumerate(wanted)}
    held = load(records, 'test', field=pixel_field(reader_for(32)))
    assert held.values.shape == (60, 32, 32, 3) and held.values.dtype == np.uint8
    for id_, label, pixels in zip(held.ids, held.labels, held.values, strict=True):
        assert CLASSES[wanted[id_][0]] == records.classes[label]
        np.testing.assert_array_equal(pixels.transpose(2, 0, 1).ravel(), wanted[id_][1:])
    assert all(data.startswith(b'\x89PNG') for _, data in pictures(records, 'train'))


def test_the_archive_is_unpacked_beside_itself(official, tmp_path):
    archive = tmp_path / 'elsewhere' / 'cifar-10-binary.tar.gz'
    archive.parent.mkdir()
    with tarfile.open(archive, 'w:gz') as made:
        made.add(official, FOLDER)
    convert('--data', archive, '--name', 'packed_cifar')
    assert sum(open_records('packed_cifar').counts.values()) == 260
    assert (archive.parent / 'cifar-10-binary.tar.gz.unpacked' / FOLDER / TEST).exists()


def test_a_replaced_archive_is_unpacked_again(official, tmp_path):
    archive = tmp_path / 'cifar'  # without an ending its name could be its folder's
    for kept in (60, 40):
        data = (official / TEST).read_bytes()
        (official / TEST).write_bytes(data[: kept * RECORD])
        with tarfile.open(archive, 'w:gz') as made:
            made.add(official, FOLDER)
        for _ in range(2):  # the second time it is unpacked already
            samples = cifar10_samples(batches_in(archive))
            assert sum(sample.split == 'test' for sample in samples) == kept


@pytest.mark.parametrize('size', [0, 1, RECORD - 1, 12 * RECORD + 5])
def test_a_batch_of_the_wrong_size_is_refused(official, size):
    data = (official / 'data_batch_2.bin').read_bytes()
    (official / 'data_batch_2.bin').write_bytes(data[:size])
    with pytest.raises(UserError, match=r'data_batch_2.bin is cut short'):
        cifar10_samples(official)


def test_a_label_above_nine_is_refused_with_its_position(official):
    data = bytearray((official / TEST).read_bytes())
    data[7 * RECORD] = 10
    (official / TEST).write_bytes(data)
    with pytest.raises(UserError, match=r'test_batch.bin is damaged.*picture 8 has the label 10'):
        cifar10_samples(official)


@pytest.mark.parametrize('name', ['data_batch_5.bin', TEST, 'batches.meta.txt'])
def test_a_missing_file_is_refused(official, name):
    (official / name).unlink()
    with pytest.raises(UserError, match=f'{name}: run sh setup/download_cifar10.sh'):
        cifar10_samples(official)


def test_other_than_ten_class_names_are_refused(official):
    (official / 'batches.meta.txt').write_text('cat\ndog\n')
    with pytest.raises(UserError, match='names 2 classes, not 10'):
        cifar10_samples(official)


def test_records_of_pictures_have_no_bottlenecks(official):
    convert('--data', official, '--name', 'no_vectors')
    records = open_records('no_vectors')
    assert records.manifest['backbone'] is None and records.manifest['precision'] is None
    with pytest.raises(UserError, match=r'without bottlenecks: .*train_images --name no_vectors'):
        load(records, 'train')


def test_pictures_of_mixed_sizes_are_resized_to_one(tmp_path):
    sizes = [(20, 50), (64, 64), (33, 31), (128, 16)] * 3
    for number, (width, height) in enumerate(sizes):
        folder = tmp_path / 'photos' / 'ab'[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f'{number}.png').write_bytes(encoded(photo(width, height, seed=number), 'PNG'))
    (tmp_path / 'photos' / 'a' / 'broken.jpg').write_bytes(b'\xff\xd8\xff no picture')
    image_folder_to_tfrecords.main([str(tmp_path / 'photos'), '--name', 'mixed', '--no-backbone'])
    records = open_records('mixed')
    assert sum(records.counts.values()) == 12
    assert 'broken.jpg' in paths.skipped('mixed').read_text()
    splits = [split for split in ('train', 'validation', 'test') if records.counts.get(split)]
    held = load(records, *splits, field=pixel_field(reader_for(24)))
    assert held.values.shape == (12, 24, 24, 3)
    originals = dict(pair for split in splits for pair in pictures(records, split))
    for id_, pixels in zip(held.ids, held.values, strict=True):
        whole = np.asarray(Image.open(io.BytesIO(originals[id_])))
        # Resizing keeps the mean colour.
        np.testing.assert_allclose(pixels.mean((0, 1)), whole.mean((0, 1)), atol=6)


def test_the_same_command_goes_on_and_another_backbone_is_refused(official, tmp_path):
    convert('--data', official, '--name', 'again')
    shard = next(paths.records('again').glob('train-*.tfrecord'))
    before = shard.read_bytes()
    shard.unlink()
    convert('--data', official, '--name', 'again')
    assert shard.read_bytes() == before
    with pytest.raises(UserError, match=r'another backbone \(none\)'):
        convert('--data', official, '--name', 'again', '--backbone', paths.POCKET_GRAPH_DEF)
    assert files.read_json(paths.records('again') / 'manifest.json')['complete']

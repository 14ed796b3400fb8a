"""The layout of Stanford Dogs: annotations with boxes, and the official lists."""

from __future__ import annotations

import io
import os
import shutil

import numpy as np
import pytest
from PIL import Image

from src.common import consts, paths
from src.common.errors import UserError
from src.data_preparation import stanford_ds_to_tfrecords
from src.data_preparation.stanford_ds_to_tfrecords import TEST_LIST, parse_annotation, stanford_samples
from src.drawn_dogs.draw import draw_sample
from src.records.dataset import load, open_records, pictures
from src.records.manifest import NOT_USED
from tests.data_preparation.photos import POCKET, put, put_classes

VOC = (
    '<annotation><object><name>Moss_Terrier</name><bndbox><xmin>{}</xmin><ymin>{}</ymin>'
    '<xmax>{}</xmax><ymax>{}</ymax></bndbox></object></annotation>'
)


@pytest.fixture(scope='module')
def drawn(tmp_path_factory):
    folder = tmp_path_factory.mktemp('drawn')
    draw_sample(folder, per_class=2)
    return folder


@pytest.fixture
def small(tmp_path):
    """Two breeds of two photos without annotations."""
    put_classes(tmp_path / 'Images', {'n1-Pug': 2, 'n2-Boxer': 2})
    return tmp_path


def annotate(folder, photo: str, text: str | bytes):
    path = folder / 'Annotation' / photo
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def write_list(folder, names) -> None:
    """Write lists/test_list.mat in the format of the data set: a cell array of N rows and one column."""
    from scipy.io import savemat

    cells = np.empty((len(names), 1), object)
    cells[:, 0] = names
    (folder / 'lists').mkdir(exist_ok=True)
    savemat(folder / TEST_LIST, {'file_list': cells, 'labels': np.ones((len(names), 1))})


def convert(folder, name: str, *more: str):
    stanford_ds_to_tfrecords.main(['--data', str(folder), '--name', name, *POCKET, *more])
    return open_records(name)


def test_with_cropping_the_crop_is_recorded(drawn):
    records = convert(drawn, 'crops', '--crop-to-box')
    assert records.manifest['crop_to_box'] and records.manifest['remarks'] == []
    kept = {id_: data for split in records.counts for id_, data in pictures(records, split)}
    assert len(kept) == 16
    for id_, data in kept.items():
        _, box = parse_annotation((drawn / 'Annotation' / id_).with_suffix(''))
        xmin, ymin, xmax, ymax = box
        got = Image.open(io.BytesIO(data))
        assert got.size == (xmax - xmin, ymax - ymin)
        expected = Image.open(drawn / 'Images' / id_).crop(box)
        assert np.abs(np.asarray(got, float) - np.asarray(expected, float)).mean() < 6  # what JPEG costs


def test_without_cropping_the_file_itself_is_recorded(drawn):
    records = convert(drawn, 'whole')
    for id_, data in pictures(records, 'train'):
        assert data == (drawn / 'Images' / id_).read_bytes()
    with pytest.raises(UserError, match='another crop_to_box: add --overwrite'):
        convert(drawn, 'whole', '--crop-to-box')


def test_the_breed_comes_from_the_annotation_else_from_the_folder(small):
    annotate(small, 'n1-Pug/0', VOC.format(1, 2, 3, 4))
    samples, _ = stanford_samples(small)
    assert [(s.label, s.box) for s in samples] == [
        ('moss_terrier', (1, 2, 3, 4)), ('pug', None), ('boxer', None), ('boxer', None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ('text', 'fault'),
    [
        (b'no XML', 'syntax error'),
        (b'\xff\xfe\0junk', 'cannot be used'),
        ('<annotation/>', 'it names no object'),
        ('<annotation><object><name>pug</name></object></annotation>', 'it has no bounding box'),
        (VOC.format(1, 2, 3, 4) + ' ' * 1_000_000, 'bytes, above the limit of 1,000,000 (ANNOTATION_BYTES'),
        ('<!DOCTYPE a [<!ENTITY b "pug">]>' + VOC.format(1, 2, 3, 4), 'document type declaration'),
        ('<a>' * 300_000, 'cannot be used'),
        (VOC.format('a', 2, 3, 4), 'its bounding box is a, 2, 3, 4'),
        (VOC.format('inf', 2, 3, 4), 'its bounding box is inf, 2, 3, 4'),
        (VOC.format('nan', 2, 3, 4), 'its bounding box is nan, 2, 3, 4'),
        (VOC.format(30, 2, 30, 40), 'its bounding box is 30, 2, 30, 40'),
        (VOC.format(30, 50, 60, 40), 'its bounding box is 30, 50, 60, 40'),
    ],
)
def test_a_photo_with_an_invalid_annotation_is_kept(small, text, fault):
    annotate(small, 'n1-Pug/0', text)
    for other in ('n1-Pug/1', 'n2-Boxer/0', 'n2-Boxer/1'):
        annotate(small, other, VOC.format(1, 2, 3, 4))
    samples, [remark] = stanford_samples(small)
    assert (samples[0].label, samples[0].box, len(samples)) == ('pug', None, 4)
    assert remark.outcome == 'kept' and remark.file.endswith('n1-Pug/0.jpg')
    assert fault in remark.reason


def test_a_missing_annotation_is_listed_where_others_exist(small):
    assert stanford_samples(small)[1] == []
    annotate(small, 'n1-Pug/0', VOC.format(1, 2, 3, 4))
    assert len(stanford_samples(small)[1]) == 3


def test_boxes_are_clipped_to_the_picture_and_those_outside_it_skipped(small):
    annotate(small, 'n1-Pug/0', VOC.format(-20, -20, 5000, 30))  # photos are 96 wide and 64 high
    annotate(small, 'n1-Pug/1', VOC.format(100, 0, 150, 50))
    records = convert(small, 'boxes', '--crop-to-box')
    kept = {id_: data for split in records.counts for id_, data in pictures(records, split)}
    assert Image.open(io.BytesIO(kept['n1-Pug/0.jpg'])).size == (96, 30)
    skipped = [r for r in records.manifest['remarks'] if r['outcome'] == 'skipped']
    assert [r['file'].rpartition('/')[2] for r in skipped] == ['1.jpg']
    assert 'lies outside the picture of 96×64 pixels' in skipped[0]['reason']


def test_the_box_of_a_downscaled_photo_is_scaled_too(small, monkeypatch):
    annotate(small, 'n1-Pug/0', VOC.format(20, 10, 60, 50))
    monkeypatch.setattr(consts, 'PICTURE_BYTES', 96 * 64 * 15 - 1)
    records = convert(small, 'large', '--crop-to-box')
    kept = {id_: data for split in records.counts for id_, data in pictures(records, split)}
    assert Image.open(io.BytesIO(kept['n1-Pug/0.jpg'])).size == (20, 20)


@pytest.mark.skipif(not hasattr(os, 'mkfifo'), reason='the system has no named pipes')
def test_an_annotation_that_is_a_pipe_is_not_read(small):
    annotate(small, 'n1-Pug/1', VOC.format(1, 2, 3, 4))
    os.mkfifo(small / 'Annotation' / 'n1-Pug' / '0')
    reasons = {remark.file: remark.reason for remark in stanford_samples(small)[1]}
    pipe = reasons[str(small / 'Images' / 'n1-Pug' / '0.jpg')]
    assert 'cannot be used (a named pipe, not a file)' in pipe


def test_files_beside_the_breeds_are_listed(small):
    put(small / 'Images' / 'beside.jpg', 50)
    (small / 'Images' / 'n3-Empty').mkdir()
    records = convert(small, 'beside')
    assert records.classes == ['boxer', 'pug']
    assert [(r['file'].rpartition('/')[2], r['outcome']) for r in records.manifest['remarks']] == [
        ('beside.jpg', NOT_USED), ('n3-Empty', NOT_USED),
    ]  # fmt: skip


def test_cropping_without_any_box_is_refused(small):
    with pytest.raises(UserError, match=r'--crop-to-box: .*Annotation holds no boxes'):
        convert(small, 'nobox', '--crop-to-box')
    assert not paths.records('nobox').exists()


def test_the_official_list_decides_if_it_exists(drawn, tmp_path):
    folder = tmp_path / 'copy'
    shutil.copytree(drawn, folder)
    listed = sorted(p.relative_to(folder / 'Images').as_posix() for p in folder.glob('Images/*/*_0002.jpg'))
    write_list(folder, [*listed, 'n02085620-Chihuahua/n02085620_5927.jpg'])  # the whole set has more
    records = convert(folder, 'listed')
    assert records.manifest['split_by'] == 'official'
    assert sorted(load(records, 'test').ids) == listed
    assert sum(records.counts.values()) == 16
    convert(folder, 'listed', '--split', 'official')  # the same job, so it is taken as finished
    assert convert(folder, 'hashed', '--split', 'hash').manifest['split_by'] == 'hash'


def test_a_missing_damaged_or_unrelated_list_is_refused(small):
    from scipy.io import savemat

    with pytest.raises(UserError, match=r'there is no .*test_list.mat: .* --split hash'):
        convert(small, 'nolist', '--split', 'official')
    write_list(small, ['n1-Pug/0.jpg', 'n1-Pug/1.jpg'])
    whole = (small / TEST_LIST).read_bytes()
    for damaged in (whole[:200], whole[:-40], b'not a list', b''):
        (small / TEST_LIST).write_bytes(damaged)
        with pytest.raises(UserError, match=r'test_list.mat is no list of Stanford Dogs'):
            convert(small, 'nolist')
    (small / TEST_LIST).write_bytes(whole + bytes(1_000_000))
    with pytest.raises(UserError, match=r'bytes, above the limit of 1,000,000 \(ANNOTATION_BYTES'):
        convert(small, 'nolist')
    savemat(small / TEST_LIST, {'something': np.ones(3)})
    with pytest.raises(UserError, match=r'test_list.mat is no list of Stanford Dogs'):
        convert(small, 'nolist')
    write_list(small, ['n9-Cat/0.jpg', 'n9-Cat/1.jpg'])
    with pytest.raises(UserError, match='names none of the photos'):
        convert(small, 'nolist')


def test_a_custom_list_goes_before_the_official_one(small, tmp_path):
    write_list(small, ['n1-Pug/0.jpg', 'n2-Boxer/0.jpg'])
    (tmp_path / 'own.txt').write_text('Images/n1-Pug/1.jpg\n')
    own = ['--test-list', str(tmp_path / 'own.txt')]
    assert load(convert(small, 'own', *own), 'test').ids == ['n1-Pug/1.jpg']
    with pytest.raises(UserError, match='--test-list and --split exclude each other'):
        convert(small, 'own', *own, '--split', 'official')


def test_without_an_images_folder_the_error_says_how_to_get_one(tmp_path):
    put(tmp_path / 'pug' / '1.jpg', 1)
    with pytest.raises(UserError, match='holds no Images folder: run sh setup/'):
        convert(tmp_path, 'noimages')

"""Folders of links: what they hold, how they are updated, and what they leave alone."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from src.common import paths
from src.common.errors import UserError
from src.data_preparation import (
    cifar10_to_tfrecords,
    dogs_vs_cats_to_tfrecords,
    image_folder_to_tfrecords,
    kaggle_images_to_tfrecords,
    link_folders,
    links,
    stanford_ds_to_tfrecords,
)
from src.data_preparation.link_folders import folder_names
from src.records.dataset import labelled, open_records
from src.records.decisions import Decision, write_decisions
from tests.data_preparation.cifar import write_cifar
from tests.data_preparation.photos import put, put_classes
from tests.data_preparation.test_dogs_vs_cats import zipped


@pytest.fixture
def photos(tmp_path) -> Path:
    return put_classes(tmp_path / 'photos', {'cat': 30, 'dog': 30})


@pytest.fixture
def out(tmp_path) -> Path:
    return tmp_path / 'image'


def link(data: str | Path, out: Path, *flags: str) -> dict[str, Path]:
    link_folders.main([str(data), '--out', str(out), *flags])
    return content(out)


def content(out: Path) -> dict[str, Path]:
    """The files in the folder, with what they lead to."""
    return {path.relative_to(out).as_posix(): path.resolve() for path in out.glob('*/*/*')}


def expected(name: str, folder: Path) -> dict[str, Path]:
    """The same, from records."""
    records = open_records(name)
    return {
        f'img_{split}/{records.classes[label]}/{Path(id_).name}': folder / id_
        for split in records.counts
        for ids, labels, _ in labelled(records, [split], {}, 100)
        for id_, label in zip(ids, labels, strict=True)
    }


def review(tmp_path: Path, *decisions: Decision) -> list[str]:
    write_decisions(tmp_path / 'decisions.csv', 'pets', decisions)
    return ['--review', str(tmp_path / 'decisions.csv')]


def test_records_and_their_folder_give_the_same_links(photos, out, capsys):
    put(photos / 'dog' / 'copy.jpg', 0)  # as cat/0.jpg
    put(photos / 'dog' / 'same.jpg', 31)  # as dog/1.jpg
    image_folder_to_tfrecords.main([str(photos), '--name', 'linked', '--no-backbone'])
    made = link('linked', out)
    assert made == expected('linked', photos) and len(made) == 59
    assert all((out / path).is_symlink() for path in made)
    said = capsys.readouterr().out
    assert '59 symbolic links\n' in said and 'photos of 2 classes' in said
    assert link(photos, out.with_name('other')) == made


def test_keras_reads_them_and_a_review_counts(photos, out, tmp_path):
    from keras.utils import image_dataset_from_directory

    put(photos / 'cat' / 'tall.jpg', 900)
    whole = link(photos, tmp_path / 'whole')
    flags = review(tmp_path, Decision('cat/1.jpg', 'drop'), Decision('cat/tall.jpg', 'relabel', 'dog'))
    (dropped,) = (path for path in whole if path.endswith('cat/1.jpg'))
    (tall,) = (path for path in whole if path.endswith('cat/tall.jpg'))
    made = link(photos, out, *flags)
    assert made[tall.replace('cat', 'dog')] == photos / 'cat' / 'tall.jpg'
    assert made.keys() == whole.keys() - {dropped, tall} | {tall.replace('cat', 'dog')}
    read = image_dataset_from_directory(out / 'img_train', image_size=(8, 8), verbose=False)
    assert read.class_names == ['cat', 'dog']
    assert len(read.file_paths) == sum(path.startswith('img_train') for path in made)


def test_links_are_updated_and_nothing_else_is_touched(photos, out, tmp_path):
    link(photos, out)
    own = out / 'img_train' / 'cat' / 'mine.txt'
    own.write_text('mine')
    (photos / 'cat' / '3.jpg').unlink()
    put(photos / 'bird' / '1.jpg', 500)
    put(photos / 'bird' / '2.jpg', 501)
    made = link(photos, out)
    assert made.pop('img_train/cat/mine.txt') == own
    assert not [path for path in made if path.endswith('cat/3.jpg')]
    assert (out / 'img_test' / 'bird').is_dir()  # in every split, so that all number the classes alike
    shutil.rmtree(photos / 'bird')
    link(photos, out)
    assert not (out / 'img_test' / 'bird').exists() and own.read_text() == 'mine'
    shutil.rmtree(photos / 'cat')
    put(photos / 'ox' / '1.jpg', 600)
    link(photos, out)
    assert content(out)['img_train/cat/mine.txt'] == own


def test_what_is_in_the_way_stays_and_nothing_is_made(photos, out):
    path = next(iter(link(photos, out.with_name('other'))))
    mine = out / path
    mine.parent.mkdir(parents=True)
    mine.write_text('mine')
    with pytest.raises(UserError, match='is there already and was not made here'):
        link(photos, out)
    assert content(out) == {path: mine} and mine.read_text() == 'mine'
    mine.unlink()
    link(photos, out)
    mine.unlink()
    mine.write_text('mine')  # in the place of a link that was made
    with pytest.raises(UserError, match='is there already and was not made here'):
        link(photos, out)
    assert mine.read_text() == 'mine'


def test_nothing_is_written_outside_of_out(photos, out, tmp_path):
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    out.mkdir()
    (out / 'img_train').symlink_to(elsewhere)
    with pytest.raises(UserError, match=r'img_train is not a folder made here'):
        link(photos, out)
    (out / 'img_train').unlink()
    link(photos, out)
    notes = (out / links.LIST).read_text()
    victim = tmp_path / 'victim'
    victim.symlink_to(photos / 'cat' / '0.jpg')
    first = next(path for path in content(out) if path.endswith('/cat/0.jpg'))
    (out / links.LIST).write_text(notes.replace(f'"{first}"', '"../victim"'))
    (out / first).unlink()
    (photos / 'cat' / '0.jpg').unlink()
    link(photos, out)
    assert victim.is_symlink()
    with pytest.raises(UserError, match='is inside of the photos: choose a folder elsewhere'):
        link(photos, photos / 'image')


@pytest.mark.parametrize(
    'damage',
    [
        '{"links": ["a"], "folders": 3}',
        '{"links": {"img_train/x": null, "img_train/y": ["a", "b", "c"]}, "folders": [1, null]}',
        '[1]',
    ],
)
def test_a_damaged_list_is_none(photos, out, damage):
    """What was made is then not known: it stays, and new links are made where nothing is."""
    out.mkdir()
    (out / links.LIST).write_text(damage)
    assert len(link(photos, out)) == 60
    (out / links.LIST).write_text(damage)
    with pytest.raises(UserError, match='is there already and was not made here'):
        link(photos, out)


def refuse(number: int):
    def refused(*_):
        raise OSError(number, os.strerror(number))

    return refused


@pytest.mark.parametrize('kind', [links.HARD, links.COPY])
def test_where_symbolic_links_are_refused(photos, out, monkeypatch, capsys, kind):
    monkeypatch.setattr(os, 'symlink', refuse(errno.EPERM))
    if kind == links.COPY:
        monkeypatch.setattr(os, 'link', refuse(errno.EXDEV))
    made = link(photos, out)
    words = {links.HARD: '60 hard links', links.COPY: '60 copies'}[kind]
    assert f'{words} (symbolic links are not possible there)' in capsys.readouterr().out
    some = photos / 'cat' / '5.jpg'
    place = next(out / path for path in made if path.endswith('/cat/5.jpg'))
    assert place.samefile(some) == (kind == links.HARD) and place.read_bytes() == some.read_bytes()
    put(some, 700)  # a hard link follows
    (photos / 'dog' / '5.jpg').unlink()
    link(photos, out)
    assert any(path.endswith('/cat/5.jpg') for path in content(out))
    assert next(out.glob('*/cat/5.jpg')).read_bytes() == some.read_bytes()
    assert not list(out.glob('*/dog/5.jpg'))


def test_a_full_disk_is_an_error(photos, out, monkeypatch):
    monkeypatch.setattr(os, 'symlink', refuse(errno.ENOSPC))
    with pytest.raises(UserError, match='No space left on device'):
        link(photos, out)
    monkeypatch.undo()
    assert len(link(photos, out)) == 60


def test_an_interrupted_run_goes_on(photos, out, monkeypatch):
    real, calls = os.symlink, []

    def stopped(*args):
        calls.append(args)
        if len(calls) > 20:
            raise KeyboardInterrupt
        real(*args)

    monkeypatch.setattr(os, 'symlink', stopped)
    with pytest.raises(KeyboardInterrupt):
        link(photos, out)
    monkeypatch.undo()
    assert len(content(out)) == 20
    assert len(link(photos, out)) == 60


def test_photos_of_one_name_keep_their_folder_in_it(photos, out):
    put(photos / 'cat' / 'old' / '7.JPG', 800)
    made = link(photos, out)
    same = {path: goal for path, goal in made.items() if goal.name.lower() == '7.jpg' and '/cat/' in path}
    assert set(same.values()) == {photos / 'cat' / '7.jpg', photos / 'cat' / 'old' / '7.JPG'}


def test_names_of_classes_as_folders():
    odd = ['a/b', '..', 'con', 'great dane', 'x.']
    names = {'a/b': 'a_b', '..': '_', 'con': '_con', 'great dane': 'great dane', 'x.': 'x'}
    assert folder_names(odd) == names
    with pytest.raises(UserError, match='the classes a/b and a:b would have one folder: rename one of them'):
        folder_names(['a/b', 'a:b'])


def test_the_other_converters(tmp_path, out):
    breeds = put_classes(tmp_path / 'stanford' / 'Images', {'n1-Beagle': 4, 'n2-Pug': 4})
    stanford_ds_to_tfrecords.main(['--data', str(breeds.parent), '--name', 'stanford_few', '--no-backbone'])
    made = link('stanford_few', out / 'stanford')
    assert len(made) == 8 and {path.split('/')[1] for path in made} == {'beagle', 'pug'}

    for place in range(6):
        put(tmp_path / 'kaggle' / 'train' / f'a{place}.jpg', place)
    put(tmp_path / 'kaggle' / 'test' / 'b0.jpg', 50)
    rows = [f'a{place},{"pug" if place % 2 else "beagle"}' for place in range(6)]
    (tmp_path / 'kaggle' / 'labels.csv').write_text('\n'.join(['id,breed', *rows]) + '\n')
    kaggle_images_to_tfrecords.main(
        ['--data', str(tmp_path / 'kaggle'), '--name', 'kaggle_few', '--no-backbone', '--augment']
    )
    made = link('kaggle_few', out / 'kaggle')
    assert len(made) == 7 and 'img_unlabelled/unlabelled/b0.jpg' in made

    for place in range(4):
        put(tmp_path / 'cats' / 'train' / f'cat.{place}.jpg', place)
        put(tmp_path / 'cats' / 'train' / f'dog.{place}.jpg', 100 + place)
    archive = zipped(tmp_path / 'cats', tmp_path / 'train.zip')
    dogs_vs_cats_to_tfrecords.main(['--data', str(archive), '--name', 'cats_few', '--no-backbone'])
    made = link('cats_few', out / 'cats')
    assert len(made) == 8 and set(map(Path.exists, made.values())) == {True}
    archive.unlink()
    assert link('cats_few', out / 'cats') == made
    assert next(iter(made.values())).is_relative_to((paths.DATA_DIR / 'cats_few').resolve())

    cifar10_to_tfrecords.main(['--data', str(write_cifar(tmp_path / 'batches')), '--name', 'cifar_few'])
    with pytest.raises(UserError, match='the photos of cifar_few are not files on this machine'):
        link('cifar_few', out / 'cifar')


def test_data_that_is_not_there(tmp_path, out):
    with pytest.raises(UserError, match='there is no data set nowhere: to make it run'):
        link('nowhere', out)
    with pytest.raises(UserError):
        link(tmp_path / 'nowhere', out)
    assert not out.exists()


def test_photos_that_are_gone_are_counted(photos, out, capsys):
    image_folder_to_tfrecords.main([str(photos), '--name', 'gone', '--no-backbone'])
    (photos / 'cat' / '3.jpg').unlink()
    assert len(link('gone', out)) == 59
    assert '1 photo of the records without a file, the first is cat/3.jpg' in capsys.readouterr().out

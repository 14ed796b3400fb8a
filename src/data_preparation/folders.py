"""Which folders of a data set are its classes, and which are its splits.

    photos/daisy/1.jpg            the classes are the folders in photos/                     (`TOP`)
    photos/train/daisy/1.jpg      the classes are one level deeper, here in folders of splits (`INSIDE`)

Names and structure decide. Where both readings are possible, the user must choose. The functions here take
names only, so that they serve local disks and object stores.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from src.common.errors import UserError
from src.common.files import listed
from src.data_preparation.samples import LEARN

TOP, INSIDE = 'top', 'inside'
FLAG = '--class-folders'

# Names of split folders, and the words that are often added to them (training_set, testImages).
_WORDS = {
    'train': ('train', 'training', 'trn'),
    'validation': ('validation', 'validate', 'valid', 'val', 'dev', 'development'),
    'test': ('test', 'testing', 'tst', 'holdout'),
    'eval': ('eval', 'evaluation'),
}
_SPLITS = {word: split for split, words in _WORDS.items() for word in words}
_ADDED = r'(sets?|data|datasets?|images?|imgs?|photos?|pictures?|pics|splits?|folder|dir)*'
_NAME = re.compile(rf'({"|".join(sorted(_SPLITS, key=len, reverse=True))}){_ADDED}')
_PARTS = re.compile(r'[A-Z]?[a-z]+|[A-Z]+(?![a-z])')

Inner = Mapping[str, Collection[str]]  # the folders of the data set, each with the names of the folders in it


def read_layout(
    where: str, inner: Inner, has_pictures: Callable[[str], bool], choice: str | None = None
) -> dict[str, str | None] | None:
    """The folders that hold class folders, each with its split (None where a hash decides); or None, when
    the folders of the data set are themselves the classes.

    where: the data set, for messages
    has_pictures: whether there is a picture anywhere below a folder of this name
    choice: TOP, INSIDE or None
    Raises UserError when the folders can be read in two ways and there is no choice.
    """
    if choice == TOP or not inner:
        return None
    if choice == INSIDE:
        if not any(inner.values()):
            raise UserError(f'{where}: {FLAG} {INSIDE}, but its folders hold no folders: use {FLAG} {TOP}')
        return _assigned({name: split_called(name) for name, folders in inner.items() if folders})
    if any(inner.values()):  # folders without pictures do not count
        inner = {name: folders for name, folders in inner.items() if has_pictures(name)}
    named = {name: split for name in inner if (split := split_called(name))}
    if _all_share_classes(inner):
        named |= {name: split for name in inner if (split := _split_mentioned(name))}
    if not any(split == 'train' and inner[name] for name, split in named.items()):
        if _all_share_classes(inner) or _look_like_splits(inner, named):
            raise _two_readings(where, inner, {})
        return None
    if len(named) < len(inner) or not _agree(inner, named):
        raise _two_readings(where, inner, named)
    return _assigned({name: split for name, split in named.items() if inner[name]})


def split_called(name: str) -> str | None:
    """'train', 'validation', 'test' or 'eval' for a folder whose whole name means it, else None."""
    found = _NAME.fullmatch(re.sub(r'[\W_\d]+', '', name.lower()))
    return _SPLITS[found[1]] if found else None


def _split_mentioned(name: str) -> str | None:
    """The split that is one of the words in a folder's name (seg_train), else None."""
    found = {_SPLITS.get(part.lower()) for part in _PARTS.findall(name)} - {None}
    return found.pop() if len(found) == 1 else None


def _assigned(named: Mapping[str, str | None]) -> dict[str, str | None]:
    """The folders with the splits of their samples.

    Without a folder for validation, a hash takes that split from the training folder (`LEARN`). An eval
    folder is the validation split, or the test split when there is another folder for validation. Where some
    folders are named after splits, the others belong to training.
    """
    splits = set(named.values()) - {None}
    if not splits:
        return dict.fromkeys(named)
    evaluated = 'test' if 'validation' in splits and 'test' not in splits else 'validation'
    settled = {name: evaluated if split == 'eval' else split or 'train' for name, split in named.items()}
    train = 'train' if 'validation' in settled.values() else LEARN
    return {name: train if split == 'train' else split for name, split in settled.items()}


def _all_share_classes(inner: Inner) -> bool:
    """Whether there are several folders, and all hold the same two or more folders."""
    sets = {frozenset(folders) for folders in inner.values()}
    return len(inner) > 1 and len(sets) == 1 and len(sets.pop()) > 1


def _look_like_splits(inner: Inner, named: Mapping[str, str]) -> bool:
    """Whether there are several folders, all named after splits, one of them after training."""
    return len(inner) > 1 and len(named) == len(inner) and 'train' in named.values()


def _agree(inner: Inner, named: Mapping[str, str]) -> bool:
    """Whether each split that holds folders has one of the same name as the training split."""
    train = {folder for name, split in named.items() if split == 'train' for folder in inner[name]}
    return all(train & set(inner[name]) for name in named if inner[name])


def _two_readings(where: str, inner: Inner, named: Mapping[str, str]) -> UserError:
    """The error that describes both readings and how to choose one."""
    inside = sorted({folder for folders in inner.values() for folder in folders})
    splits = [name for name in named if inner[name]]
    unused = [name for name in inner if not inner[name]]
    if not inside:
        return UserError(
            f'{where}: its folders ({listed(sorted(inner))}) are named like splits but hold no folders: put '
            f'the photos of each class in a folder there, or, if these are the classes, add {FLAG} {TOP}'
        )
    classes = f'classes {listed(inside)}'
    if splits:
        classes += f', split by the folders {listed(splits)}'
    if unused:
        classes += f', without {listed(unused)}'
    return UserError(
        f'{where} can be read in two ways: its folders are the classes ({listed(sorted(inner))}): add '
        f'{FLAG} {TOP}; or the folders inside them are ({classes}): add {FLAG} {INSIDE}'
    )

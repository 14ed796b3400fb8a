"""Which folders of a data set are its classes, and which are its splits.

    photos/daisy/1.jpg            classes are the folders in photos/                      (`TOP`)
    photos/train/daisy/1.jpg      classes are the folders inside its folders, here splits (`INSIDE`)

Names and structure decide. Where both readings are possible neither is taken: the user chooses.
Only names are looked at here, so that a disk and an object store are read alike.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

from src.common.errors import UserError
from src.common.files import listed

TOP, INSIDE = 'top', 'inside'
FLAG = '--class-folders'

# Words that people call their splits, with those that they add to them (training_set, testImages).
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

Inner = Mapping[str, Collection[str]]  # the folders in the data set's folder, each with the folders in it


def read_layout(
    where: str, inner: Inner, has_pictures: Callable[[str], bool], choice: str | None = None
) -> dict[str, str | None] | None:
    """None where the folders of the data set `where` are its classes. Where the classes are inside those:
    each of these with its split, or with None where a hash decides.

    `has_pictures` tells whether there is a picture anywhere in a folder; `choice` is TOP, INSIDE or None.
    Raises UserError when there are two readings and no choice.
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
    """'train', 'validation', 'test' or 'eval' where a folder's name says so and nothing else."""
    found = _NAME.fullmatch(re.sub(r'[\W_\d]+', '', name.lower()))
    return _SPLITS[found[1]] if found else None


def _split_mentioned(name: str) -> str | None:
    """The same for a name that also says something else (seg_train)."""
    found = {_SPLITS.get(part.lower()) for part in _PARTS.findall(name)} - {None}
    return found.pop() if len(found) == 1 else None


def _assigned(named: Mapping[str, str | None]) -> dict[str, str | None]:
    """The folders with the splits of their samples. Without a folder of its own the validation split is cut
    from training ('learn'). An eval folder is the validation split, or the test split beside another one for
    validation. A folder that is not called after a split belongs to training, among folders that are."""
    splits = set(named.values()) - {None}
    if not splits:
        return dict.fromkeys(named)
    evaluated = 'test' if 'validation' in splits and 'test' not in splits else 'validation'
    settled = {name: evaluated if split == 'eval' else split or 'train' for name, split in named.items()}
    learn = 'train' if 'validation' in settled.values() else 'learn'
    return {name: learn if split == 'train' else split for name, split in settled.items()}


def _all_share_classes(inner: Inner) -> bool:
    """Whether several folders hold the same folders, of which there are several."""
    sets = {frozenset(folders) for folders in inner.values()}
    return len(inner) > 1 and len(sets) == 1 and len(sets.pop()) > 1


def _look_like_splits(inner: Inner, named: Mapping[str, str]) -> bool:
    """Whether all folders are called after splits, one of them after training."""
    return len(inner) > 1 and len(named) == len(inner) and 'train' in named.values()


def _agree(inner: Inner, named: Mapping[str, str]) -> bool:
    """Whether each split that holds folders shares some with the training split."""
    train = {folder for name, split in named.items() if split == 'train' for folder in inner[name]}
    return all(train & set(inner[name]) for name in named if inner[name])


def _two_readings(where: str, inner: Inner, named: Mapping[str, str]) -> UserError:
    """The error that names both readings and how to choose one."""
    inside = sorted({folder for folders in inner.values() for folder in folders})
    splits = [name for name in named if inner[name]]
    unused = [name for name in inner if not inner[name]]
    if not inside:
        return UserError(
            f'{where}: its folders ({listed(sorted(inner))}) are called like splits but hold no folders: put '
            f'the photos of each class in a folder there, or, if these are the classes, add {FLAG} {TOP}'
        )
    told = f'classes {listed(inside)}'
    if splits:
        told += f', split by the folders {listed(splits)}'
    if unused:
        told += f', and nothing of {listed(unused)}'
    return UserError(
        f'{where} can be read in two ways: its folders are the classes ({listed(sorted(inner))}): add '
        f'{FLAG} {TOP}; or the folders inside them are ({told}): add {FLAG} {INSIDE}'
    )

"""Photos of a data set or a folder: to calibrate int8 on, and to compare an exported model with its graph."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from src.common import consts, paths
from src.common.ahead import ahead
from src.common.errors import UserError
from src.images.faults import BadImage, or_fault
from src.images.files import pictures_below, read_picture
from src.images.reader import ImageReader
from src.records.dataset import Records, labelled, number_of, open_records
from src.records.fields import encoded_image
from src.records.manifest import manifest_of
from src.scoring.kinds import TRAINING, kind_of_score, learned_from

# Photos to calibrate int8 on. With 25, 100 and 400 the bottlenecks of MobileNet V2 moved by 6.2, 6.4 and
# 6.9 % of their length, as rare values widen the ranges. 98.0, 98.0 and 98.1 % of 1,224 dog photos kept their
# class.
CALIBRATION = 100
MOST_CHECKED = 2000
UNKNOWN = -1  # the label of a photo in a folder
AHEAD = 32  # photos that are decoded ahead


class Photo(NamedTuple):
    """An encoded picture, or the path of one; and the place of its class in the labels."""

    name: str
    picture: bytes | str
    label: int


@dataclass
class Photos:
    """Photos in two lists, which need not differ.

    folder: that they are from, and `what` they are, in words.
    number: how many `checked` has.
    skipped: fills, as they are read, with the reason for each that cannot be read, by its name.
    """

    folder: Path
    what: str
    calibration: Iterable[Photo]
    checked: Iterable[Photo]
    number: int
    skipped: dict[str, str] = field(default_factory=dict)

    def pixels(self, photos: Iterable[Photo], reader: ImageReader) -> Iterator[tuple[np.ndarray, int]]:
        """The pixels [height, width, 3] float32 and the label of each photo that can be read, decoded by as
        many threads as there are cores."""

        def read(photo: Photo) -> tuple[Photo, np.ndarray | BadImage]:
            return photo, or_fault(_read, reader, photo)

        for photo, pixels in ahead(read, photos, AHEAD, os.cpu_count() or 1):
            if isinstance(pixels, BadImage):
                self.skipped[photo.name] = str(pixels)
            else:
                yield pixels, photo.label


def _read(reader: ImageReader, photo: Photo) -> np.ndarray:
    data = photo.picture
    if isinstance(data, str):
        try:
            data = read_picture(data)
        except OSError as error:
            raise BadImage(f'cannot be read: {error.strerror}') from error
    return reader.read(data)


def find_photos(given: str | None, info: Mapping[str, Any], labels: Sequence[str]) -> Photos:
    """The photos of a data set or folder `given`, or else of the data set that a model was trained on.

    info, labels: `model_info` and class names of the model. Photos that it was not trained on are checked, if
    there are any.

    Raises UserError when there are no photos.
    """
    if given and Path(given).is_dir() and not manifest_of(given):
        return _of_folder(Path(given))
    name = given or info.get('data_set')
    give = 'give --calibration NAME of a data set, or a FOLDER of photos like those to be classified'
    if not name:
        raise UserError(f'photos are needed to check the model on, as it belongs to no data set: {give}')
    if not manifest_of(name):
        whose = 'there is neither a data set nor a folder' if given else 'the model was trained on'
        raise UserError(f'{whose} {name}{"" if given else ", which is not converted here"}: {give}')
    return _of_records(open_records(name), info, labels)


def _of_records(records: Records, info: Mapping[str, Any], labels: Sequence[str]) -> Photos:
    held = [split for split in consts.SPLITS if records.counts.get(split)]
    if not held:
        raise UserError(f'{paths.shown(records.folder)} holds no photos')
    own = info.get('data_set') == records.folder.name
    learned = learned_from(info) if own else []
    checked = [split for split in reversed(held) if split not in learned] or held
    training = kind_of_score(checked, learned) == TRAINING
    return Photos(
        records.folder,
        'training photos' if training else f'{" and ".join(checked)} photos',
        _Recorded(records, held, CALIBRATION, False),
        _Recorded(records, checked, MOST_CHECKED, records.classes == list(labels)),
        min(MOST_CHECKED, number_of(records, checked)),
    )


@dataclass(frozen=True)
class _Recorded:
    """The first photos of some splits of records: the hashes of the photos decided on their order."""

    records: Records
    splits: Sequence[str]
    most: int
    with_labels: bool

    def __iter__(self) -> Iterator[Photo]:
        return islice(self._all(), self.most)

    def _all(self) -> Iterator[Photo]:
        image = {consts.IMAGE_RAW_FIELD: encoded_image()}
        for ids, labels, fields in labelled(self.records, self.splits, image, AHEAD):
            for id_, label, data in zip(ids, labels, fields[consts.IMAGE_RAW_FIELD], strict=True):
                yield Photo(id_, data, int(label) if self.with_labels else UNKNOWN)


def _of_folder(folder: Path) -> Photos:
    """The photos below a folder: those to calibrate on are spread over its classes, and the others are
    checked; if there are no more, the same."""
    try:
        found, _ = pictures_below(folder)
    except OSError as error:
        raise UserError(f'cannot read {paths.shown(folder)}: {error.strerror}') from error
    if not found:
        raise UserError(f'{paths.shown(folder)} holds no pictures')
    found.sort()
    calibration = _spread(found, CALIBRATION)
    others = sorted({*found} - {*calibration})
    checked = _spread(others or found, MOST_CHECKED)
    photo = partial(map, lambda path: Photo(paths.shown(path), path, UNKNOWN))
    return Photos(folder, 'photos', [*photo(calibration)], [*photo(checked)], len(checked))


def _spread(found: Sequence[str], most: int) -> list[str]:
    """At most so many of some paths, at equal distances."""
    places = np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int)
    return [found[place] for place in places]

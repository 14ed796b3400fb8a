"""Stanford Dogs to TFRecords with cached bottlenecks.

    python -m src.data_preparation.stanford_ds_to_tfrecords

Reads the photos in data/stanford_ds/Images and the annotations in data/stanford_ds/Annotation (breed and
bounding box; the folder's name is the breed of a photo without one), and writes data/records/stanford/.
The official lists decide the test split if lists.tar was unpacked, otherwise a hash of each photo's bytes
does. Files that are not used or cannot be read are listed in metrics/<name>_skipped.csv. Stop it at any
time: the same command goes on where it was.
"""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from src.common import consts, errors, paths
from src.common.errors import UserError
from src.data_preparation.class_folders import image_folder_samples
from src.data_preparation.conversion.command import add_test_list, added, converter_parser, run
from src.data_preparation.folders import TOP
from src.data_preparation.samples import LEARN, Box, Sample, Unused
from src.images.faults import BadImage
from src.images.files import open_regular
from src.records.manifest import Remark

TEST_LIST = Path('lists', 'test_list.mat')


def stanford_samples(folder: Path, official_split: bool = False) -> tuple[list[Sample], list[Remark]]:
    """Every photo below `folder`/Images with its breed, and its bounding box where there is an annotation.

    Returns the samples, and remarks on annotations that are missing or invalid. Raises UserError when there
    are no photos, or no list for the official split.
    """
    images = folder / 'Images'
    if not images.is_dir():
        raise UserError(
            f'{paths.shown(folder)} holds no Images folder: run sh setup/download_stanford_dogs_dataset.sh, '
            'or draw a small set with python -m src.drawn_dogs.draw'
        )
    samples, remarks = [], []
    annotated = (folder / 'Annotation').is_dir()
    for sample in image_folder_samples(images, TOP):
        if isinstance(sample.path, Unused):
            samples.append(sample)
            continue
        breed, box, fault = breed_of_folder(sample.label), None, ''
        path = folder / 'Annotation' / Path(sample.id).with_suffix('')
        try:
            breed, box = parse_annotation(path)
        except FileNotFoundError:
            fault = 'is missing' if annotated else ''
        except (ElementTree.ParseError, ValueError, OSError, BadImage) as error:
            fault = f'cannot be used ({error})'
        if fault:
            reason = f'annotation {paths.shown(path)} {fault}: used the folder name and no box'
            remarks.append(Remark(paths.shown(sample.path), 'kept', reason))
        samples.append(replace(sample, label=breed, box=box))
    return (_official_split(samples, folder / TEST_LIST) if official_split else samples), remarks


def breed_of_folder(name: str) -> str:
    """The breed in a folder name, as annotations spell it: 'chihuahua' for 'n02085620-Chihuahua'."""
    return name.partition('-')[2].lower() or name.lower()


class _NoEntities(ElementTree.TreeBuilder):
    """Refuses a document type declaration, in which XML defines entities: some nested ones expand to
    gigabytes."""

    def doctype(self, *_) -> None:
        raise ValueError('it has a document type declaration (DOCTYPE), which annotations do not need')


def parse_annotation(path: Path) -> tuple[str, Box]:
    """Breed and bounding box (xmin, ymin, xmax, ymax) of the first dog in an annotation.

    Raises FileNotFoundError, ElementTree.ParseError for invalid XML, ValueError for missing or invalid
    values, a file that is too large and a DOCTYPE, BadImage for a pipe or a device.
    """
    dog = ElementTree.XML(_read(path), ElementTree.XMLParser(target=_NoEntities())).find('object')
    name = dog.findtext('name') if dog is not None else None
    if not name:
        raise ValueError('it names no object')
    edges = [dog.findtext(f'bndbox/{edge}') for edge in ('xmin', 'ymin', 'xmax', 'ymax')]
    if None in edges:
        raise ValueError('it has no bounding box')
    try:
        xmin, ymin, xmax, ymax = (int(float(edge)) for edge in edges)
    except (ValueError, OverflowError):  # not a number, or infinity
        xmin = ymin = xmax = ymax = 0
    if xmin >= xmax or ymin >= ymax:
        raise ValueError(f'its bounding box is {", ".join(edges)}')
    return name.strip().lower(), (xmin, ymin, xmax, ymax)


def _read(path: Path) -> bytes:
    """The bytes of a file. Raises FileNotFoundError, ValueError for a file that is too large, BadImage for a
    pipe or a device."""
    with open_regular(path) as stream:
        data = stream.read(consts.ANNOTATION_BYTES + 1)
        if len(data) > consts.ANNOTATION_BYTES:
            raise ValueError(
                f'it has {os.fstat(stream.fileno()).st_size:,} bytes, above the limit of '
                f'{consts.ANNOTATION_BYTES:,} (ANNOTATION_BYTES in src/common/consts.py)'
            )
    return data


def _official_split(samples: list[Sample], path: Path) -> list[Sample]:
    """The photos in the list become the test split; a hash splits the others into training and validation."""
    test = _mat_list(path)
    if not any(s.id in test for s in samples):
        raise UserError(f'{paths.shown(path)} names none of the photos: use --split hash')
    return [replace(s, split='test' if s.id in test else LEARN) for s in samples]


def _mat_list(path: Path) -> set[str]:
    """The file names in a list of the data set, relative to Images/. Raises UserError."""
    from scipy.io import loadmat  # takes a second to import, and only this needs it

    try:
        cells = loadmat(io.BytesIO(_read(path)))['file_list'].ravel()
        return {str(cell.item()) for cell in cells}
    except FileNotFoundError as error:
        raise UserError(
            f'there is no {paths.shown(path)}: run sh setup/download_stanford_dogs_dataset.sh, '
            'or use --split hash'
        ) from error
    except Exception as error:  # scipy raises many exceptions for damaged files
        raise UserError(
            f'{paths.shown(path)} is no list of Stanford Dogs ({error}): use --split hash'
        ) from error


def main(argv: list[str] | None = None) -> None:
    made = converter_parser(
        'stanford_ds_to_tfrecords', __doc__, data='folder with Images/, and Annotation/ and lists/ if present'
    )
    made.add_argument(
        '--split',
        choices=('official', 'hash'),
        help="what decides the test split (default: official where the data set's lists are, else hash)",
    )
    made.add_argument(
        '--crop-to-box', action='store_true', help='crop each photo to the annotated dog before the backbone'
    )
    add_test_list(made)
    args = made.parse_args(argv)
    if added(args):
        return
    official = (args.data / TEST_LIST).exists() and not args.test_list
    split = args.split or ('official' if official else 'hash')
    if args.test_list and args.split:
        raise UserError('--test-list and --split exclude each other')
    samples, remarks = stanford_samples(args.data, split == 'official')
    if args.crop_to_box and not any(sample.box for sample in samples):
        raise UserError(
            f'--crop-to-box: {paths.shown(args.data / "Annotation")} holds no boxes for these photos'
        )
    run(args, samples, remarks, split_by=split, crop_to_box=args.crop_to_box)


if __name__ == '__main__':
    errors.run(main)

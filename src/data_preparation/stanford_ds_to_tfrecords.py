"""Stanford Dogs to TFRecords with cached bottlenecks.

    python -m src.data_preparation.stanford_ds_to_tfrecords

Reads data/stanford_ds/Images and Annotation/ (the breed and the dog's bounding box; the folder's
name stands in for a missing annotation) and writes data/records/stanford/. The official lists, if
lists.tar was unpacked, say which photos are the test split; otherwise a hash of the image's bytes
does. What is not used or cannot be read is listed in metrics/<name>_skipped.csv. Stop it at any time:
the same command goes on where it was.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

from src.common import cli, errors, paths
from src.common.errors import UserError
from src.data_preparation.conversion.command import add_conversion_flags, add_test_list, run
from src.data_preparation.conversion.convert import Job
from src.data_preparation.folders import TOP
from src.data_preparation.image_folder_to_tfrecords import image_folder_samples
from src.data_preparation.samples import Box, Sample, Unused
from src.images.faults import BadImage
from src.images.files import open_regular
from src.records.manifest import Remark

TEST_LIST = Path('lists', 'test_list.mat')


def stanford_samples(folder: Path, official_split: bool = False) -> tuple[list[Sample], list[Remark]]:
    """Every photo below `folder`/Images with its breed, and its box where there is an annotation.

    Returns samples, and remarks on annotations that are missing or cannot be used. Raises UserError
    when there are no photos, or no lists for the official split.
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
            reason = f'annotation {paths.shown(path)} {fault}: took the folder name and no box'
            remarks.append(Remark(paths.shown(sample.path), 'kept', reason))
        samples.append(replace(sample, label=breed, box=box))
    return (_officially_split(samples, folder / TEST_LIST) if official_split else samples), remarks


def breed_of_folder(name: str) -> str:
    """'n02085620-Chihuahua' is 'chihuahua'; the annotations name the same breeds."""
    return name.partition('-')[2].lower() or name.lower()


def parse_annotation(path: Path) -> tuple[str, Box]:
    """Breed and box (xmin, ymin, xmax, ymax) of the first dog in an annotation.

    Raises FileNotFoundError, ElementTree.ParseError when it is no XML, ValueError when something is
    missing, BadImage for a pipe or a device.
    """
    with open_regular(path) as stream:
        dog = ElementTree.parse(stream).getroot().find('object')
    name = dog.findtext('name') if dog is not None else None
    if not name:
        raise ValueError('it names no object')
    edges = [dog.findtext(f'bndbox/{edge}') for edge in ('xmin', 'ymin', 'xmax', 'ymax')]
    if None in edges:
        raise ValueError('it has no bounding box')
    try:
        xmin, ymin, xmax, ymax = (int(float(edge)) for edge in edges)
    except (ValueError, OverflowError):  # no number, and infinity
        xmin = ymin = xmax = ymax = 0
    if xmin >= xmax or ymin >= ymax:
        raise ValueError(f'its bounding box is {", ".join(edges)}')
    return name.strip().lower(), (xmin, ymin, xmax, ymax)


def _officially_split(samples: list[Sample], path: Path) -> list[Sample]:
    """Test is what the list names; the rest is cut into training and validation by hash."""
    test = _mat_list(path)
    if not any(s.id in test for s in samples):
        raise UserError(f'{paths.shown(path)} names none of the photos: use --split hash')
    return [replace(s, split='test' if s.id in test else 'learn') for s in samples]


def _mat_list(path: Path) -> set[str]:
    from scipy.io import loadmat  # a second's import that nobody else needs

    try:
        cells = loadmat(str(path))['file_list'].ravel()
        return {str(cell.item()) for cell in cells}
    except FileNotFoundError as error:
        raise UserError(
            f'there is no {paths.shown(path)}: run sh setup/download_stanford_dogs_dataset.sh, '
            'or use --split hash'
        ) from error
    except Exception as error:  # scipy raises many kinds for a damaged file
        raise UserError(
            f'{paths.shown(path)} is no list of Stanford Dogs ({error}): use --split hash'
        ) from error


def main(argv: list[str] | None = None) -> None:
    made = cli.parser('src.data_preparation.stanford_ds_to_tfrecords', __doc__)
    cli.add_name(made)
    made.add_argument(
        '--data',
        type=Path,
        metavar='DIR',
        default=paths.STANFORD_DS_DIR,
        help=f'folder with Images/, and Annotation/ and lists/ if there (default: '
        f'{paths.shown(paths.STANFORD_DS_DIR)})',
    )
    made.add_argument(
        '--split',
        choices=('official', 'hash'),
        help="which photos are the test split (default: official where the data set's lists are, else hash)",
    )
    made.add_argument(
        '--crop-to-box', action='store_true', help='crop each photo to the annotated dog before the backbone'
    )
    add_test_list(made)
    add_conversion_flags(made)
    args = made.parse_args(argv)
    listed = (args.data / TEST_LIST).exists() and not args.test_list
    split = args.split or ('official' if listed else 'hash')
    if args.test_list and args.split:
        raise UserError('--test-list and --split exclude each other')
    samples, remarks = stanford_samples(args.data, split == 'official')
    if args.crop_to_box and not any(sample.box for sample in samples):
        raise UserError(
            f'--crop-to-box: {paths.shown(args.data / "Annotation")} holds no boxes for these photos'
        )
    run(Job(args.name, args.data, samples, remarks, split, args.crop_to_box), args)


if __name__ == '__main__':
    errors.run(main)

"""A folder of links for other tools: the photos of a data set in a folder for each split and class.

    python -m src.data_preparation.link_folders cats_dogs --out image
    python -m src.data_preparation.link_folders photos --out image --review metrics/photos/decisions.csv

    image/img_train/cat/cat.0.jpg -> data/cats_dogs/train/cat.0.jpg
    image/img_validation/cat/...

Keras (flow_from_directory, image_dataset_from_directory) and torchvision (ImageFolder) read image/img_train.
Names a data set that was converted, whose records tell splits and labels, or a folder of class folders, which
is split as its conversion would split it. Every split has a folder for every class, so that all tools number
the classes alike. --review leaves photos out and changes labels as the converters do.

Photos are not copied where the system allows links: symbolic ones, else hard ones. Run the command again to
update the links; files in --out that it did not make are never changed.
"""

from __future__ import annotations

import argparse
import os
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path

from src.common import cli, consts, errors, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.locks import at_work
from src.common.progress import say, wrote
from src.data_preparation import links
from src.data_preparation.class_folders import image_folder_samples
from src.data_preparation.conversion.job import Job
from src.data_preparation.conversion.planning import planned_by
from src.data_preparation.conversion.reviewed import Review, apply, check, read_review, summary
from src.data_preparation.dogs_vs_cats_to_tfrecords import samples_of
from src.data_preparation.folders import FLAG, INSIDE, TOP
from src.data_preparation.kaggle_images_to_tfrecords import kaggle_samples
from src.data_preparation.samples import Planned, Sample, Unused
from src.records.dataset import Records, labelled, open_records
from src.records.manifest import ALL_SPLITS, source_of
from src.records.next_commands import require_known

PREFIX = 'img_'  # of the folders of the splits
_RESERVED = re.compile(r'(con|prn|aux|nul|com\d|lpt\d)(\..*)?', re.IGNORECASE)  # on Windows


def photos_of_records(records: Records, review: Review | None) -> list[Planned]:
    """The photos of a data set that was converted from files, with their paths, splits and labels, and with
    the decisions of a review. Raises UserError if there are no such files."""
    samples = {sample.id: sample for sample in _listed(records) if not isinstance(sample.path, Unused)}
    if review:
        check(review, list(samples.values()), source_of(records.manifest))
    found, missing = [], []
    for split in records.counts:
        for ids, labels, _ in labelled(records, [split], {}, 1000):
            for id_, label in zip(ids, labels, strict=True):
                if id_.rpartition('~')[2] in records.manifest['copies']:  # an augmented copy has no file
                    continue
                name = records.classes[label] if label >= 0 else None
                if id_ in samples:
                    found.append(Planned(Sample(id_, samples[id_].path, name, split), split, ''))
                else:
                    missing.append(id_)
    if missing:
        say(f'{count(len(missing), "photo")} of the records without a file, the first is {missing[0]}')
    if review:
        found, _, made = apply(review, found)
        say(f'{paths.shown(review.path)}: {summary(made)}')
    return found


def _listed(records: Records) -> Sequence[Sample]:
    """The files that the records were made from, as their converter lists them."""
    manifest, name = records.manifest, records.folder.name
    source, converter = source_of(manifest), manifest.get('converter')
    if source is None or converter == 'cifar10_to_tfrecords':
        raise UserError(f'the photos of {name} are not files on this machine, so there is nothing to link to')
    unpacked = paths.DATA_DIR / name
    if converter == 'dogs_vs_cats_to_tfrecords' and not source.exists() and unpacked.is_dir():
        source = unpacked
    if not source.exists():
        raise UserError(f'there is no {paths.shown(source)}, from which {name} was converted')
    if converter == 'dogs_vs_cats_to_tfrecords':
        return samples_of(source, unpacked)
    if converter == 'kaggle_images_to_tfrecords':
        return kaggle_samples(source)[0]
    if converter == 'stanford_ds_to_tfrecords':
        return image_folder_samples(source / 'Images', TOP)
    return image_folder_samples(source, manifest.get('class_folders'))


def photos_of_folder(source: Path, choice: str | None, review: Review | None) -> list[Planned]:
    """The photos of a folder of class folders, as `image_folder_to_tfrecords` would convert them."""
    samples = image_folder_samples(source, choice)
    if review:
        check(review, samples, source)
    return planned_by(Job('', source, samples, review=review)).photos


def places_of(photos: Iterable[Planned]) -> tuple[dict[str, Path], list[str]]:
    """The path of each photo's link in the folder of links, with the file; and all folders.

    A link has the name of its file; where several photos of a folder have the same, the whole id with _ for
    each /.
    """
    by_folder: dict[str, list[Planned]] = defaultdict(list)
    photos = list(photos)
    classes = folder_names({item.sample.label or item.split for item in photos})
    for item in photos:
        by_folder[f'{PREFIX}{item.split}/{classes[item.sample.label or item.split]}'].append(item)
    wanted: dict[str, Path] = {}
    for folder, items in sorted(by_folder.items()):
        taken = Counter(item.sample.path.name.casefold() for item in items)  # as on Windows
        for item in sorted(items, key=lambda item: item.sample.id):
            path = Path(os.path.abspath(item.sample.path))  # noqa: PTH100 (a link stays one)
            alone = taken[path.name.casefold()] == 1
            name = path.name if alone else re.sub(r'[/\\]', '_', item.sample.id)
            if f'{folder}/{name}' in wanted or (not alone and taken[name.casefold()]):
                raise UserError(
                    f'{item.sample.id} and another photo would both be {folder}/{name}: rename one'
                )
            wanted[f'{folder}/{name}'] = path
    labels = {item.sample.label for item in photos} - {None}
    splits = {item.split for item in photos} - {consts.UNLABELLED}
    every = {f'{PREFIX}{split}/{classes[label]}' for split in splits for label in labels}
    every |= by_folder.keys()
    return wanted, sorted(every | {folder.partition('/')[0] for folder in every})


def folder_names(labels: Collection[str]) -> dict[str, str]:
    """A folder's name for each class: the label, without characters that file names cannot hold."""
    names: dict[str, str] = {}
    for label in sorted(labels):
        name = re.sub(r'[\\/:*?"<>|\x00-\x1f]', '_', label).rstrip('. ') or '_'
        name = f'_{name}' if _RESERVED.fullmatch(name) else name
        if other := next((one for one, held in names.items() if held.casefold() == name.casefold()), None):
            raise UserError(f'the classes {other} and {label} would have one folder: rename one of them')
        names[label] = name
    return names


def main(argv: list[str] | None = None) -> None:
    args = _parse(argv)
    review = read_review(args.review) if args.review else None
    if set('/\\').isdisjoint(args.data) and paths.manifest(args.data).exists():
        records = open_records(args.data)
        source, photos = source_of(records.manifest), photos_of_records(records, review)
    elif Path(args.data).is_dir():
        source = Path(args.data)
        photos = photos_of_folder(source, args.class_folders, review)
    else:
        require_known(args.data)
        raise UserError(f'{args.data} is neither a data set that was converted nor a folder of photos')
    if source and args.out.resolve().is_relative_to(source.resolve()):
        raise UserError(f'--out {paths.shown(args.out)} is inside of the photos: choose a folder elsewhere')
    if not photos:
        raise UserError(f'{args.data} has no photos to link to')
    wanted, folders = places_of(photos)
    with at_work(args.out):
        kinds = links.update(args.out, wanted, folders)
    _report(args.out, photos, kinds)


def _report(out: Path, photos: Sequence[Planned], kinds: Counter[str]) -> None:
    by_split: dict[str, Counter[str]] = defaultdict(Counter)
    for item in photos:
        by_split[item.split][item.sample.label or ''] += 1
    for split in filter(by_split.get, ALL_SPLITS):
        numbers = by_split[split]
        of = f' of {count(len(numbers), "class", "classes")}' if '' not in numbers else ''
        wrote(out / f'{PREFIX}{split}', f'{count(sum(numbers.values()), "photo")}{of}')
    made = ' and '.join(
        count(number, kind, 'copies' if kind == links.COPY else None) for kind, number in kinds.items()
    )
    why = '' if set(kinds) == {links.SYMBOLIC} else ' (symbolic links are not possible there)'
    say(f'{made}{why}')


def _parse(argv: list[str] | None) -> argparse.Namespace:
    made = cli.parser('src.data_preparation.link_folders', __doc__)
    made.add_argument('data', metavar='NAME|DIR', help='data set, or folder of class folders')
    made.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder for the links')
    made.add_argument('--review', type=Path, metavar='FILE', help='decisions of a review (decisions.csv)')
    made.add_argument(
        FLAG, choices=(TOP, INSIDE), help='which folders in DIR are the classes, as for converters'
    )
    return made.parse_args(argv)


if __name__ == '__main__':
    errors.run(main)

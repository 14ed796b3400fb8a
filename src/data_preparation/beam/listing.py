"""The samples of a folder of class folders, listed by a Beam pipeline."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import apache_beam as beam

from src.data_preparation.beam.files import Remote
from src.data_preparation.class_folders import (
    BESIDE,
    FILES_CHECKED,
    list_folders,
    no_classes_inside,
    samples_of_class,
    say_splits,
    unused_sample,
)
from src.data_preparation.folders import read_layout
from src.data_preparation.samples import Sample
from src.images.files import ignored, named_like_picture


def list_samples(
    pipeline: beam.Pipeline, source: Path | Remote, choice: str | None = None
) -> beam.PCollection[Sample]:
    """The samples that `image_folder_samples` finds. On a local disk each class folder is listed by itself; a
    remote folder is listed as a whole, for which one worker holds all names."""
    if isinstance(source, Remote):
        folder = pipeline | 'folder' >> beam.Create([source])
        return folder | 'list' >> beam.FlatMap(remote_samples, choice)
    listing = list_folders(source, choice)
    say_splits(listing.splits)
    samples = (
        pipeline
        | 'folders' >> beam.Create(listing.folders)
        | 'spread folders' >> beam.Reshuffle()
        | 'list' >> beam.FlatMap(samples_of_class, source)
    )
    return (samples, pipeline | 'unused' >> beam.Create(listing.unused)) | 'all samples' >> beam.Flatten()


def remote_samples(source: Remote, choice: str | None = None) -> Iterator[Sample]:
    """The samples below a remote folder. Raises UserError as `image_folder_samples` does."""
    files = [name.split('/') for name in source.names_below()]
    files = [parts for parts in files if not any(map(ignored, parts))]
    inner: dict[str, set[str]] = {parts[0]: set() for parts in files if len(parts) > 1}
    for parts in files:
        if len(parts) > 2:
            inner[parts[0]].add(parts[1])

    def has_pictures(top: str) -> bool:
        below = ('/'.join(parts) for parts in files if parts[0] == top and len(parts) > 1)
        first = islice(below, FILES_CHECKED)
        return any(named_like_picture(name) or (source / name).is_picture() for name in first)

    splits = read_layout(str(source), inner, has_pictures, choice)
    level = 0 if splits is None else 1  # position of the class name in a path
    unused: Counter[str] = Counter()
    for parts in files:
        name = '/'.join(parts)
        if splits is not None and len(parts) > 1 and parts[0] not in splits:
            unused[parts[0]] += 1
        elif len(parts) > level + 1:
            yield Sample(name, source / name, parts[level], splits[parts[0]] if splits else None)
        else:
            yield unused_sample(source, name, BESIDE)
    for top, number in unused.items():
        yield unused_sample(source, top, no_classes_inside(number))

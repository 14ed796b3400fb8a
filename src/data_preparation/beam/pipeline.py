"""The conversion as an Apache Beam pipeline: what `convert` does on one machine, on many.

    samples -> hashes -> one of each photo -> shards: decode, backbone, write -> manifest
        |                      |               ^
        labels        counts, fingerprint -> claim the folder

Names and hashes travel between the machines; a picture is read where it is used. What concerns all
photos (labels, counts, the fingerprint, remarks) is added up piece by piece, so no machine holds a list
of them all. A shard is one piece of work, done as the local conversion does it, so it holds the same.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import AsSingleton, TaggedOutput
from apache_beam.runners.runner import PipelineState
from apache_beam.utils.shared import Shared

from src.common.errors import UserError
from src.data_preparation.beam.files import RecordsFolder, Remote, local_copy
from src.data_preparation.conversion import job as manifests
from src.data_preparation.conversion.bottlenecks import Extractor
from src.data_preparation.conversion.job import MANIFEST, Job, Outcome, outcome_of
from src.data_preparation.conversion.shards import note_name, place_of, shard_of, shards_for, write_records
from src.data_preparation.folders import read_layout
from src.data_preparation.image_folder_to_tfrecords import (
    BESIDE,
    PEEKED,
    list_folders,
    no_class_folders,
    samples_of_class,
    say_splits,
    unused_folder,
    unused_sample,
)
from src.data_preparation.samples import Planned, Sample, class_names, shown, skipped
from src.data_preparation.splits import deduplicated, digest_of, planned_as
from src.graph.backbones import load_as
from src.images.files import ignored, named_like_picture

# Files read at once to hash them: reading waits for disks and networks.
HASH_BATCH, HASH_THREADS = 64, 8


@dataclass(frozen=True)
class Task:
    """What the workers are to do. `backbone` holds the graph's facts and `pb` says where it lies, None for
    both where the records are to hold pictures only; `job` has no samples; `class_folders` is the flag."""

    job: Job
    pb: Path | Remote | None
    backbone: dict | None
    folder: RecordsFolder
    overwrite: bool
    class_folders: str | None = None


@dataclass(frozen=True)
class Plan:
    """What is known once every photo has been read: the manifest to be, and photos in each split."""

    manifest: dict
    counts: dict[str, int]


def run(task: Task, options: PipelineOptions, runner) -> None:
    """Convert; the folder then holds what the local conversion writes. Raises UserError as that does,
    and RuntimeError with one line for whatever else stopped a worker."""
    try:
        pipeline = beam.Pipeline(runner=runner, options=options)
    except (RuntimeError, ValueError) as error:  # no such runner, or options that it wants
        raise UserError(f'Apache Beam: {error}') from error
    build(pipeline, task)
    try:
        state = pipeline.run().wait_until_finish()
    except Exception as error:
        text = re.sub(r' \[while running [^]]*\]', '', str(error)).strip()
        if isinstance(error, UserError):
            raise UserError(text) from error
        # From another process it arrives as text, at the end of the worker's traceback.
        if told := re.findall(rf'{UserError.__module__}\.UserError: (.*)', text):
            raise UserError(told[-1]) from error
        raise RuntimeError(text.splitlines()[-1] if text else type(error).__name__) from error
    if state != PipelineState.DONE:  # such as by a cancel button
        raise UserError(f'the pipeline ended as {state}: run the same command again to go on')


def build(pipeline: beam.Pipeline, task: Task) -> None:
    """The pipeline of the picture above."""
    samples = list_samples(pipeline, task.job.source, task.class_folders) | 'spread' >> beam.Reshuffle()
    hashed = (
        samples
        | 'batches' >> beam.BatchElements(HASH_BATCH, HASH_BATCH)
        | 'hash' >> beam.FlatMap(hash_all).with_outputs('bad', main='photos')
    )
    chosen = (
        hashed.photos
        | 'by hash' >> beam.GroupByKey()
        | 'one of each' >> beam.FlatMap(choose).with_outputs('bad', main='photos')
    )
    counts = (
        chosen.photos
        | 'split' >> beam.Map(lambda item: item.split)
        | 'count' >> beam.combiners.Count.PerElement()
        | 'counts' >> beam.combiners.ToDict()
    )
    labels = (
        hashed.photos
        | 'label' >> beam.Map(lambda photo: photo[1].sample.label.encode('utf-8', 'surrogateescape'))
        | 'labels' >> beam.combiners.ToSet()
    )
    numbers = (
        chosen.photos
        | 'number' >> beam.Map(manifests.number_of).with_output_types(object)
        | 'numbers' >> beam.CombineGlobally(sum).with_output_types(object)
    )
    plan = (
        pipeline
        | beam.Create([task])
        | 'claim' >> beam.Map(claim, AsSingleton(labels), AsSingleton(counts), AsSingleton(numbers))
    )
    outcomes = (
        chosen.photos
        | 'place' >> beam.Map(with_place, AsSingleton(plan))
        | 'by shard' >> beam.GroupByKey()
        | 'convert' >> beam.ParDo(WriteShard(task), AsSingleton(plan))
    )
    (
        (outcomes, hashed.bad, chosen.bad)
        | beam.Flatten()
        | 'add up' >> beam.CombineGlobally(manifests.added)
        | 'complete' >> beam.Map(complete, task, AsSingleton(plan))
    )


def list_samples(
    pipeline: beam.Pipeline, source: Path | Remote, choice: str | None = None
) -> beam.PCollection[Sample]:
    """The samples that image_folder_samples finds. On a disk each class folder is listed by itself; any
    other place is listed in one go, for which one worker holds all names."""
    if isinstance(source, Remote):
        folder = pipeline | 'folder' >> beam.Create([source])
        return folder | 'list' >> beam.FlatMap(remote_samples, choice)
    listing = list_folders(source, choice)
    say_splits(listing.splits)
    samples = (
        pipeline
        | 'folders' >> beam.Create(listing.folders)
        | 'apart' >> beam.Reshuffle()
        | 'list' >> beam.FlatMap(samples_of_class, source)
    )
    return (samples, pipeline | 'unused' >> beam.Create(listing.unused)) | 'listed' >> beam.Flatten()


def remote_samples(source: Remote, choice: str | None = None) -> Iterator[Sample]:
    """The samples below a folder that is on no disk. Raises UserError as image_folder_samples does."""
    parted = [name.split('/') for name in source.names_below()]
    parted = [parts for parts in parted if not any(map(ignored, parts))]
    inner: dict[str, set[str]] = {parts[0]: set() for parts in parted if len(parts) > 1}
    for parts in parted:
        if len(parts) > 2:
            inner[parts[0]].add(parts[1])

    def has_pictures(top: str) -> bool:
        below = ('/'.join(parts) for parts in parted if parts[0] == top and len(parts) > 1)
        return any(named_like_picture(name) or (source / name).is_picture() for name in islice(below, PEEKED))

    splits = read_layout(str(source), inner, has_pictures, choice)
    level = 0 if splits is None else 1  # where the names of the classes stand
    unused: Counter[str] = Counter()
    for parts in parted:
        name = '/'.join(parts)
        if splits is not None and len(parts) > 1 and parts[0] not in splits:
            unused[parts[0]] += 1
        elif len(parts) > level + 1:
            yield Sample(name, source / name, parts[level], splits[parts[0]] if splits else None)
        else:
            yield unused_sample(source, name, BESIDE)
    for top, files in unused.items():
        yield unused_sample(source, top, unused_folder(files))


def hash_all(samples: list[Sample]) -> Iterator:
    """(hash, planned sample) for each photo; a remark for a file that cannot be read."""
    with ThreadPoolExecutor(HASH_THREADS) as pool:
        for sample, (digest, fault) in zip(samples, pool.map(digest_of, samples), strict=True):
            if fault:
                yield TaggedOutput('bad', Outcome(remarks=[asdict(skipped(sample, fault))]))
            else:
                yield digest, planned_as(sample, digest)


def choose(same: tuple[str, Iterable[Planned]]) -> Iterator:
    """Of the photos with one hash those to convert, and remarks on the others."""
    kept, left_out = deduplicated(list(same[1]))
    yield from kept
    if left_out:
        yield TaggedOutput('bad', Outcome(remarks=[asdict(remark) for remark in left_out]))


def claim(task: Task, labels: set[bytes], counts: dict[str, int], numbers: int) -> Plan:
    """Make the folder this job's own before anything is written there. Raises UserError."""
    if not labels:
        raise no_class_folders(task.job.source)
    named = (label.decode('utf-8', 'surrogateescape') for label in labels)
    classes = class_names(named, task.job.source)
    manifest = manifests.described(task.job, task.backbone, classes, numbers)
    task.folder.claim(manifest, task.overwrite)
    return Plan(manifest, counts)


def with_place(item: Planned, plan: Plan) -> tuple[tuple[str, int], Planned]:
    """The item with the split and the place of its shard."""
    return (item.split, place_of(item.digest, shards_in(plan, item.split))), item


def shards_in(plan: Plan, split: str) -> int:
    # The launcher's value: the settings installed on a worker may differ.
    return shards_for(plan.counts[split], plan.manifest['shard_size'])


class WriteShard(beam.DoFn):
    """Writes a shard unless it stands, and tells what it holds. The graph is loaded once for each process,
    however many shards and threads there are."""

    def __init__(self, task: Task):
        self._task = task
        self._shared = Shared()
        self._photos = Metrics.counter('rootstock', 'photos')
        self._skipped = Metrics.counter('rootstock', 'skipped')

    def process(self, element: tuple[tuple[str, int], Iterable[Planned]], plan: Plan) -> Iterator[Outcome]:
        (split, place), items = element
        shard = shard_of(split, place, shards_in(plan, split), items)
        folder = self._task.folder
        if not folder.exists(shard.name):
            extractor = self._shared.acquire(self._load) if self._task.backbone else None
            with folder.writing(shard.name) as path:
                crop, classes = self._task.job.crop_to_box, plan.manifest['classes']
                note = write_records(path, shard, extractor, classes, crop, self._photos.inc)
                # Written before the shard gets its name: a shard that stands has its note.
                folder.write_json(note_name(shard.name), note)
            self._skipped.inc(len(note['remarks']))
        yield outcome_of(shard.name, folder.read_json(note_name(shard.name)))

    def _load(self) -> Extractor:
        facts = self._task.backbone
        with local_copy(self._task.pb) as path:
            backbone = load_as(facts, path)
        if backbone.sha256 != facts['sha256']:
            raise UserError(
                f'{shown(self._task.pb)} is another file for the workers: put it where all can read it'
            )
        return Extractor(backbone, self._task.job.precision)


def complete(outcome: Outcome, task: Task, plan: Plan) -> None:
    task.folder.write_json(MANIFEST, manifests.completed(plan.manifest, outcome))

"""The conversion as an Apache Beam pipeline, on many processes or machines.

    samples -> hashes -> review -> deduplicate -> shards: decode, backbone, write -> manifest
                           |            |            ^
                         labels   counts, fingerprint -> claim the folder

Only names and hashes are sent between machines; each worker reads the pictures that it converts. Labels,
counts, the fingerprint and remarks are added up in parts, so no machine holds a list of all photos. Workers
write a shard with the code of the local conversion, so both write the same bytes.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import apache_beam as beam
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import AsSingleton, TaggedOutput
from apache_beam.runners.runner import PipelineState
from apache_beam.utils.shared import Shared

from src.common.errors import UserError
from src.common.paths import MANIFEST
from src.data_preparation.beam.backbones import extractor_of, load
from src.data_preparation.beam.files import RecordsFolder, Remote
from src.data_preparation.beam.listing import list_samples
from src.data_preparation.beam.review import from_bytes, labels_of, reviewed
from src.data_preparation.class_folders import no_class_folders
from src.data_preparation.conversion import calibration
from src.data_preparation.conversion import job as jobs
from src.data_preparation.conversion.int8 import prepared, write_models
from src.data_preparation.conversion.job import Job, Totals, totals_of
from src.data_preparation.conversion.shards import (
    note_name,
    shard_count,
    shard_index,
    shard_of,
    write_records,
)
from src.data_preparation.samples import Planned, Sample, class_names, skipped
from src.data_preparation.splits import deduplicated, digest_of, planned_as
from src.graph.precision import INT8
from src.records.manifest import Manifest, ShardNote

# Files that a worker reads at the same time to hash them, as reading waits for disks and networks.
HASH_BATCH, HASH_THREADS = 64, 8


@dataclass(frozen=True)
class Task:
    """What the workers do. `pbs` are the files of the backbones and `backbone` their facts: none and None for
    records without bottlenecks. `job` has no samples."""

    job: Job
    pbs: Sequence[Path | Remote]
    backbone: dict | None
    folder: RecordsFolder
    overwrite: bool


@dataclass(frozen=True)
class Plan:
    """What is known once every photo has been hashed: the new manifest, and the photos in each split."""

    manifest: dict
    counts: dict[str, int]


def run(task: Task, options: PipelineOptions, runner) -> None:
    """Convert. The folder then holds what the local conversion writes.

    Raises UserError as the local conversion does, and RuntimeError with one line for any other failure of a
    worker.
    """
    try:
        pipeline = beam.Pipeline(runner=runner, options=options)
    except (RuntimeError, ValueError) as error:  # an unknown runner, or one with missing options
        raise UserError(f'Apache Beam: {error}') from error
    build(pipeline, task)
    try:
        state = pipeline.run().wait_until_finish()
    except Exception as error:
        text = re.sub(r' \[while running [^]]*\]', '', str(error)).strip()
        if isinstance(error, UserError):
            raise UserError(text) from error
        # An error of another process arrives as text, at the end of the worker's traceback.
        if messages := re.findall(rf'{UserError.__module__}\.UserError: (.*)', text):
            raise UserError(messages[-1]) from error
        raise RuntimeError(text.splitlines()[-1] if text else type(error).__name__) from error
    if state != PipelineState.DONE:  # canceled in a runner's console, for instance
        raise UserError(f'the pipeline ended as {state}: run the same command again to go on')


def build(pipeline: beam.Pipeline, task: Task) -> None:
    """Add the steps in the drawing above."""
    samples = list_samples(pipeline, task.job.source, task.job.class_folders) | 'spread' >> beam.Reshuffle()
    hashed = (
        samples
        | 'batches' >> beam.BatchElements(HASH_BATCH, HASH_BATCH)
        | 'hash' >> beam.FlatMap(hash_all).with_outputs('bad', main='photos')
    )
    photos, totals = hashed.photos, [hashed.bad]
    tasks = pipeline | beam.Create([task])
    if review := task.job.review:
        photos, of_review, tasks = reviewed(photos, tasks, review, task.job.source)
        totals.append(of_review)
    kept = (
        photos
        | 'by hash' >> beam.GroupByKey()
        | 'deduplicate' >> beam.FlatMap(deduplicate).with_outputs('bad', main='photos')
    )
    counts = (
        kept.photos
        | 'split' >> beam.Map(lambda item: item.split)
        | 'count' >> beam.combiners.Count.PerElement()
        | 'counts' >> beam.combiners.ToDict()
    )
    labels = labels_of(photos, 'of the data set')
    total_hash = (
        kept.photos
        | 'record hash' >> beam.Map(jobs.record_hash).with_output_types(object)
        | 'total hash' >> beam.CombineGlobally(sum).with_output_types(object)
    )
    int8 = task.job.precision == INT8
    candidates = (
        kept.photos
        | 'candidates' >> beam.Filter(lambda item: int8 and calibration.is_candidate(item))
        | 'calibration' >> beam.combiners.Top.Smallest(calibration.CANDIDATES, key=calibration.order)
    )
    plan = tasks | 'claim' >> beam.Map(
        claim, AsSingleton(labels), AsSingleton(counts), AsSingleton(total_hash), AsSingleton(candidates)
    )
    written = (
        kept.photos
        | 'shard index' >> beam.Map(with_shard, AsSingleton(plan))
        | 'by shard' >> beam.GroupByKey()
        | 'convert' >> beam.ParDo(WriteShard(task), AsSingleton(plan))
    )
    (
        (written, kept.bad, *totals)
        | beam.Flatten()
        | 'add up' >> beam.CombineGlobally(jobs.add_up)
        | 'complete' >> beam.Map(complete, task, AsSingleton(plan))
    )


def hash_all(samples: list[Sample]) -> Iterator:
    """(hash, planned sample) for each photo; the tagged output 'bad' gets the files that cannot be read."""
    with ThreadPoolExecutor(HASH_THREADS) as pool:
        for sample, (digest, fault) in zip(samples, pool.map(digest_of, samples), strict=True):
            if fault:
                yield TaggedOutput('bad', Totals(remarks=[asdict(skipped(sample, fault))]))
            else:
                yield digest, planned_as(sample, digest)


def deduplicate(same: tuple[str, Iterable[Planned]]) -> Iterator:
    """The photo to convert of those with one hash; the tagged output 'bad' gets the others."""
    kept, left_out = deduplicated(list(same[1]))
    yield from kept
    if left_out:
        yield TaggedOutput('bad', Totals(remarks=[asdict(remark) for remark in left_out]))


def claim(
    task: Task, labels: set[bytes], counts: dict[str, int], total_hash: int, photos: list[Planned]
) -> Plan:
    """Claim the folder before anything is written to it; int8 models of the backbones are calibrated on the
    first of `photos`. Raises UserError as `job.claim` and `int8.prepared` do."""
    if not labels:
        raise no_class_folders(task.job.source)
    names = class_names(map(from_bytes, labels), task.job.source)
    manifest = jobs.new_manifest(task.job, task.backbone, names, total_hash)
    models = {}
    if task.backbone and task.job.precision == INT8:
        manifest, models = prepared(
            manifest,
            task.overwrite,
            task.folder,
            lambda: load(task.pbs, task.backbone),
            lambda: calibration.encoded(photos, task.job.crop_to_box),
        )
    task.folder.claim(manifest, task.overwrite)
    write_models(models, task.folder)
    # Of an earlier run: its records are with or without mirrored pictures.
    begun = task.folder.read_json(MANIFEST, Manifest).get('mirrored', False)
    return Plan(jobs.with_bottlenecks_of(manifest, manifest['backbone'], begun), counts)


def with_shard(item: Planned, plan: Plan) -> tuple[tuple[str, int], Planned]:
    """The item with its key: the split and the index of its shard."""
    return (item.split, shard_index(item.digest, shards_in(plan, item.split))), item


def shards_in(plan: Plan, split: str) -> int:
    # The manifest has the launcher's shard size; consts.py on a worker may differ.
    return shard_count(plan.counts[split], plan.manifest['shard_size'])


class WriteShard(beam.DoFn):
    """Writes a shard unless it exists, and yields its totals. Each process loads the graph once, for all of
    its shards and threads."""

    def __init__(self, task: Task):
        self._task = task
        self._shared = Shared()
        self._photos = Metrics.counter('rootstock', 'photos')
        self._skipped = Metrics.counter('rootstock', 'skipped')

    def process(self, element: tuple[tuple[str, int], Iterable[Planned]], plan: Plan) -> Iterator[Totals]:
        (split, index), items = element
        shard = shard_of(split, index, shards_in(plan, split), items)
        folder = self._task.folder
        if not folder.exists(shard.name):
            task = self._task
            load_once = partial(extractor_of, task.pbs, plan.manifest, folder)
            extractor = self._shared.acquire(load_once) if task.backbone else None
            with folder.writing(shard.name) as path:
                crop, classes = self._task.job.crop_to_box, plan.manifest['classes']
                note = write_records(path, shard, extractor, classes, crop, self._photos.inc)
                # Before the shard gets its name: every finished shard has its note.
                folder.write_json(note_name(shard.name), note)
            self._skipped.inc(len(note['remarks']))
        yield totals_of(shard.name, folder.read_json(note_name(shard.name), ShardNote))


def complete(totals: Totals, task: Task, plan: Plan) -> None:
    task.folder.write_json(MANIFEST, jobs.complete(plan.manifest, totals))

"""The conversion that all converters share: samples to a folder of TFRecords."""

from __future__ import annotations

from dataclasses import asdict, replace

from src.common import files, paths
from src.common.locks import at_work
from src.common.paths import MANIFEST
from src.data_preparation.conversion import calibration
from src.data_preparation.conversion.add import add_bottlenecks
from src.data_preparation.conversion.int8 import LocalStore, models_of, prepared, write_models
from src.data_preparation.conversion.job import (
    Job,
    Totals,
    add_up,
    claim,
    complete,
    new_manifest,
    record_hash,
    totals_of,
    with_bottlenecks_of,
    write_skipped,
)
from src.data_preparation.conversion.planning import planned_by
from src.data_preparation.conversion.shards import into_shards, note_name, write_missing
from src.data_preparation.samples import class_names
from src.data_preparation.splits import with_copies
from src.graph.backbones import Backbone
from src.graph.precision import INT8
from src.records.dataset import open_records
from src.records.manifest import REMEDY, Manifest, ShardNote


def convert(job: Job, backbone: Backbone | None, overwrite: bool = False) -> dict:
    """Write data/records/<name>/ and return its manifest. Without a backbone the records hold no bottlenecks.

    Goes on where an earlier run of the same job stopped; bottlenecks of the mirrored pictures are added to
    records that lack them. Raises UserError when the folder holds the records of another job, unless
    `overwrite`.
    """
    folder = paths.records(job.name)
    class_names((s.label for s in job.samples if s.label is not None), job.source)  # before the long work
    plan = planned_by(job)
    classes, remarks = class_names(plan.labels, job.source, plan.remarks), plan.remarks
    planned = with_copies(plan.photos, job.copies)
    manifest = new_manifest(job, backbone and backbone.facts(), classes, sum(map(record_hash, planned)))
    with at_work(folder):
        models = {}
        if backbone and job.precision == INT8:
            photos = calibration.chosen(planned)
            manifest, models = prepared(
                manifest,
                overwrite,
                LocalStore(folder),
                lambda: backbone,
                lambda: calibration.encoded(photos, job.crop_to_box),
            )
        claim(folder, manifest, overwrite)
        write_models(models, LocalStore(folder))
        # Of an earlier run: its records are with or without mirrored pictures.
        begun = replace(job, mirrored=files.read_json(folder / MANIFEST, Manifest).get('mirrored', False))
        manifest = with_bottlenecks_of(manifest, manifest['backbone'], begun.mirrored)
        shards = into_shards(planned, job.shard_size)
        write_missing(folder, shards, begun, backbone, classes, models_of(manifest['backbone'], folder))
        skipped = Totals(
            remarks=[asdict(remark) for remark in (*job.remarks, *remarks)], reviewed=plan.reviewed
        )
        written = (
            totals_of(s.name, files.read_json(folder / note_name(s.name), ShardNote, REMEDY)) for s in shards
        )
        manifest = complete(manifest, add_up([skipped, *written]))
        files.write_json(folder / MANIFEST, manifest)
        write_skipped(manifest)
    if job.mirrored and backbone:
        return add_bottlenecks(open_records(job.name), mirrored=True).manifest
    return manifest

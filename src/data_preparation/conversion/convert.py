"""Samples to a folder of TFRecords, with the cached bottleneck if there is a backbone: what all converters
do."""

from __future__ import annotations

from pathlib import Path

from src.common import paths
from src.common.locks import at_work
from src.data_preparation.conversion.job import Job, claim, complete, describe
from src.data_preparation.conversion.shards import cut, write_missing
from src.data_preparation.samples import class_names
from src.data_preparation.splits import plan, with_copies
from src.graph.backbones import Backbone


def convert(job: Job, backbone: Backbone | None, overwrite: bool = False) -> Path:
    """Write data/records/<name>/ and return the folder. Without a backbone the records hold no bottlenecks.

    Goes on where an earlier run of the same job stopped. Raises UserError when the folder holds the
    records of another job, unless `overwrite`.
    """
    folder = paths.records(job.name)
    class_names((s.label for s in job.samples if s.label is not None), job.source)  # before the long work
    planned, remarks, labels = plan(job.samples)
    classes = class_names(labels, job.source, remarks)
    planned = with_copies(planned, job.copies)
    manifest = describe(job, backbone, classes, planned)
    with at_work(folder):
        claim(folder, manifest, overwrite)
        shards = cut(planned)
        write_missing(folder, shards, backbone, classes, job.crop_to_box, job.precision)
        complete(folder, manifest, shards, [*job.remarks, *remarks])
    return folder

"""Which photos a conversion takes, and their splits: by hash or draw, and by the decisions of a review."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from src.common import paths
from src.common.progress import say
from src.data_preparation.conversion import reviewed
from src.data_preparation.conversion.job import Job
from src.data_preparation.per_class import drawn
from src.data_preparation.samples import Planned
from src.data_preparation.splits import hashed, labels_of, unique
from src.records.manifest import Remark


@dataclass(frozen=True)
class Plan:
    """The photos to convert, in an order that depends on their bytes alone; remarks on other files; the
    labels of all readable pictures; and how many photos a review dropped, relabeled and kept."""

    photos: list[Planned]
    remarks: list[Remark]
    labels: set[str]
    reviewed: Counter[str] = field(default_factory=Counter)


def planned_by(job: Job) -> Plan:
    """Read every file of a job once and assign its split. Memory: about 0.5 kB a sample.

    A review changes which photos are taken and their labels, and no photo's split: a hash and a draw decide
    as if there were none. Raises UserError as `drawn` does.
    """
    items, remarks = hashed(job.samples)
    photos, copies = unique(items)
    if not job.review:
        if job.draw:
            photos, undecodable = drawn(photos, job.draw, job.source)
            remarks += undecodable
        return Plan(photos, remarks + copies, labels_of(items))
    remaining, dropped, made = reviewed.apply(job.review, items)
    after, copies = unique(remaining)
    say(f'{paths.shown(job.review.path)}: {reviewed.summary(made)}')
    reviewed.say_classes(photos, after)
    if job.draw:
        after, undecodable = _drawn_as_before(job, photos, after)
        remarks += undecodable
    return Plan(after, remarks + dropped + copies, labels_of(remaining), made)


def _drawn_as_before(
    job: Job, before: Sequence[Planned], after: Sequence[Planned]
) -> tuple[list[Planned], list[Remark]]:
    """The photos `after` a review that the draw takes among those `before` it, and `drawn`'s remarks."""
    dropped = {item.digest for item in before} - {item.digest for item in after}
    taken, remarks = drawn(before, job.draw, job.source, dropped)
    splits = {item.digest: item.split for item in taken}
    return [replace(item, split=splits[item.digest]) for item in after if item.digest in splits], remarks

"""The decisions of a review in a Beam pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsSingleton, TaggedOutput

from src.data_preparation.conversion.job import Totals
from src.data_preparation.conversion.reviewed import Review, apply, check_labels
from src.data_preparation.samples import Planned


def reviewed(
    photos: beam.PCollection, tasks: beam.PCollection, review: Review, source: Any
) -> tuple[beam.PCollection, beam.PCollection, beam.PCollection]:
    """(photos, totals, tasks) after a review: the hashes and photos that it does not drop, with their new
    labels; the totals of what it does; and `tasks` once it is known that the review fits the photos."""
    split = photos | 'review' >> beam.FlatMap(decide, review).with_outputs('totals', 'found', main='photos')
    found = split.found | 'found' >> beam.combiners.ToDict()
    labels = labels_of(photos, 'before the review')
    checked = tasks | 'check' >> beam.Map(check, review, source, AsSingleton(found), AsSingleton(labels))
    return split.photos, split.totals, checked


def labels_of(photos: beam.PCollection, when: str) -> beam.PCollection:
    """The labels of photos, as one set of bytes (`from_bytes`)."""
    return (
        photos
        | f'label {when}' >> beam.Map(lambda photo: to_bytes(photo[1].sample.label))
        | f'labels {when}' >> beam.combiners.ToSet()
    )


def to_bytes(text: str) -> bytes:
    """Beam's coder for text refuses names that are not UTF-8, which Python reads as lone surrogates."""
    return text.encode('utf-8', 'surrogateescape')


def from_bytes(data: bytes) -> str:
    return data.decode('utf-8', 'surrogateescape')


def decide(photo: tuple[str, Planned], review: Review) -> Iterator:
    """(hash, photo) after the decision on it. If there is one, the tagged output 'found' gets the photo's id
    and label, and 'totals' what became of it."""
    digest, item = photo
    remaining, remarks, made = apply(review, [item])
    yield from ((digest, left) for left in remaining)
    if made:
        yield TaggedOutput('found', (to_bytes(item.sample.id), to_bytes(item.sample.label)))
        yield TaggedOutput('totals', Totals(remarks=[asdict(one) for one in remarks], reviewed=made))


def check(task: Any, review: Review, source: Any, found: dict[bytes, bytes], labels: set[bytes]) -> Any:
    """The task, if the review fits. Raises UserError as `check_labels` does."""
    by_id = {from_bytes(id_): from_bytes(label) for id_, label in found.items()}
    check_labels(review, by_id, set(map(from_bytes, labels)), source)
    return task

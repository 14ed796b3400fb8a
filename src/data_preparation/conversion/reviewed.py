"""Decisions of a review applied to the photos of a conversion (`--review FILE`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from src.common import columns, files, names, paths
from src.common.errors import UserError
from src.common.files import count
from src.common.progress import say
from src.data_preparation.samples import Planned, Sample, Unused, shown, skipped
from src.records.decisions import DROP, RELABEL, Decision, read_decisions
from src.records.manifest import Remark

OUTCOMES = ('dropped', 'relabeled', 'kept')
DROPPED = 'dropped in review'
CLASSES_SHOWN = 20  # at most so many classes whose number of photos changes are printed


@dataclass(frozen=True)
class Review:
    """A list of decisions: its file, the SHA-256 of that, and the decisions by id."""

    path: Path
    sha256: str
    decisions: Mapping[str, Decision]

    def on(self, sample: Sample) -> Decision | None:
        """The decision on a photo. Unlabeled photos, which all need a prediction, have none."""
        return None if sample.label is None else self.decisions.get(sample.id)

    def facts(self, made: Counter[str]) -> dict[str, Any]:
        """For the manifest. `made` counts the photos by what became of them."""
        numbers = {word: made[word] for word in OUTCOMES}
        return {'file': paths.from_root(self.path), 'sha256': self.sha256, **numbers}


def read_review(path: Path) -> Review:
    """The review in a file. Raises UserError as `read_decisions` does."""
    return Review(path, files.sha256(path), read_decisions(path))


def check(review: Review, samples: Sequence[Sample], source: Any) -> None:
    """`check_labels` for the samples of a data set."""
    labels = {sample.id: sample.label for sample in samples if not isinstance(sample.path, Unused)}
    check_labels(review, labels, set(labels.values()) - {None}, source)


def check_labels(
    review: Review, labels: Mapping[str, str | None], classes: Collection[str], source: Any
) -> None:
    """Compare a review with a data set: prints how many of its photos are gone.

    labels: the labels by id, at least of all photos that the review names
    Raises UserError when it names none of the photos, or a class that the data set does not have.
    """
    where, data = paths.shown(review.path), shown(source)
    missing = [id_ for id_ in review.decisions if id_ not in labels]
    if missing and len(missing) == len(review.decisions):
        raise UserError(
            f'{where} names none of the photos in {data} (the first is {missing[0]}): it is a list of '
            'another data set'
        )
    if missing:
        say(f'{where}: {count(len(missing), "photo")} not in {data} any more, the first is {missing[0]}')
    unlabeled = [id_ for id_ in review.decisions if labels.get(id_, '') is None]
    if unlabeled:
        say(f'{where}: {count(len(unlabeled), "photo")} without a label left as before: {unlabeled[0]}')
    for id_, made in review.decisions.items():
        if made.decision == RELABEL and id_ in labels and made.label not in classes:
            known = sorted(classes)
            near = names.similar(made.label, known) or f'; the classes are {files.listed(known)}'
            raise UserError(
                f'{where}: {id_} is relabeled as {made.label!r}, which is no class of {data}{near}'
            )


def apply(review: Review, items: Iterable[Planned]) -> tuple[list[Planned], list[Remark], Counter[str]]:
    """The photos that are not dropped, with their new labels; remarks on those that are; and how many were
    'dropped', 'relabeled' and 'kept'. Splits stay as they are."""
    remaining: list[Planned] = []
    remarks: list[Remark] = []
    made: Counter[str] = Counter()
    for item in items:
        decision = review.on(item.sample)
        if decision is None:
            remaining.append(item)
        elif decision.decision == DROP:
            made['dropped'] += 1
            remarks.append(skipped(item.sample, DROPPED))
        elif decision.decision == RELABEL and decision.label != item.sample.label:
            made['relabeled'] += 1
            remaining.append(replace(item, sample=replace(item.sample, label=decision.label)))
        else:
            made['kept'] += 1
            remaining.append(item)
    return remaining, remarks, made


def summary(made: Mapping[str, Any]) -> str:
    """What a review changed, as counted by `apply` or from the manifest: '12 photos dropped, 3 relabeled, 40
    kept as they were'."""
    dropped, relabeled, kept = (made[word] for word in OUTCOMES)
    return f'{count(dropped, "photo")} dropped, {relabeled:,} relabeled, {kept:,} kept as they were'


def say_classes(before: Iterable[Planned], after: Iterable[Planned]) -> None:
    """Print the number of photos of each class before and after a review; of more than `CLASSES_SHOWN`
    classes only those whose number changes."""
    was, now = (Counter(item.sample.label for item in items) for items in (before, after))
    labels = sorted((was | now).keys() - {None})
    shown_labels = labels
    if len(labels) > CLASSES_SHOWN:
        shown_labels = [label for label in labels if was[label] != now[label]][:CLASSES_SHOWN]
    rows = [(label, f'{was[label]:,}', f'{now[label]:,}') for label in shown_labels]
    for line in columns.table([('photos of class', 'before', 'after'), *rows], [False, True, True]):
        say(f'  {line}')
    if rest := len(labels) - len(shown_labels):
        say(f'  and {count(rest, "class", "classes")} more')

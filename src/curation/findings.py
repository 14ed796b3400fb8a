"""Findings of a review: photos that may not belong in a data set, and why; read from and written to CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

from src.common import files, paths
from src.common.errors import UserError

REASONS = ('not the wanted kind', 'odd file', 'duplicate', 'label suspect')


@dataclass(frozen=True)
class Finding:
    """A photo that may not belong, and one reason. A photo found for several reasons has several findings.

    id: the photo's name in its data set.
    split, label: its split and the name of its class; the label is '' if it has none.
    reason: one of REASONS.
    score: how suspicious; higher is more, comparable within one reason only.
    detail: one short sentence for people.
    looks_like: of a label suspect, the class that it looks like.
    other: of a duplicate, the id of the other photo.
    """

    id: str
    split: str
    label: str
    reason: str
    score: float
    detail: str
    looks_like: str = ''
    other: str = ''


COLUMNS = tuple(field.name for field in fields(Finding))


def findings_file(name: str) -> Path:
    """The CSV file with the findings in the data set `name`."""
    return paths.METRICS_DIR / name / 'review.csv'


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """The findings in the order of REASONS, the most suspicious of each reason first."""
    return sorted(findings, key=lambda one: (REASONS.index(one.reason), -one.score, one.id, one.other))


def write_findings(path: Path, findings: Iterable[Finding]) -> None:
    """Write findings as a CSV file with a header, atomically."""
    with files.atomic(path) as stream:
        rows = csv.writer(stream, lineterminator='\n')
        rows.writerow(COLUMNS)
        rows.writerows([_text(getattr(one, name)) for name in COLUMNS] for one in findings)


def read_findings(path: Path) -> list[Finding]:
    """The findings in a CSV file. Raises UserError if it is missing or not such a file."""
    try:
        text = files.utf8_text(path)
    except OSError as error:
        raise UserError(f'cannot read {paths.shown(path)}: {error.strerror or error}') from error
    rows = csv.DictReader(io.StringIO(text, newline=''))
    if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
        raise UserError(f'{paths.shown(path)} is not a list of findings: the column {missing[0]} is missing')
    try:
        return [_finding(row, rows.line_num, path) for row in rows]
    except csv.Error as error:
        raise UserError(f'{paths.shown(path)} is not a list of findings: {error}') from error


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else f'{value:.6g}'


def _finding(row: dict[str, str | None], line: int, path: Path) -> Finding:
    values = {name: row[name] or '' for name in COLUMNS}
    try:
        score = float(values.pop('score'))
    except ValueError:
        score = None
    if score is None or values['reason'] not in REASONS:
        raise UserError(f'{paths.shown(path)}, line {line}: not a finding; write the file again by a review')
    return Finding(**values, score=score)

"""What people decided about the photos of a data set in a review: keep, drop or relabel.

    data_set,id,decision,label
    cats_dogs,train/cat.4085.jpg,drop,
    cats_dogs,train/cat.77.jpg,relabel,dog

The file is CSV in UTF-8; a byte order mark and `;` as separator, as spreadsheets write them, are accepted.
The page of a review writes it (`src.curation`), the converters read it (`--review`). Photos that are not
listed are undecided, which is as good as kept.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from src.common import files, paths
from src.common.errors import UserError

KEEP, DROP, RELABEL = DECISIONS = ('keep', 'drop', 'relabel')
COLUMNS = ('data_set', 'id', 'decision', 'label')


@dataclass(frozen=True)
class Decision:
    """What was decided about one photo.

    id: the photo's name in its data set.
    decision: one of DECISIONS.
    label: of RELABEL the new class, else ''.
    at: when, in seconds since 1970; of a decision that was read from a file, when the file was written.
    """

    id: str
    decision: str
    label: str = ''
    at: float = field(default=0.0, compare=False)


def read_decisions(path: Path, data_set: str | None = None) -> dict[str, Decision]:
    """The decisions in a file by the ids of their photos, in the order of the file.

    Raises UserError if the file is missing or not such a file, has an unknown decision, a relabeled photo
    without a label or two different decisions on one photo, and if it is about several data sets, or about
    another one than `data_set` if that is given.
    """
    where = paths.shown(path)
    rows, at = _rows(path)
    try:
        if missing := [name for name in COLUMNS if name not in (rows.fieldnames or ())]:
            raise UserError(
                f'{where} is not a list of decisions: it has no column {missing[0]} (its first line must be '
                f'{",".join(COLUMNS)})'
            )
        return _unambiguous(rows, where, data_set, at)
    except csv.Error as error:
        raise UserError(f'{where} is not a list of decisions: {error}') from error


def write_decisions(path: Path, data_set: str, decisions: Iterable[Decision]) -> None:
    """Write decisions on photos of a data set, atomically."""
    with files.atomic(path) as stream:
        rows = csv.writer(stream)
        rows.writerow(COLUMNS)
        rows.writerows((data_set, one.id, one.decision, one.label) for one in decisions)


def _rows(path: Path) -> tuple[csv.DictReader, float]:
    """The rows of the file, and when it was written."""
    try:
        text = files.utf8_text(path)
        at = Path(path).stat().st_mtime
    except OSError as error:
        raise UserError(
            f'cannot read the decisions {paths.shown(path)}: {error.strerror or error}'
        ) from error
    first = text.partition('\n')[0]
    separator = ';' if ';' in first and ',' not in first else ','
    return csv.DictReader(io.StringIO(text, newline=''), delimiter=separator), at


def _unambiguous(rows: csv.DictReader, where: str, data_set: str | None, at: float) -> dict[str, Decision]:
    decisions: dict[str, Decision] = {}
    for row in rows:
        values = {name: row[name] or '' for name in COLUMNS}
        if not any(values.values()):  # spreadsheets leave empty rows
            continue
        data_set = values['data_set'] if data_set is None else data_set
        if values['data_set'] != data_set:
            raise UserError(f'{where} is about the data set {values["data_set"]}, not {data_set}')
        made = _decision(values, f'{where}, line {rows.line_num}', at)
        earlier = decisions.setdefault(made.id, made)
        if earlier != made:
            raise UserError(
                f'{where}, line {rows.line_num}: {made.id} has two decisions, {_words(earlier)} and '
                f'{_words(made)}: delete one of the lines'
            )
    return decisions


def _decision(values: dict[str, str], where: str, at: float) -> Decision:
    id_, word, label = values['id'], values['decision'].strip().lower(), values['label']
    if not id_:
        raise UserError(f'{where}: the id is empty')
    if word not in DECISIONS:
        raise UserError(f'{where}: {values["decision"]!r} is no decision: use {", ".join(DECISIONS)}')
    if word == RELABEL and not label:
        raise UserError(f'{where}: {id_} is to be relabeled, but the label is empty: name its class')
    return Decision(id_, word, label if word == RELABEL else '', at)


def _words(one: Decision) -> str:
    return f'{one.decision} as {one.label}' if one.label else one.decision

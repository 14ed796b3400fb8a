"""A submission as a CSV file: written, read, and compared with Kaggle's sample_submission.csv."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from src.common import files, paths
from src.common.errors import UserError
from src.common.files import count, listed
from src.inference.submissions.layout import Layout

ID = 'id'

# The id of a photo, and its probabilities [classes] float32 or the reason why it has none.
Answer = tuple[str, np.ndarray | Exception]


class Table(NamedTuple):
    """The content of a submission, or of a sample of one: ids [N], the other columns, values [N, columns]
    float64."""

    path: Path
    ids: list[str]
    columns: list[str]
    values: np.ndarray


class Rows(NamedTuple):
    """The cells of a CSV file: its columns beside `id`, and for each row its id and its other cells."""

    path: Path
    columns: list[str]
    ids: list[str]
    cells: list[list[str]]


def in_order(ids: Iterable[str], wanted: Sequence[str] = ()) -> list[str]:
    """The ids in the order of `wanted`, then the others: whole numbers by value, then the rest as text."""
    place_of = {id_: place for place, id_ in enumerate(wanted)}

    def key(id_: str) -> tuple:
        number = int(id_) if id_.isascii() and id_.isdecimal() else None
        return place_of.get(id_, len(place_of)), number is None, number or 0, id_

    return sorted(ids, key=key)


def write_submission(
    path: Path, layout: Layout, answers: Iterable[Answer], classes: int, least: float = 0.0
) -> tuple[list[str], dict[str, Exception]]:
    """Write the CSV, with probabilities bounded by `least`. Returns the ids, and those that got uniform
    probabilities over `classes` with the reasons."""
    ids, unreadable = [], {}
    with files.atomic(path) as stream:
        writer = csv.writer(stream, lineterminator='\n')
        writer.writerow([ID, *layout.columns])
        for id_, answer in answers:
            ids.append(id_)
            if isinstance(answer, Exception):
                unreadable[id_] = answer
                answer = np.full(classes, 1 / classes)
            writer.writerow([id_, *layout.row(answer, least)])
    return ids, unreadable


def read_rows(path: Path, separators: str = ',') -> Rows:
    """The cells of a CSV file whose first column is `id`, without the empty rows that spreadsheets leave.

    separators: characters that may separate its cells, in the order of preference; only `,` fits Kaggle.
    Raises UserError when it is not such a file, and when it is too large.
    """
    try:
        with files.text_stream(path, newline='') as stream:
            first = stream.readline()
            stream.seek(0)
            separator = next((one for one in separators if one in first), ',')
            reader = csv.reader(stream, delimiter=separator, strict=True)
            head = [name.strip() for name in next(reader, [])]
            if len(head) < 2 or head[0].lower() != ID:
                raise UserError(_no_table(path, ','.join(head)))
            rows = Rows(path, head[1:], [], [])
            for row in reader:
                if not any(map(str.strip, row)):
                    continue
                if len(row) != len(head):
                    raise UserError(
                        f'{paths.shown(path)} line {reader.line_num} has {count(len(row), "cell")}, '
                        f'and the first line {len(head)}'
                    )
                rows.ids.append(row[0].strip())
                rows.cells.append([cell.strip() for cell in row[1:]])
    except (OSError, csv.Error) as error:
        reason = getattr(error, 'strerror', None) or error
        raise UserError(f'cannot read {paths.shown(path)}: {reason}') from error
    if not rows.ids:
        raise UserError(f'{paths.shown(path)} has no rows below its first line')
    if twice := [name for name, times in Counter(rows.columns).items() if times > 1]:
        raise UserError(f'{paths.shown(path)} has two columns {twice[0]}')
    return rows


def _no_table(path: Path, head: str) -> str:
    where = paths.shown(path)
    if not head:
        return f'{where} has no first line with the names of its columns, id and at least one more'
    if ';' in head and ',' not in head:
        return f'{where} separates its columns by semicolons: save it with commas, as Kaggle needs'
    begins = f': it begins with {head[:40]!r}' if head.isprintable() else ''
    return f'{where} is no CSV file with the column id and at least one more{begins}'


def read_table(path: Path) -> Table:
    """A submission. Raises UserError when it is not a CSV file of ids and numbers."""
    rows = read_rows(path)
    try:
        values = np.array(rows.cells, np.float64)
    except ValueError:
        raise UserError(f'{paths.shown(path)}: {_no_number(rows)} is not a number') from None
    return Table(path, rows.ids, rows.columns, values)


def _no_number(rows: Rows) -> str:
    """The first cell that is not a number, in words."""
    for id_, cells in zip(rows.ids, rows.cells, strict=True):
        for column, cell in zip(rows.columns, cells, strict=True):
            try:
                float(cell)
            except ValueError:
                return f'{column} of id {id_} ({cell[:40]!r})'
    return 'a cell'


def differences(columns: Sequence[str], ids: Sequence[str], sample: Table) -> list[str]:
    """How the columns and ids of a submission differ from those of `sample`, a line for each kind of fault;
    empty when they are the same in the same order."""
    lines = _differing('column', columns, sample.columns) + _differing('id', ids, sample.ids)
    if not lines and list(columns) != sample.columns:
        lines.append('the columns are in another order')
    if not lines and list(ids) != sample.ids:
        lines.append('the rows are in another order')
    return lines


def differing_ids(ids: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Missing, extra and doubled ids, a line for each kind with the first few."""
    return _differing('id', ids, wanted)


def _differing(noun: str, found: Sequence[str], wanted: Sequence[str]) -> list[str]:
    there, asked = set(found), set(wanted)
    faults = {
        'missing': [name for name in dict.fromkeys(wanted) if name not in there],
        'extra': [name for name in dict.fromkeys(found) if name not in asked],
        'doubled': [name for name, times in Counter(found).items() if times > 1],
    }
    return [
        f'{count(len(names), noun)} {"is" if len(names) == 1 else "are"} {fault}: {listed(names)}'
        for fault, names in faults.items()
        if names
    ]

"""The pictures of a review: a contact sheet for each reason, sizes as points, and classes as bars."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from src import drawing
from src.common.files import count
from src.curation.duplicates import HEIGHT, WIDTH
from src.curation.duplicates import REASON as DUPLICATE
from src.curation.findings import Finding
from src.curation.photos import Photos, encoded_pictures
from src.records.dataset import Records
from src.records.decisions import DROP, RELABEL, Decision

SHEET_COLUMNS = (3, 6)  # minimum, which leaves space for a title, and maximum


def sheet_file(folder: Path, reason: str) -> Path:
    """The contact sheet of a reason: review_label_suspect.jpg."""
    return folder / f'review_{reason.replace(" ", "_")}.jpg'


def draw_sheet(path: Path, findings: Sequence[Finding], records: Records, photos: Photos, most: int) -> None:
    """Write the contact sheet of the findings for one reason; of duplicates both photos are side by side."""
    shown = findings[:most]
    pairs = findings[0].reason == DUPLICATE
    wanted = {id_ for one in shown for id_ in (one.id, one.other) if id_}
    encoded = dict(encoded_pictures(records, wanted))
    row_of = {id_: row for row, id_ in enumerate(photos.ids)}
    tiles = []
    for one in shown:
        tiles.append(drawing.Tile(encoded.get(one.id), one.label, one.detail, PurePosixPath(one.id).name))
        if pairs:
            title, split = photos.label(row_of[one.other]), photos.splits[row_of[one.other]]
            source = PurePosixPath(one.other).name
            tiles.append(drawing.Tile(encoded.get(one.other), title, f'in {split}', source))
    if pairs:
        columns = 4 if len(tiles) <= 4 else 6
        note = 'Each photo and, to its right, the one that it is a copy of. Bold: the class.'
    else:
        columns = int(np.clip(len(tiles), *SHEET_COLUMNS))
        note = 'Bold: the class that the photo is labeled as. Below: what was found, then the file.'
    first = f', the first {len(shown):,}' if len(shown) < len(findings) else ''
    title = f'{records.folder.name}, {findings[0].reason}: {count(len(findings), "photo")}{first}'
    drawing.contact_sheet(tiles, path, columns, title, note)


def draw_sizes(path: Path, photos: Photos, decisions: Mapping[str, Decision], name: str) -> None:
    """Write a scatter plot of widths and heights; with photos dropped by `decisions`, one before and one
    after."""
    readable = ~np.isnan(photos.measures[:, WIDTH])
    kept = np.array([not _dropped(decisions.get(id_)) for id_ in photos.ids], bool)
    of = {'photos': readable} if kept.all() else {'before': readable, 'after': readable & kept}
    plots = [
        {label: (photos.measures[rows, WIDTH], photos.measures[rows, HEIGHT])} for label, rows in of.items()
    ]
    drawing.scatter_plots(
        plots, path, f'Sizes of the pictures: {name}', 'width in pixels', 'height in pixels'
    )


def draw_counts(path: Path, photos: Photos, decisions: Mapping[str, Decision], name: str) -> None:
    """Write the number of photos in each class as bars; with `decisions`, before and after them."""
    before = Counter(photos.label(row) for row in range(len(photos)))
    after = Counter(
        _label_after(photos.label(row), decisions.get(photos.ids[row])) for row in range(len(photos))
    )
    classes = [*photos.classes, *sorted(after.keys() - {*photos.classes, ''})]
    series = {'photos': [before[label] for label in classes]}
    if before != after:
        series = {'before': series['photos'], 'after': [after[label] for label in classes]}
    drawing.bar_chart_groups(classes, series, path, f'Photos in each class: {name}', 'photos')


def _dropped(decision: Decision | None) -> bool:
    return decision is not None and decision.decision == DROP


def _label_after(label: str, decision: Decision | None) -> str:
    if decision is None:
        return label
    if decision.decision == RELABEL:
        return decision.label
    return '' if decision.decision == DROP else label

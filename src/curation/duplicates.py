"""Duplicates and near-duplicates, also across splits, where a test photo was seen in training.

Photos of the same picture form a group. One of them stands for it, and each of the others is a finding, so
that dropping all findings leaves one photo of each group.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from src.common import consts
from src.curation.findings import Finding
from src.curation.matching.alignment import Change
from src.curation.matching.pairs import Match, candidates, matches
from src.curation.measures import MEASURES
from src.curation.photos import Photos

REASON = 'duplicate'
WIDTH, HEIGHT = ([one.name for one in MEASURES].index(name) for name in ('width', 'height'))
NO_CHANGE = 1.07  # factors up to this, and their inverses, are no cropping


def duplicates(photos: Photos, bottlenecks: np.ndarray | None) -> list[Finding]:
    """The photos that show the same picture as another one; their score is the correlation of the two.

    bottlenecks: [N, width] float32. Without them (None) mirrored, resized and re-encoded copies are found,
    and hardly any that are cropped or turned.
    """
    rows = np.flatnonzero(~np.isnan(photos.measures[:, 0]))
    if len(rows) < 2:
        return []
    thumbnails = photos.thumbnails[rows]
    found, _ = matches(
        thumbnails, *candidates(thumbnails, None if bottlenecks is None else bottlenecks[rows])
    )
    found = [Match(int(rows[one.a]), int(rows[one.b]), one.score, one.change) for one in found]
    return [_finding(photos, row, match) for row, match in redundant(photos, found)]


def redundant(photos: Photos, found: Sequence[Match]) -> list[tuple[int, Match]]:
    """Each photo that can be dropped, with the match that says so: with the photo that stands for the group,
    if these two were compared, else its best one.

    The photo that resembles the others of its group most stands for it: the original does, as two copies
    differ by two changes. Among equals it is the one with the most pixels, then the first.
    """
    of: dict[int, list[Match]] = defaultdict(list)
    for match in found:
        of[match.a].append(match)
        of[match.b].append(match)
    pixels = photos.measures[:, WIDTH] * photos.measures[:, HEIGHT]
    result = []
    for group in groups(found):
        total = {row: round(sum(match.score for match in of[row]), 6) for row in group}
        kept = min(group, key=lambda row: (-total[row], -pixels[row], photos.ids[row]))
        for row in sorted(set(group) - {kept}):
            direct = [match for match in of[row] if kept in (match.a, match.b)]
            result.append((row, (direct or sorted(of[row], key=lambda match: -match.score))[0]))
    return result


def groups(found: Sequence[Match]) -> list[list[int]]:
    """The rows of the photos that are connected by matches."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = sorted({row for match in found for row in (match.a, match.b)})
    place = {row: i for i, row in enumerate(rows)}
    ends = [place[match.a] for match in found], [place[match.b] for match in found]
    graph = coo_array((np.ones(len(found)), ends), shape=(len(rows), len(rows)))
    number, label = connected_components(graph, directed=False) if rows else (0, [])
    members: list[list[int]] = [[] for _ in range(number)]
    for row, group in zip(rows, label, strict=True):
        members[group].append(row)
    return members


def _finding(photos: Photos, row: int, match: Match) -> Finding:
    other = match.b if row == match.a else match.a
    detail = f'the same picture as {photos.ids[other]}{_how(match.change)}'
    if photos.labels[row] != photos.labels[other] and photos.label(other):
        detail += f', which is labeled {photos.label(other)}'
    splits = photos.splits[row], photos.splits[other]
    if splits[0] != splits[1]:
        trained = consts.SPLITS[0] in splits and consts.UNLABELLED not in splits
        detail += f'; one is in {splits[0]}, the other in {splits[1]}'
        detail += ', so scores there are too high (leakage)' if trained else ''
    return photos.finding(row, REASON, match.score, detail, other=photos.ids[other])


def _how(change: Change) -> str:
    """', mirrored, cropped, turned by 6 degrees'."""
    words = ['mirrored'] * change.mirrored
    words += ['cropped'] * (not 1 / NO_CHANGE < change.enlarged < NO_CHANGE)
    words += [f'turned by about {abs(change.turned):.0f} degrees'] * (change.turned != 0)
    return ''.join(f', {word}' for word in words)

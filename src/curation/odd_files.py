"""Odd files: pictures with a size or look outside of what is usual in their data set.

A measure is usual between the fences of Tukey ("Exploratory Data Analysis", 1977): a factor times the
interquartile range below the lower and above the upper quartile. He calls values beyond a factor of 1.5
"outside" and those beyond 3 "far out". Photos are measured in eight ways, so a factor of 1.5 names every
fifth of 2,002 photos of cats and dogs, more than a person wants to see; 3, the default, names every
twentieth.
"""

from __future__ import annotations

import numpy as np

from src.curation.findings import Finding
from src.curation.measures import MEASURES
from src.curation.photos import Photos

REASON = 'odd file'
FACTOR = 3.0
LEAST = 8  # photos; quartiles of fewer say nothing


def odd_files(photos: Photos, factor: float = FACTOR) -> list[Finding]:
    """The photos with a measure outside of the fences. Their score is the largest distance from a quartile,
    in interquartile ranges."""
    rows = np.flatnonzero(~np.isnan(photos.measures[:, 0]))
    if len(rows) < LEAST:
        return []
    values = photos.measures[rows].astype(np.float64)
    results = [outside(values[:, i], i, factor) for i in range(len(MEASURES))]
    distances, lows, highs = zip(*results, strict=True)
    distances = np.stack(distances, 1)
    return [
        photos.finding(
            rows[i], REASON, float(distances[i].max()), _detail(distances[i], values[i], lows, highs, factor)
        )
        for i in np.flatnonzero((distances > factor).any(1))
    ]


def outside(values: np.ndarray, measure: int, factor: float) -> tuple[np.ndarray, float, float]:
    """The distance [N] of values [N] from the nearer quartile in interquartile ranges, 0 between the
    quartiles; and the lower and the upper fence."""
    of = MEASURES[measure]
    scaled = np.log(np.maximum(values, 1e-3)) if of.skewed else values
    low, high = np.quantile(scaled, (0.25, 0.75))
    spread = max(high - low, of.least_spread)
    distance = np.maximum(np.maximum(low - scaled, scaled - high), 0) / spread
    fences = low - factor * spread, high + factor * spread
    return distance, *(np.exp(fences) if of.skewed else fences)


def _detail(distances: np.ndarray, values: np.ndarray, lows, highs, factor: float) -> str:
    """'width 40 pixels, usual is at least 125 pixels; also odd: height'."""
    worst, *others = (i for i in np.argsort(-distances, kind='stable') if distances[i] > factor)
    text = MEASURES[worst].text
    detail = f'{MEASURES[worst].name} {text(values[worst])}, usual '
    below = values[worst] < lows[worst]
    fence = text(lows[worst] if below else highs[worst])
    if fence == text(values[worst]):  # they differ by less than what is written
        detail += f'is {"more" if below else "less"} than {fence}'
    else:
        detail += f'is {"at least" if below else "at most"} {fence}'
    return detail + (f'; also odd: {", ".join(MEASURES[i].name for i in others)}' if others else '')

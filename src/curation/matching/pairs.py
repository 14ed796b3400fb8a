"""Pairs of photos that show the same picture: candidates from similarities, verified by alignment.

Candidates are the nearest neighbors of each photo by its perceptual hash, and by its bottleneck if these are
as similar as half of the photos are to their sixth neighbor, which is seldom a copy. Each pair is compared
twice: quickly at a low resolution, then, if that is promising, more finely.

The limits of the scores come from the data, too. The score of two pictures is the largest of many
correlations, so that of unrelated pictures follows a Gumbel distribution
(https://en.wikipedia.org/wiki/Gumbel_distribution). It is fitted to random pairs, and a pair is accepted if
less than FALSE_PAIRS unrelated ones among all candidates would reach its score. A pair by hash whose
bottlenecks are not similar needs a STRONG score: black cats have similar outlines.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from src.common.ahead import ahead
from src.common.progress import progress
from src.curation.matching.alignment import Aligner, Change
from src.curation.matching.nearest import BLOCK, HASH_SIDE, nearest, perceptual_hashes, unit

NEIGHBORS = 6  # of each photo by bottlenecks: a photo and five copies of it find one another
HASH_NEIGHBORS, HASH_DISTANCE = 3, 16  # by hashes, up to so many of 63 bits; half of them differ by chance
RANDOM_PAIRS = 400  # to fit a limit to
FALSE_PAIRS, PROMISING = 0.01, 0.02  # unrelated pairs accepted; share of them that is compared finely
LIMITS = 0.5, 0.75  # of the accepted score, as a few pictures do not say much
STRONG = 0.7  # mirrored, resized and re-encoded copies of photos score 0.73 and more
COARSE_SIDE = 32
CACHED = 4096  # pictures that are ready to be compared, of up to 36 kB

Pairs = np.ndarray  # [N, 2] int64, row numbers of photos, the smaller first


@dataclass(frozen=True)
class Match:
    """Two photos of the same picture by their rows, the alignment's score, and the change from a to b."""

    a: int
    b: int
    score: float
    change: Change


def candidates(thumbnails: np.ndarray, vectors: np.ndarray | None) -> tuple[Pairs, np.ndarray]:
    """The pairs to compare, and which of them [N] bool have similar bottlenecks.

    vectors: the bottlenecks [N, width] float32; None if there are none, and then nothing contradicts a hash.
    """
    hashes, mirrored = perceptual_hashes(thumbnails)
    closest = 1 - 2 * HASH_DISTANCE / (HASH_SIDE**2 - 1)
    by_hash = [_pairs(*nearest(hashes, HASH_NEIGHBORS, queries), closest) for queries in (hashes, mirrored)]
    by_hash = np.unique(np.concatenate(by_hash), axis=0)
    if vectors is None:
        return by_hash, np.ones(len(by_hash), bool)
    vectors = unit(vectors)
    scores, rows = nearest(vectors, NEIGHBORS)
    least = float(np.median(scores[:, -1]))
    pairs = np.unique(np.concatenate([by_hash, _pairs(scores, rows, least)]), axis=0)
    similar = np.concatenate(
        [np.einsum('nd,nd->n', vectors[part[:, 0]], vectors[part[:, 1]]) for part in _blocks(pairs)]
    )
    return pairs, similar >= least - 1e-6


def matches(
    thumbnails: np.ndarray, pairs: Pairs, similar: np.ndarray, seed: int = 1
) -> tuple[list[Match], float]:
    """Those of the candidates that show the same picture, and the score from which on a pair with similar
    bottlenecks was accepted."""
    if not len(pairs):
        return [], LIMITS[1]
    random = _random_pairs(len(thumbnails), np.random.default_rng(seed))
    coarse = Aligner(COARSE_SIDE, 3, (-5, 0, 5), (0.77, 0.88, 1, 1.14, 1.3))
    small = np.stack([_reduced(one) for one in thumbnails])
    limit = gumbel_limit(_scores(coarse, small, random), PROMISING)
    with progress(len(pairs), 'comparing', 'pairs') as bar:
        scores = _scores(coarse, small, pairs, bar.update)
    pairs, similar = pairs[scores > limit], similar[scores > limit]
    fine = Aligner(thumbnails.shape[1], 4, (-6, -3, 0, 3, 6), np.geomspace(0.75, 1.33, 9).tolist())
    limit = gumbel_limit(_scores(fine, thumbnails, random), FALSE_PAIRS / max(len(scores), 1))
    limit = float(np.clip(limit, *LIMITS))
    with progress(2 * len(pairs), 'comparing finely', 'pairs') as bar:
        there, back = (list(_compared(fine, thumbnails, way, bar.update)) for way in (pairs, pairs[:, ::-1]))
    # Each direction finds copies that the other misses: the middle of one may be cut off in the other.
    both = zip(_sorted(there), _sorted(back), similar, strict=True)
    best = [(max(two, key=lambda match: match.score), near) for *two, near in both]
    return [match for match, near in best if match.score > (limit if near else max(limit, STRONG))], limit


def gumbel_limit(scores: np.ndarray, probability: float) -> float:
    """The score that a value of a Gumbel distribution exceeds with this probability. The distribution is
    fitted to two quantiles of `scores`, which a few related pairs among them hardly change."""
    middle, high = np.quantile(scores, (0.5, 0.9))
    scale = (high - middle) / (_standard(0.9) - _standard(0.5))
    return float(middle + scale * (_standard(1 - probability) - _standard(0.5)))


def _standard(share: float) -> float:
    """The quantile of the standard Gumbel distribution."""
    return float(-np.log(-np.log(share)))


def _pairs(scores: np.ndarray, rows: np.ndarray, least: float = -1.0) -> Pairs:
    own = np.repeat(np.arange(len(rows)), rows.shape[1])
    pairs = np.sort(np.stack([own, rows.ravel()], 1), 1)
    return pairs[scores.ravel() >= least]


def _blocks(pairs: Pairs) -> list[Pairs]:
    return np.array_split(pairs, max(1, -(-len(pairs) // BLOCK)))


def _random_pairs(photos: int, random: np.random.Generator) -> Pairs:
    """Up to RANDOM_PAIRS pairs of different photos."""
    first = random.integers(0, photos, RANDOM_PAIRS)
    return np.sort(np.stack([first, (first + random.integers(1, photos, RANDOM_PAIRS)) % photos], 1), 1)


def _reduced(thumbnail: np.ndarray) -> np.ndarray:
    return np.asarray(Image.fromarray(thumbnail).resize((COARSE_SIDE, COARSE_SIDE), Image.Resampling.BOX))


def _scores(aligner: Aligner, thumbnails: np.ndarray, pairs: Pairs, done=lambda number: None) -> np.ndarray:
    """The score of each pair, [N] float, in the order of the pairs."""
    by_pair = {(one.a, one.b): one.score for one in _compared(aligner, thumbnails, pairs, done)}
    return np.array([by_pair[a, b] for a, b in pairs])


def _sorted(found: Sequence[Match]) -> list[Match]:
    return sorted(found, key=lambda one: tuple(sorted((one.a, one.b))))


def _compared(
    aligner: Aligner, thumbnails: np.ndarray, pairs: Pairs, done: Callable[[int], object]
) -> Iterable[Match]:
    """Compare pairs in threads; the templates of a photo are computed once for all its pairs."""

    prepared = lru_cache(CACHED)(lambda row: aligner.prepared(thumbnails[row]))

    def compare(task: tuple[int, np.ndarray]) -> list[Match]:
        a, others = task
        templates = aligner.templates(prepared(a))
        return [Match(a, int(b), *aligner.score(templates, prepared(int(b)))) for b in others]

    cores = os.cpu_count() or 1
    pairs = pairs[np.argsort(pairs[:, 0], kind='stable')]
    firsts, starts = np.unique(pairs[:, 0], return_index=True)
    tasks = zip(firsts.tolist(), np.split(pairs[:, 1], starts[1:]), strict=True) if len(pairs) else ()
    for found in ahead(compare, tasks, 4 * cores, cores):
        done(len(found))
        yield from found

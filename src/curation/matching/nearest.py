"""Nearest neighbors by cosine similarity, in blocks, and perceptual hashes as vectors for it."""

from __future__ import annotations

import numpy as np

BLOCK = 1024  # rows and columns of the similarities in memory at once
HASH_SIDE = 8  # frequencies of a perceptual hash in each direction


def nearest(
    vectors: np.ndarray, number: int, queries: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The most similar vectors to each one, without itself.

    vectors: [N, width] float32 of length 1. queries: [N, width], each in the place of the vector that it
    stands for (default: the vectors). Returns similarities and row numbers [N, k], the most similar first,
    where k is `number`, or N - 1 if that is less. Time grows with N², memory with N.
    """
    queries = vectors if queries is None else queries
    n = len(vectors)
    k = max(0, min(number, n - 1))
    scores, rows = np.empty((n, k), np.float32), np.empty((n, k), np.int64)
    for begin in range(0, n, BLOCK):
        scores[begin : begin + BLOCK], rows[begin : begin + BLOCK] = _of_block(
            queries[begin : begin + BLOCK], vectors, begin, k
        )
    return scores, rows


def _of_block(queries: np.ndarray, vectors: np.ndarray, begin: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest of the queries whose own vectors start at row `begin`."""
    best = np.full((len(queries), k), -np.inf, np.float32)
    rows = np.zeros((len(queries), k), np.int64)
    own = begin + np.arange(len(queries))
    for first in range(0, len(vectors), BLOCK):
        block = queries @ vectors[first : first + BLOCK].T
        here = (own >= first) & (own < first + block.shape[1])
        block[here, own[here] - first] = -np.inf
        numbers = np.broadcast_to(np.arange(first, first + block.shape[1]), block.shape)
        scores = np.concatenate([best, block], 1)
        numbers = np.concatenate([rows, numbers], 1)
        chosen = np.argpartition(-scores, k - 1, axis=1)[:, :k] if k else np.empty((len(queries), 0), int)
        best, rows = np.take_along_axis(scores, chosen, 1), np.take_along_axis(numbers, chosen, 1)
    order = np.argsort(-best, axis=1, kind='stable')
    return np.take_along_axis(best, order, 1), np.take_along_axis(rows, order, 1)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors [N, width] less their mean, scaled to length 1, float32: the direction in which each differs
    from the others."""
    centered = vectors - vectors.mean(0, dtype=np.float64).astype(np.float32)
    return centered / np.maximum(np.linalg.norm(centered, axis=1, keepdims=True), 1e-12)


def perceptual_hashes(thumbnails: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """pHash of gray pictures [N, side, side] uint8, and of the mirrored pictures: [N, 63] float32 each.

    The signs of the lowest frequencies of the discrete cosine transform, as bits +1 and -1 scaled to length
    1, so that the similarity 1 - 2d/63 is a Hamming distance d (Zauner 2010, "Implementation and Benchmarking
    of Perceptual Image Hash Functions", https://www.phash.org/docs/pubs/thesis_zauner.pdf). Mirroring a
    picture flips the sign of the odd horizontal frequencies.
    """
    from scipy.fft import dctn

    bits = np.empty((len(thumbnails), HASH_SIDE, HASH_SIDE), np.float32)
    for begin in range(0, len(thumbnails), BLOCK):
        waves = dctn(thumbnails[begin : begin + BLOCK].astype(np.float32), axes=(1, 2))
        bits[begin : begin + BLOCK] = np.where(waves[:, :HASH_SIDE, :HASH_SIDE] >= 0, 1, -1)
    mirrored = bits * np.where(np.arange(HASH_SIDE) % 2, -1, 1)
    scale = np.float32(1 / np.sqrt(HASH_SIDE**2 - 1))
    return tuple(one.reshape(len(one), -1)[:, 1:] * scale for one in (bits, mirrored))  # without the mean

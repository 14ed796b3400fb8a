"""Freed memory is kept for the next use, or returned to the system; on systems with glibc."""

from __future__ import annotations

import ctypes
from functools import lru_cache

LARGE = 16 << 20  # bytes


def keep_freed() -> None:
    """Make the process keep freed memory of up to twice LARGE, instead of returning it at once.

    A decoded picture and its resizing take some hundreds of kB, which glibc would return to the system after
    each picture and request again for the next: nearly 200 page faults, a fifth of the time of a small
    network. glibc raises its limits when a large block is freed (M_MMAP_THRESHOLD in
    https://man7.org/linux/man-pages/man3/mallopt.3.html). Other allocators are not affected.
    """
    bytes(LARGE)  # allocated by `calloc`, never touched, and freed


def give_back() -> None:
    """Return the freed memory of large tasks to the system. It takes some milliseconds.

    What was allocated in pieces below glibc's limits (of `keep_freed`) stays in its heaps otherwise, one for
    each thread: https://man7.org/linux/man-pages/man3/malloc_trim.3.html.
    """
    trim = _malloc_trim()
    if trim:
        trim(0)


@lru_cache(maxsize=1)
def _malloc_trim():
    """The function of glibc; None elsewhere."""
    try:
        return ctypes.CDLL(None).malloc_trim
    except (AttributeError, OSError, TypeError):  # macOS, musl; Windows has no such handle
        return None

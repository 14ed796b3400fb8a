"""Freed memory is kept for the next use, or returned to the system; on systems with glibc."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from functools import cache

LARGE = 8 << 20  # bytes
# https://man7.org/linux/man-pages/man3/mallopt.3.html
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3


@cache
def keep_freed() -> None:
    """Make the process keep freed blocks of less than LARGE, and return larger ones at once.

    A decoded picture and its resizing take some hundreds of kB, which glibc would return to the system after
    each picture and request again for the next: nearly 200 page faults, a fifth of the time of a small
    network. After large pictures glibc would keep blocks of up to 32 MB in the heap of each thread, some
    hundreds of MB in all. Other allocators are not affected.
    """
    set_limit = _function('mallopt')
    if set_limit:
        set_limit(_M_MMAP_THRESHOLD, LARGE)
        set_limit(_M_TRIM_THRESHOLD, 2 * LARGE)


def give_back() -> None:
    """Return the freed memory of large tasks to the system. It takes some milliseconds.

    What was allocated in pieces below glibc's limits (of `keep_freed`) stays in its heaps otherwise, one for
    each thread: https://man7.org/linux/man-pages/man3/malloc_trim.3.html.
    """
    trim = _function('malloc_trim')
    if trim:
        trim(0)


@cache
def _function(name: str) -> Callable[..., int] | None:
    """A function of glibc; None elsewhere."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (AttributeError, OSError, TypeError):  # macOS, musl; Windows has no such handle
        return None

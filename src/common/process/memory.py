"""Freed memory is kept for the next use, on systems with glibc."""

from __future__ import annotations

LARGE = 16 << 20  # bytes


def keep_freed() -> None:
    """Make the process keep freed memory of up to twice LARGE, instead of returning it at once.

    A decoded picture and its resizing take some hundreds of kB, which glibc would return to the system after
    each picture and request again for the next: nearly 200 page faults, a fifth of the time of a small
    network. glibc raises its limits when a large block is freed (M_MMAP_THRESHOLD in
    https://man7.org/linux/man-pages/man3/mallopt.3.html). Other allocators are not affected.
    """
    bytes(LARGE)  # allocated by `calloc`, never touched, and freed

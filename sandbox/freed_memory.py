"""Has the C library keep some of what a process frees, instead of giving it back to the kernel and asking for it again."""

import ctypes
from contextlib import suppress

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
KEPT_BYTES = 16 * 1024 * 1024
"""So much free memory may lie at the end of the heap."""
PIECE_BYTES = 2 * 1024 * 1024
"""Larger pieces go back at once, as those from 128 KB on do usually; a message of requests has at most one megabyte."""


def keep_freed_memory() -> None:
    """For processes through which bodies of requests pass: a fresh page costs the kernel more than to copy a body into it does.

    Processes that are forked from this one do the same. Without effect where the C library knows no `mallopt`.
    """
    with suppress(OSError, AttributeError):
        libc = ctypes.CDLL(None)
        libc.mallopt(_M_TRIM_THRESHOLD, KEPT_BYTES)
        libc.mallopt(_M_MMAP_THRESHOLD, PIECE_BYTES)

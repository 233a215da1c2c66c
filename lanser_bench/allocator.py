"""How the C library returns memory."""

from __future__ import annotations

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
"""Parameters of `mallopt`, from glibc's malloc.h."""


def keep_freed_memory() -> None:
    """Makes glibc reuse large freed blocks instead of returning each to the system.

    A training step frees and allocates the same tensors again and again; page faults took a quarter
    of its time when measured (`tests/benchmarks/allocator.py`). Without glibc this does nothing.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 2**30)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)

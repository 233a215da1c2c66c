"""How the C library returns memory, and when Python looks for cycles."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def no_collection() -> Iterator[None]:
    """Pauses the garbage collector, and keeps it from scanning thousands of objects later.

    For records and plans, which have no cycles: counting references frees them.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            # Bindings that torch loads complain at exit about objects that were never collected.
            if "torch" not in sys.modules:
                gc.freeze()
            gc.enable()

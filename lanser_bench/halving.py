"""Out-of-memory handling: halve the micro-batch, count it, and continue.

The batch that a key names stays the same; only the part of it in memory at once changes, and with
it at most the order in which floats are added.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from .counting import tally
from .errors import WorkerError

T = TypeVar("T")
HALVINGS = "memory_halvings"


def out_of_memory(error: BaseException) -> bool:
    """Returns whether an exception reports that main memory or a GPU's memory ran out."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    # torch's allocator for the CPU raises no special class.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def fitting(run: Callable[[int], T], size: int) -> T:
    """Calls ``run(size)``, and halves `size` for as long as memory runs out.

    `run` does all of the work with at most `size` rows in memory at once; every call starts afresh.

    Raises:
        WorkerError: a single row is too much.
    """
    while True:
        try:
            return run(size)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
        # Outside the handler, because the exception's frames keep the memory occupied.
        size = halved(size)


def halved(size: int) -> int:
    """Counts a halving and returns the smaller size, after freeing a GPU's cached memory.

    Raises:
        WorkerError: a single row cannot be halved.
    """
    if size < 2:
        raise WorkerError(
            "Not enough memory for even one row. Run fewer stages at once (executor.threads, or "
            "more under 'memory'), use shorter pieces, or use a smaller model."
        )
    tally(HALVINGS)
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    return size // 2

"""What to do when memory does not suffice: halve the micro-batch, count it, and go on.

The batch that a key names stays what it is; only how much of it is in memory at once changes, and
with it at most the order in which floats are added.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TypeVar

from .errors import WorkerError

T = TypeVar("T")


@dataclass
class Tally:
    """How often a batch was halved."""

    halvings: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """For an artifact's counts: nothing if nothing was halved."""
        return {"memory_halvings": self.halvings} if self.halvings else {}


_tally: ContextVar[Tally | None] = ContextVar("tally", default=None)


@contextmanager
def tallied() -> Iterator[Tally]:
    """Counts the halvings of a block, also for the block around it."""
    outer, own = _tally.get(), Tally()
    token = _tally.set(own)
    try:
        yield own
    finally:
        _tally.reset(token)
        if outer is not None:
            outer.halvings += own.halvings


def out_of_memory(error: BaseException) -> bool:
    """Whether an exception says that main memory or a GPU's did not suffice."""
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    # torch's allocator for the CPU has no class of its own.
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def fitting(run: Callable[[int], T], size: int) -> T:
    """Calls ``run(size)``, with half the size again and again while memory does not suffice.

    Args:
        run: does all of the work with at most so many rows in memory at once; it starts from
            nothing when it is called again.
        size: the rows to begin with.

    Raises:
        WorkerError: a single row is too much.
    """
    while True:
        try:
            return run(size)
        except (MemoryError, RuntimeError) as error:
            if not out_of_memory(error):
                raise
        # Outside of the handler: the exception's frames hold what filled the memory.
        size = halved(size)


def halved(size: int) -> int:
    """Counts a halving and returns the smaller size, after giving a GPU's memory back.

    Raises:
        WorkerError: there is nothing to halve.
    """
    if size < 2:
        raise WorkerError(
            "The memory does not suffice for a single row at a time. Let fewer stages run at once "
            "(executor.threads, or more under 'memory'), use shorter pieces or a smaller model."
        )
    tally = _tally.get()
    if tally is not None:
        tally.halvings += 1
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_available():
        torch.cuda.empty_cache()
    return size // 2

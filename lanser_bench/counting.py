"""Counts of a running stage, for its artifact: halvings of memory, tokens of a served model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_tally: ContextVar[Counter[str] | None] = ContextVar("tally", default=None)


@contextmanager
def tallied() -> Iterator[Counter[str]]:
    """Collects the counts of a block, for an artifact; also for the enclosing block."""
    outer, own = _tally.get(), Counter[str]()
    token = _tally.set(own)
    try:
        yield own
    finally:
        _tally.reset(token)
        if outer is not None:
            outer.update(own)


def tally(name: str, amount: int = 1) -> None:
    """Adds to a count of the running stage; without one, does nothing.

    The counts are in the artifact and the run's log. Call it in the thread that called the plugin.
    """
    counts = _tally.get()
    if counts is not None:
        counts[name] += amount

"""Runs one batch on each core, instead of one batch on all cores."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def on_cores(work: Callable[[T], None], parts: Iterable[T]) -> None:
    """Runs parts of some work in parallel, as many at a time as torch has threads.

    Threads inside operators wait for each other at the end of each operator, and small operators
    end before other threads wake up. Here a single thread computes each part, so results do not
    depend on the number of threads.

    Parts must be independent, and the longest should come first. Work must release Python's lock,
    as torch does.
    """
    import torch

    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, "batch", torch.set_num_threads, (1,)) as pool:
            # A stage keeps its counts in its context, which threads do not inherit.
            running = [pool.submit(copy_context().run, work, part) for part in parts]
            try:
                for one in running:
                    one.result()
            finally:
                for one in running:
                    one.cancel()
    finally:
        # Threads that start later inherit the setting of this one.
        torch.set_num_threads(threads)

"""One batch on each core, instead of one batch on all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TypeVar

T = TypeVar("T")


def on_cores(work: Callable[[T], None], parts: Iterable[T]) -> None:
    """Does parts of some work side by side, as many at a time as torch has threads.

    Threads inside of operators wait for each other at the end of each operator, and small ones are
    done by the time the others wake. Here a part is computed by a single thread, whatever their
    number: results do not depend on it.

    Args:
        work: what is done with each part, where torch releases Python's lock; parts must not touch
            each other.
        parts: the longest should come first.
    """
    import torch

    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, "batch", torch.set_num_threads, (1,)) as pool:
            # Counts of a stage are kept in its context, which threads do not see by themselves.
            running = [pool.submit(copy_context().run, work, part) for part in parts]
            try:
                for one in running:
                    one.result()
            finally:
                for one in running:
                    one.cancel()
    finally:
        # What a thread sets is taken over by those that begin later.
        torch.set_num_threads(threads)

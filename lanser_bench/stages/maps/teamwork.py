"""One map stage computed by several processes.

The process that runs the stage leads: it lists the shards, computes those that are free, and merges
all of them. Others may join it: they read its rows and compute free shards, too. The lease on each
shard decides who computes it. A process that dies loses its current shard, which the leader then
computes, so results do not depend on who took part.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from ...counting import tally
from ...store import Store
from ..base import Joined, StageContext
from .distinct_rows import RowIndex, Shard

Make = Callable[[Shard, Callable[[object], None] | None], bool]
"""Computes a shard unless it is stored, and returns whether it did. While another process has the
lease, it waits and calls the second argument, if there is one."""


class _TakenError(Exception):
    """Another process computes this shard."""


def _refuse(owner: object) -> None:
    raise _TakenError


def lead(
    context: StageContext,
    rows: RowIndex,
    todo: Sequence[Shard],
    make: Make,
    tell: Callable[[int], None],
) -> float:
    """Computes shards until all are in the store; `tell` is called with the rows done so far.

    Returns:
        The seconds that other processes took for shards of `todo`.
    """
    file = str(rows.share(todo)) if len(todo) > 1 else None
    queue: deque[tuple[Shard, Any]] = deque((shard, _refuse) for shard in todo)
    if context.spec.stage == "label":
        # Such stages share columns; they begin at different shards, so that none waits.
        queue.rotate(int(context.spec.key[:8], 16))
    left, done, elsewhere, own = len(todo), 0, 0.0, list[float]()
    while queue:
        shard, waiting = queue.popleft()
        left = max(0, left - 1)
        if file is not None:
            mean = sum(own[1:]) / (len(own) - 1) if len(own) > 1 else None
            context.share(
                rows=file, shards=len(todo), left=left, first_s=own[0] if own else None, mean_s=mean
            )
        begin = time.perf_counter()
        try:
            made = shard.key not in context.store and make(shard, waiting)
        except _TakenError:
            queue.append((shard, None))
            continue
        if made:
            own.append(time.perf_counter() - begin)
        else:
            elsewhere += _credited(context.store, shard.key)
        done += shard.rows
        tell(done)
    return elsewhere


def _credited(store: Store, key: str) -> float:
    """Adds the counts of a shard that another process made to this stage; returns its seconds."""
    artifact = store.get(key)
    if artifact is None:
        return 0.0
    for name, amount in artifact.meta["counts"].items():
        tally(name, amount)
    return float(artifact.meta["cost"]["wall_s"])


def assist(joined: Joined, store: Store, rows: RowIndex, make: Make) -> int:
    """Computes free shards of the leader's list, each once; returns how many."""
    count = 0
    for shard in rows.shared(joined.skip):
        if joined.ticket is not None and not joined.ticket.exists():
            break
        try:
            count += shard.key not in store and make(shard, _refuse)
        except _TakenError:
            continue
    return count

"""What a map stage cost, from the times of its shards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...store import Store

STEADY = 3
"""From so many shards on, the median shard is the cost: the first one also loads the model."""


@dataclass(frozen=True)
class Cost:
    """Time per unit of work, as measured when the stage ran."""

    cpu_s: float
    """Seconds of all cores of the stage's process."""
    wall_s: float
    machine: str
    threads: int
    loading: bool
    """Whether the time to load the model is included."""

    @property
    def where(self) -> str:
        """Says where it was measured."""
        return f"{self.machine}, {self.threads} thread{'s' * (self.threads > 1)}"


def cost_of(store: Store, key: str, amounts: Sequence[float]) -> Cost | None:
    """Returns the cost of a finished map stage per unit of work.

    `amounts` is the work in each of its shards, in their order. None if a shard was computed by a
    version that did not measure its cost.
    """
    artifact = store.checked(key)
    shards = [store.checked(part).meta.get("cost") for part in artifact.meta["parts"]]
    costs = [shard for shard in shards if shard is not None]
    if not costs or len(costs) < len(shards) or min(amounts) <= 0:
        return None
    times = np.array([[cost["cpu_s"], cost["wall_s"]] for cost in costs])
    work = np.asarray(amounts)[:, None]
    steady = len(costs) >= STEADY
    cpu, wall = np.median(times / work, axis=0) if steady else times.sum(0) / work.sum()
    machine = " and ".join(dict.fromkeys(cost["machine"] for cost in costs))
    return Cost(float(cpu), float(wall), machine, artifact.spec.threads or 1, not steady)

"""What each stage of a plan needs of a machine: CPU threads, GPU slots and main memory.

None of it is in a key by itself. Threads and devices are in the keys of the stages whose floats
they move, through the settings they come from.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ...errors import SettingsError
from ...kinds.executor import Executor
from ...plugins.discovery import Registry
from ...store import canonical
from ..planning.plan import Node, Plan

BASE_GIB = 0.5
"""A worker with torch loaded and a stage of its own at work, without its plugins."""


@dataclass(frozen=True, order=True)
class Need:
    """What one stage keeps busy while it runs."""

    threads: int
    gpus: int = 0
    memory_gib: float = 0.0

    def within(self, total: Need) -> Need:
        """Returns the need cut to what there is at all: too large a stage runs by itself."""
        return Need(
            min(self.threads, total.threads),
            self.gpus,
            min(self.memory_gib, total.memory_gib),
        )

    def fits(self, free: Need) -> bool:
        """Whether it can start beside what is running."""
        return (
            self.threads <= free.threads
            and self.gpus <= free.gpus
            and self.memory_gib <= free.memory_gib + 1e-9
        )


def capacity(executor: Executor[Any]) -> Need:
    """Returns what an executor has in all."""
    return Need(executor.threads, executor.gpus, executor.total_gib)


def needs(plan: Plan, plugins: Registry, nodes: Iterable[Node]) -> dict[str, Need]:
    """Returns key → need of the stages that are to run.

    A stage asks for a GPU if its settings or one of its plugins' options have ``device: cuda``.
    Its memory is that of the experiment's `memory` section, or `BASE_GIB` and what its plugins
    declare.
    """
    declared: dict[str, float] = {}

    def memory(node: Node) -> float:
        asked: float | None = getattr(plan.experiment.memory, node.stage, None)
        if asked is not None:
            return asked
        total = BASE_GIB
        for identity in node.spec.plugins.values():
            options = {**identity.options, **identity.located}
            memo = canonical([identity.kind, identity.name, options])
            if memo not in declared:
                plugin = plugins.create(identity.kind, identity.name, options)
                declared[memo] = plugin.memory_gib
            total += declared[memo]
        return total

    return {node.key: Need(node.threads, gpus_of(node), memory(node)) for node in nodes}


def gpus_of(node: Node) -> int:
    """Returns how many GPUs a stage asks for."""
    places = [node.spec.params, *(identity.options for identity in node.spec.plugins.values())]
    return int(any(str(place.get("device", "")).startswith("cuda") for place in places))


def check_gpus(executor: Executor[Any], plan: Plan, wanted: dict[str, Need]) -> None:
    """Refuses a plan that asks for a GPU where the executor has none.

    Raises:
        SettingsError: it does; waiting for one would last for ever.
    """
    most = max((need.gpus for need in wanted.values()), default=0)
    if most and most > executor.gpus:  # asked only then: a cluster has to be reached for it
        short = next(key for key, need in wanted.items() if need.gpus == most)
        node = plan.nodes[short]
        raise SettingsError(
            f"{node.stage} ({node.title}) asks for a GPU, and the executor "
            f"'{plan.experiment.executor.name}' has none here. Set executor.gpus if there is one, "
            "or leave 'devices' and the plugin's option 'device' at cpu."
        )

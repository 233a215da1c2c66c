"""Resources of each stage of a plan: CPU threads, GPU slots and main memory.

They are in no key themselves. The settings of threads and devices are in the keys of the stages
whose floats they move.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ...errors import SettingsError
from ...kinds.base import Plugin
from ...kinds.executor import Executor
from ...plugins.discovery import Registry
from ...store import canonical
from ..planning.plan import Node, Plan

BASE_GIB = 0.5
"""A worker with torch that runs a stage, without its plugins."""
MAPS = frozenset({"segment", "transcribe", "label", "features", "embed", "targets"})
"""Stages whose plugin does nearly all the work, and whose shards several workers may compute."""


@dataclass(frozen=True, order=True)
class Need:
    """Resources that one stage occupies."""

    threads: int
    gpus: int = 0
    memory_gib: float = 0.0

    def within(self, total: Need) -> Need:
        """Returns the need, limited to the whole machine: too large a stage runs alone."""
        memory = min(self.memory_gib, total.memory_gib)
        return Need(min(self.threads, total.threads), self.gpus, memory)

    def __sub__(self, other: Need) -> Need:
        """Returns the resources that remain."""
        memory = self.memory_gib - other.memory_gib
        return Need(self.threads - other.threads, self.gpus - other.gpus, memory)

    def __add__(self, other: Need) -> Need:
        """Returns the sum of the resources."""
        memory = self.memory_gib + other.memory_gib
        return Need(self.threads + other.threads, self.gpus + other.gpus, memory)

    def fits(self, free: Need) -> bool:
        """Whether the free resources are enough."""
        return (
            self.threads <= free.threads
            and self.gpus <= free.gpus
            and self.memory_gib <= free.memory_gib + 1e-9
        )


def capacity(executor: Executor[Any]) -> Need:
    """Returns all resources of an executor."""
    return Need(executor.threads, executor.gpus, executor.total_gib)


def needs(plan: Plan, plugins: Registry, nodes: Iterable[Node]) -> dict[str, Need]:
    """Returns key → need of the stages to run.

    A stage needs a GPU for each of its processes if its settings or the options of a plugin have
    ``device: cuda``. Its memory is that of the experiment's `memory` section, or `BASE_GIB` and the
    memory that its plugins declare.
    """
    created: dict[str, Plugin[Any]] = {}

    def used(node: Node) -> Iterator[Plugin[Any]]:
        for identity in node.spec.plugins.values():
            options = {**identity.options, **identity.located}
            memo = canonical([identity.kind, identity.name, options])
            if memo not in created:
                created[memo] = plugins.create(identity.kind, identity.name, options)
            yield created[memo]

    def need(node: Node) -> Need:
        asked: float | None = getattr(plan.experiment.memory, node.stage, None)
        memory = BASE_GIB + sum(p.memory_gib for p in used(node)) if asked is None else asked
        most = [p.most_threads or node.threads for p in used(node) if node.stage in MAPS]
        found = need_of(node, memory)
        return replace(found, threads=min(found.threads, max(most))) if most else found

    return {node.key: need(node) for node in nodes}


def need_of(node: Node, memory_gib: float = 0.0) -> Need:
    """Returns the need of a stage, each of whose processes needs so much memory."""
    places = [node.spec.params, *(identity.options for identity in node.spec.plugins.values())]
    on_gpu = any(place.get("device") == "cuda" for place in places)
    processes = node.spec.params.get("processes", 1)
    return Need(node.threads * processes, on_gpu * processes, memory_gib * processes)


def check_gpus(executor: Executor[Any], plan: Plan, wanted: dict[str, Need]) -> None:
    """Refuses a plan that needs a GPU if the executor has none.

    Raises:
        SettingsError: it does; the stage would wait forever.
    """
    most = max((need.gpus for need in wanted.values()), default=0)
    if most and most > executor.gpus:  # asking a cluster takes time
        short = next(key for key, need in wanted.items() if need.gpus == most)
        node = plan.nodes[short]
        raise SettingsError(
            f"{node.stage} ({node.title}) needs {most} GPU{'s' * (most > 1)}, but the executor "
            f"'{plan.experiment.executor.name}' has {executor.gpus}. If the machine has more, set "
            "executor.gpus; otherwise leave 'devices' and the plugin's option 'device' at cpu."
        )

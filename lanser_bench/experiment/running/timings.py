"""Durations of stages on this machine, kept to estimate later runs.

One small file per store, so that planning opens no artifact for it. Only messages depend on it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Annotated, Any

from pydantic import Field, TypeAdapter

from ...store import Store, read_cache, write_atomic
from ..planning.plan import Node, Plan
from .resources import MAPS

KEPT = 20
"""Most timings kept per stage and plugins: the newest."""
SHARE = 512
"""Rows that are enough for one of several workers of a stage."""
_RATES = TypeAdapter(dict[str, list[Annotated[float, Field(ge=0, le=1e9)]]])


@dataclass(frozen=True)
class Estimate:
    """Estimated time of stages, from equal stages of earlier runs."""

    seconds: float = 0.0
    """Sum over stages."""
    wall_s: float = 0.0
    """Time of the run: stages run at once as far as threads and parents allow."""
    known: int = 0
    """Number of stages with an estimate."""
    unknown: Counter[str] = field(default_factory=Counter)
    """Stage → number of them without a timing."""
    each: dict[str, float] = field(default_factory=dict)
    """Key → seconds, of stages with an estimate."""

    @property
    def sentence(self) -> str:
        """The estimate as a sentence; empty if there is nothing to run."""
        missing = sum(self.unknown.values())
        rest = ", ".join(f"{count} {stage}" for stage, count in self.unknown.items())
        if not self.known:
            return f"No timing yet for {_stages(missing)}." if missing else ""
        begin = f"About {duration(self.wall_s)} ({duration(self.seconds)} of stages one by one)"
        return f"{begin}; no timing yet for {_stages(missing)}: {rest}." if missing else f"{begin}."


class Timings:
    """Seconds per unit of work, by stage and plugins."""

    def __init__(self, store: Store) -> None:
        """Reads the file; starts empty if it is missing or damaged."""
        self._path: Path = store.root / "timings.json"
        self._new: dict[str, list[float]] = {}
        self._rates = self._read()

    def _read(self) -> dict[str, list[float]]:
        return read_cache(self._path, _RATES.validate_json, "estimates of time start again") or {}

    def add(self, plan: Plan, node: Node, seconds: float) -> None:
        """Adds the duration of a finished stage."""
        amount = work(plan, node)
        if amount:
            self._new.setdefault(name_of(node), []).append(seconds / amount)

    def save(self) -> None:
        """Saves new durations; if that fails, the next estimate is poorer."""
        if not self._new:
            return
        rates = self._read()  # another run may have written meanwhile
        for name, new in self._new.items():
            rates[name] = [*rates.get(name, []), *new][-KEPT:]
        self._new = {}
        content = {name: [float(f"{r:.4g}") for r in rates[name]] for name in sorted(rates)}
        with suppress(OSError):
            write_atomic(self._path, json.dumps(content, indent=0) + "\n")

    def seconds(self, plan: Plan, node: Node) -> float | None:
        """Returns the expected duration: the median rate of equal stages times its work."""
        rates, amount = self._rates.get(name_of(node)), work(plan, node)
        return median(rates) * amount if rates and amount else None

    def estimate(self, plan: Plan, to_run: Mapping[str, Node], threads: int) -> Estimate:
        """Estimates stages, parents before children, on the CPU threads of an executor."""
        ends: dict[str, float] = {}
        unknown: Counter[str] = Counter()
        each: dict[str, float] = {}
        total = busy = 0.0
        for key, node in to_run.items():
            known = self.seconds(plan, node)
            if known is None:
                unknown[node.stage] += 1
            else:
                each[key] = known
            took = known or 0.0
            begin = max((ends.get(parent, 0.0) for parent in node.parents), default=0.0)
            shares = work(plan, node) // SHARE if node.stage in MAPS else 1
            ends[key] = begin + took / max(1, min(threads // node.threads, shares))
            total += took
            busy += took * min(node.threads, threads) / threads
        wall = max([busy, *ends.values()])
        return Estimate(total, wall, len(each), unknown, each)


def name_of(node: Node) -> str:
    """Returns stage and plugins, such as ``label entailment``: the key of a timing."""
    return " ".join([node.stage, *(node.spec.plugins[r].name for r in sorted(node.spec.plugins))])


def work(plan: Plan, node: Node) -> int:
    """Returns the amount of work: utterances times passes over them."""
    spec, params = node.spec, node.spec.params
    sets = [key for role, key in spec.parents.items() if role.startswith("utterances")]
    return sum(_utterances(plan, key) for key in sets) * _rounds(node.stage, params)


def _rounds(stage: str, params: Mapping[str, Any]) -> int:
    if stage == "pretrain":
        return int(params["epochs"])
    if stage == "evaluate":
        return int(params["folds"]) * int(params["seeds"]) * len(params["budgets"])
    return 1


def _utterances(plan: Plan, key: str) -> int:
    """Returns the utterances of a manifest; for a segmentation, those of its manifest."""
    if key in plan.manifests:
        return int(plan.manifests[key].counts["utterances"])
    parents: Iterable[str] = plan.nodes[key].spec.parents.values() if key in plan.nodes else ()
    return sum(_utterances(plan, parent) for parent in parents)


def duration(seconds: float) -> str:
    """Returns seconds as text: ``40 s``, ``3 min``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def _stages(count: int) -> str:
    return f"{count} stage{'' if count == 1 else 's'}"

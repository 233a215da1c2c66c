"""The plan of a run: cells and the distinct stages they need, and why a stage must run."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

from ..._face import Tabled
from ...data.manifest import BuiltManifest
from ...kinds.executor import StageCall
from ...stages.base import RunnableCall
from ...store import Spec, Store, digest
from ...store.plan_history import SavedPlan, active_plan, plan_path, save_plan
from ..settings.axis_names import slug
from ..settings.model import Experiment
from .spec_diff import differences

Role = Literal["main", "control"]
NEW = "not computed yet"
LOST = "planned before, but not in the store: it was not finished, or removed"


@dataclass(frozen=True)
class Node:
    """One distinct stage of a plan."""

    key: str
    spec: Spec
    title: str
    """Inputs and plugins, for people."""
    threads: int
    parents: tuple[str, ...]
    """Keys of the nodes it waits for; manifests exist before."""
    audio: tuple[str, ...] = ()
    """Files with the paths of recordings."""

    @property
    def stage(self) -> str:
        """Name of the stage."""
        return self.spec.stage

    def call(self, store: Store, plugin_dirs: tuple[Path, ...]) -> StageCall:
        """Returns the node as plain data for an executor."""
        return RunnableCall(
            stage=self.stage,
            key=self.key,
            spec=self.spec.model_dump(mode="json"),
            store=store.root,
            layers=store.layers,
            threads=self.threads,
            plugin_dirs=plugin_dirs,
            inputs={
                "audio": list(self.audio),
                "located": {role: p.located for role, p in self.spec.plugins.items() if p.located},
            },
        )


@dataclass(frozen=True)
class TargetKeys:
    """Keys of the results of one labelled set."""

    dataset: str
    evaluation: str
    measured: dict[str, dict[str, str]]
    """Name of a measurement → plugin or role → key; without measurements that have no result."""
    notes: tuple[str, ...] = ()
    """Measurements that could not be planned, and target data that the encoder has learnt."""

    @property
    def probes(self) -> dict[str, str]:
        """Probe → key."""
        return self.measured.get("probes", {})

    @property
    def keys(self) -> list[str]:
        """Keys of all results."""
        return [self.evaluation, *(k for keys in self.measured.values() for k in keys.values())]


@dataclass
class Cell:
    """One row of the results: one encoder made in one way from one seed."""

    experiment: str
    axes: dict[str, str]
    role: Role
    control: str | None
    """``random_init``, ``logmel_stats``, ``shuffled`` …; None for a main cell."""
    seed: int | None
    """Seed of pre-training or of the random weights; None if nothing is drawn."""
    show_seed: bool
    settings: Experiment
    encoder: str
    taxonomy: str | None
    """Name of the taxonomy of its weak labels; None without them."""
    stages: dict[str, str]
    """Place in the cell, such as ``label corpora.0`` → key; manifests included."""
    targets: list[TargetKeys]

    @property
    def group(self) -> str:
        """Name without the seed: cells of one group differ in their seed only."""
        axes = ", ".join(f"{axis}={value}" for axis, value in self.axes.items())
        if self.control is None:
            return axes or self.experiment
        return f"{self.control} [{axes}]" if axes else self.control

    @property
    def name(self) -> str:
        """Readable and unique in its plan."""
        shown = self.show_seed and self.seed is not None
        return f"{self.group}, seed={self.seed}" if shown else self.group

    @cached_property
    def leaves(self) -> list[str]:
        """Keys of all its results."""
        return [key for t in self.targets for key in t.keys]

    @cached_property
    def key(self) -> str:
        """Identity of its numbers: a digest of the keys of all its results."""
        return digest([[t.dataset, t.probes, t.keys] for t in self.targets])

    @property
    def record_path(self) -> Path:
        """Where its record lies below ``paths.results``."""
        return Path(self.experiment) / f"{slug(self.name)}-{self.key[:8]}.json"


def users_of(cells: Iterable[Cell]) -> dict[str, list[Cell]]:
    """Returns key → cells that need it."""
    users: dict[str, list[Cell]] = {}
    for cell in cells:
        for key in set(cell.stages.values()):
            users.setdefault(key, []).append(cell)
    return users


@dataclass(repr=False)
class Plan(Tabled):
    """Cells, distinct stages and the manifests they start from."""

    experiment: Experiment
    """Settings of the first cell; all cells share paths, trackers and executor."""
    cells: list[Cell]
    nodes: dict[str, Node]
    """Key → node, parents before children."""
    manifests: dict[str, BuiltManifest]
    """Key → manifest."""
    plugin_dirs: tuple[Path, ...] = ()
    users: dict[str, list[Cell]] = field(default_factory=dict)
    """Key → cells that need it."""

    def __repr__(self) -> str:
        """One line for a notebook."""
        name = self.experiment.name
        return f"<Plan of '{name}': {len(self.cells)} cells, {len(self.nodes)} distinct stages>"

    def to_run(self, store: Store) -> dict[str, Node]:
        """Returns the nodes that must run: missing results, and their missing parents."""
        return self._missing((key for cell in self.cells for key in cell.leaves), store)

    def part(self, wanted: Callable[[Cell], bool]) -> Plan:
        """Returns the plan of some of its cells."""
        cells = [cell for cell in self.cells if wanted(cell)]
        users = users_of(cells)
        nodes = {key: node for key, node in self.nodes.items() if key in users}
        return replace(self, cells=cells, nodes=nodes, users=users)

    def missing_below(self, key: str, store: Store) -> dict[str, Node]:
        """Returns the ancestors of a stage that must run again."""
        return self._missing(self.nodes[key].parents, store)

    def _missing(self, keys: Iterable[str], store: Store) -> dict[str, Node]:
        """Returns the nodes among some keys and their ancestors that are not in the store."""
        todo, seen, missing = list(keys), set[str](), set[str]()
        while todo:
            key = todo.pop()
            if key in self.nodes and key not in seen:
                seen.add(key)
                if key not in store:
                    missing.add(key)
                    todo.extend(self.nodes[key].parents)
        return {key: node for key, node in self.nodes.items() if key in missing}

    def save(self, store: Store) -> None:
        """Saves the plan, so that the next one can report changes."""
        save_plan(plan_path(store, self.experiment.name), self._specs, self.cells)

    def at_work(self, store: Store) -> AbstractContextManager[None]:
        """Saves the plan during a run, so that its artifacts are not removed."""
        return active_plan(store, self.experiment.name, self._specs, self.cells)

    def reasons(self, store: Store, run: Iterable[str]) -> dict[str, str]:
        """Returns for each key of `run` why its stage must run."""
        keys = list(run)
        before = SavedPlan.read(plan_path(store, self.experiment.name)) if keys else None
        if before is None:
            return dict.fromkeys(keys, NEW)
        return {key: self._reason(key, before) for key in keys}

    def _reason(self, key: str, before: SavedPlan) -> str:
        asked = set()
        for cell in self.users.get(key, ()):
            place = next(place for place, k in cell.stages.items() if k == key)
            if (cell.control, place) in asked:
                continue
            asked.add((cell.control, place))
            old = before.key_at(cell, place)
            if old == key:
                return LOST
            if old is not None:
                one, two = before.specs[old], self.nodes[key].spec
                return "; ".join(differences(one, two, before.specs, self._specs)) or NEW
        return NEW

    @property
    def notes(self) -> list[str]:
        """Notes on the results of its cells, each once."""
        return list(dict.fromkeys(n for cell in self.cells for t in cell.targets for n in t.notes))

    @cached_property
    def _specs(self) -> dict[str, Spec]:
        specs = {key: node.spec for key, node in self.nodes.items()}
        return specs | {key: manifest.artifact.spec for key, manifest in self.manifests.items()}

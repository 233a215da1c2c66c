"""The last plan of each experiment, kept to say what has changed since, and those of runs at work.

One compressed file of four JSON lines: a head with the plan's digest, parts that many stages share,
the stages, and the cells. Only the head is read to see that nothing has changed; the rest when
there is something to explain.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from .files import write_atomic
from .keys import Spec, canonical
from .lease import Owner
from .store import Store, draft_owner

FORMAT = 2
SUFFIX = ".json.gz"
WORKING = Path("plans", "working")
"""Folder of the plans of runs at work, in a store."""
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class PlannedCell(Protocol):
    """What is kept of a cell."""

    @property
    def name(self) -> str:
        """Unique in its plan."""

    @property
    def control(self) -> str | None:
        """None for a main cell."""

    @property
    def axes(self) -> Mapping[str, str]:
        """Axis → readable value."""

    @property
    def stages(self) -> Mapping[str, str]:
        """Place in the cell → key."""


@dataclass(frozen=True, slots=True)
class SavedCell:
    """A cell as it was planned."""

    name: str
    control: str | None
    axes: dict[str, str]
    stages: dict[str, str]


def plan_path(store: Store, experiment: str) -> Path:
    """File with the last plan of an experiment."""
    return store.root / "plans" / f"{experiment}{SUFFIX}"


def saved_plans(store: Store) -> Iterator[SavedPlan]:
    """Yields the last plan of every experiment that can be read."""
    for path in sorted((store.root / "plans").glob(f"*{SUFFIX}")):
        plan = SavedPlan.read(path)
        if plan is not None:
            yield plan


@contextmanager
def at_work(
    store: Store, experiment: str, specs: Mapping[str, Spec], cells: Sequence[PlannedCell]
) -> Iterator[None]:
    """Keeps the plan of a run while it is at work.

    The last plan of its experiment may be another one by then: that of a later run of the same
    name with other settings, or of the whole where a part of it is run.
    """
    folder = store.root / WORKING / f"run-{Owner.here().tag}-{secrets.token_hex(4)}"
    path = folder / f"{experiment}{SUFFIX}"
    try:
        folder.mkdir(parents=True)
        with suppress(OSError):  # then it is written
            os.link(plan_path(store, experiment), path)
            os.utime(path)
        save_plan(path, specs, cells)
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def plans_at_work(store: Store) -> Iterator[SavedPlan]:
    """Yields the plans of the runs that may be at work now."""
    for path in sorted((store.root / WORKING).glob(f"*/*{SUFFIX}")):
        owner = draft_owner(path.parent)
        plan = None if owner is not None and owner.is_dead() else SavedPlan.read(path)
        if plan is not None:
            yield plan


def save_plan(path: Path, specs: Mapping[str, Spec], cells: Sequence[PlannedCell]) -> None:
    """Keeps a plan; one that is there already is not written again."""
    identity = _digest(cells)
    if _head(path).get("digest") == identity:
        return
    parts: dict[str, int] = {}
    stages = {key: _packed(spec, parts) for key, spec in specs.items()}
    number = {key: position for position, key in enumerate(stages)}
    places: dict[str, int] = {}
    rows = [
        [
            cell.name,
            cell.control,
            cell.axes,
            [places.setdefault(place, len(places)) for place in cell.stages],
            [number[key] for key in cell.stages.values()],
        ]
        for cell in cells
    ]
    # Not canonical: cells name stages by their place in the order.
    content = [_encoder.encode(value) for value in (stages, [list(places), rows])]
    head = _encoder.encode({"format": FORMAT, "digest": identity})
    lines = (head, "[" + ",".join(parts) + "]", *content)
    # mtime: equal plans are equal bytes.
    packed = gzip.compress("\n".join(lines).encode(), compresslevel=1, mtime=0)
    write_atomic(path, packed)


def _digest(cells: Iterable[PlannedCell]) -> str:
    sha = hashlib.sha256()
    for cell in cells:
        sha.update(f"{cell.name}\n{cell.control}\n{''.join(cell.stages.values())}\n".encode())
    return sha.hexdigest()


def _head(path: Path) -> dict[str, Any]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            head = json.loads(file.readline())
    except (OSError, ValueError, EOFError):
        return {}
    return head if isinstance(head, dict) and head.get("format") == FORMAT else {}


def _packed(spec: Spec, parts: dict[str, int]) -> list[Any]:
    def part(value: Any) -> int:
        return parts.setdefault(canonical(value), len(parts))

    plugins = {role: part(p.model_dump(mode="json")) for role, p in spec.plugins.items()}
    return [
        spec.stage,
        spec.stage_version,
        plugins,
        part(spec.params),
        spec.parents,
        spec.seed,
        spec.threads,
    ]


class SavedSpecs(Mapping[str, Spec]):
    """Key → stage as it was planned, read when it is asked for."""

    def __init__(self, packed: Mapping[str, list[Any]], parts: Sequence[Any]) -> None:
        """Takes the lines of the file."""
        self._packed, self._parts = packed, parts

    def __getitem__(self, key: str) -> Spec:
        stage, version, plugins, params, parents, seed, threads = self._packed[key]
        return Spec(
            stage=stage,
            stage_version=version,
            plugins={role: self._parts[number] for role, number in plugins.items()},
            params=self._parts[params],
            parents=parents,
            seed=seed,
            threads=threads,
        )

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)


@dataclass(frozen=True)
class SavedPlan:
    """The last plan of an experiment."""

    experiment: str
    cells: list[SavedCell]
    specs: SavedSpecs

    @classmethod
    def read(cls, path: Path) -> SavedPlan | None:
        """Returns it, or None if there is none that can be read."""
        if not _head(path):
            return None
        try:
            with gzip.open(path, "rt", encoding="utf-8") as file:
                _, parts, stages, (places, rows) = map(json.loads, file)
            keys = list(stages)
            cells = [
                SavedCell(
                    name,
                    control,
                    axes,
                    {places[p]: keys[k] for p, k in zip(where, used, strict=True)},
                )
                for name, control, axes, where, used in rows
            ]
            return cls(path.name.removesuffix(SUFFIX), cells, SavedSpecs(stages, parts))
        except (OSError, ValueError, KeyError, TypeError, EOFError, IndexError):
            return None  # only reasons are lost: an unreadable plan must not stop a run

    def key_at(self, cell: PlannedCell, place: str) -> str | None:
        """Returns the key at the same place of the same cell, or of one that is most like it.

        That is one that differs in a single axis, else the first with the same control.
        """
        for found in self._alike(cell):
            if place in self.cells[found].stages:
                return self.cells[found].stages[place]
        return self._first.get((cell.control, place))

    def _alike(self, cell: PlannedCell) -> Iterator[int]:
        same = self._by_name.get((cell.control, cell.name))
        if same is not None:
            yield same
        for sum_ in _sums(cell):
            near = self._near.get((cell.control, sum_))
            if near is not None:
                yield near

    @cached_property
    def _by_name(self) -> dict[tuple[str | None, str], int]:
        return {(cell.control, cell.name): place for place, cell in enumerate(self.cells)}

    @cached_property
    def _near(self) -> dict[tuple[str | None, int], int]:
        found: dict[tuple[str | None, int], int] = {}
        for place, cell in enumerate(self.cells):
            for sum_ in _sums(cell):
                found.setdefault((cell.control, sum_), place)
        return found

    @cached_property
    def _first(self) -> dict[tuple[str | None, str], str]:
        found: dict[tuple[str | None, str], str] = {}
        for cell in self.cells:
            for place, key in cell.stages.items():
                found.setdefault((cell.control, place), key)
        return found


def _sums(cell: PlannedCell) -> Iterator[int]:
    """Yields a number for the cell's axes, then one for them without each of them in turn.

    Sums of hashes, because sets of all of these would not fit for a hundred thousand cells.
    """
    hashes = [hash(item) for item in cell.axes.items()]
    yield sum(hashes)
    for own in hashes:
        yield sum(hashes) - own

"""The latest plan of each experiment, kept to explain changes, and the plans of active runs.

A plan is a compressed file of four JSON lines: a head with the plan's digest, parts that stages
share, the stages, and the cells. The head alone shows whether anything has changed; the other lines
explain changes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

from .._digest import canonical
from .files import read_cache, write_atomic
from .keys import Spec
from .lease import Owner, is_dead
from .store import Store, draft_owner

FORMAT = 2
SUFFIX = ".json.gz"
WORKING = Path("plans", "working")
"""Folder of the plans of active runs, in a store."""
_COST = "why its stages run again is unknown"
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class PlannedCell(Protocol):
    """The facts of a cell that a saved plan keeps."""

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
    """A cell of a saved plan."""

    name: str
    control: str | None
    axes: dict[str, str]
    stages: dict[str, str]


def plan_path(store: Store, experiment: str) -> Path:
    """Returns the file of an experiment's latest plan."""
    return store.root / "plans" / f"{experiment}{SUFFIX}"


def saved_plans(store: Store) -> Iterator[SavedPlan]:
    """Yields the latest plan of every experiment; removes damaged ones."""
    for path in sorted((store.root / "plans").glob(f"*{SUFFIX}")):
        if (plan := SavedPlan.read(path)) is not None:
            yield plan


@contextmanager
def active_plan(
    store: Store, experiment: str, specs: Mapping[str, Spec], cells: Sequence[PlannedCell]
) -> Iterator[None]:
    """Keeps the plan of a run while it is active.

    The experiment's latest plan may be another one: that of a later run of the same name with other
    settings, or that of the whole experiment if this run is a part of it.
    """
    folder = store.root / WORKING / f"run-{Owner.here().tag}-{secrets.token_hex(4)}"
    path = folder / f"{experiment}{SUFFIX}"
    try:
        folder.mkdir(parents=True)
        with suppress(OSError):  # it is written below
            os.link(plan_path(store, experiment), path)
            os.utime(path)
        save_plan(path, specs, cells)
        yield
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def active_plans(store: Store) -> Iterator[SavedPlan]:
    """Yields the plans of runs that may be active now."""
    for path in sorted((store.root / WORKING).glob(f"*/*{SUFFIX}")):
        plan = None if is_dead(draft_owner(path.parent)) else SavedPlan.read(path)
        if plan is not None:
            yield plan


def save_plan(path: Path, specs: Mapping[str, Spec], cells: Sequence[PlannedCell]) -> None:
    """Writes a plan, unless the file has it already."""
    identity = _digest(cells)
    if _head(path).get("digest") == identity:
        return
    parts: dict[str, int] = {}
    stages = {key: _packed(spec, parts) for key, spec in specs.items()}
    number = {key: position for position, key in enumerate(stages)}
    places: dict[str, int] = {}

    def row(cell: PlannedCell) -> list[Any]:
        where = [places.setdefault(place, len(places)) for place in cell.stages]
        used = [number[key] for key in cell.stages.values()]
        return [cell.name, cell.control, cell.axes, where, used]

    rows = [row(cell) for cell in cells]
    # Not canonical JSON: cells refer to stages by position.
    content = [_encoder.encode(value) for value in (stages, [list(places), rows])]
    head = _encoder.encode({"format": FORMAT, "digest": identity})
    lines = (head, f"[{','.join(parts)}]", *content)
    # mtime=0: equal plans give equal bytes.
    write_atomic(path, gzip.compress("\n".join(lines).encode(), compresslevel=1, mtime=0))


def _digest(cells: Iterable[PlannedCell]) -> str:
    sha = hashlib.sha256()
    for cell in cells:
        sha.update(f"{cell.name}\n{cell.control}\n{''.join(cell.stages.values())}\n".encode())
    return sha.hexdigest()


def _unpacked(raw: bytes) -> gzip.GzipFile:
    return gzip.GzipFile(fileobj=io.BytesIO(raw))


def _head(path: Path) -> dict[str, Any]:
    head = read_cache(path, lambda raw: json.loads(_unpacked(raw).readline()), _COST)
    return head if isinstance(head, dict) and head.get("format") == FORMAT else {}


def _packed(spec: Spec, parts: dict[str, int]) -> list[Any]:
    def part(value: Any) -> int:
        return parts.setdefault(canonical(value), len(parts))

    plugins = {role: part(p.model_dump(mode="json")) for role, p in spec.plugins.items()}
    params = part(spec.params)
    return [spec.stage, spec.stage_version, plugins, params, spec.parents, spec.seed, spec.threads]


class SavedSpecs(Mapping[str, Spec]):
    """Key → spec of a planned stage, unpacked on access."""

    def __init__(self, packed: Mapping[str, list[Any]], parts: Sequence[Any]) -> None:
        """Wraps the lines of the file."""
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
    """A saved plan of an experiment."""

    experiment: str
    cells: list[SavedCell]
    specs: SavedSpecs

    @classmethod
    def read(cls, path: Path) -> SavedPlan | None:
        """Reads a plan; returns None if it is missing, damaged or of another version."""
        if not _head(path):
            return None
        return read_cache(path, partial(cls._parsed, path.name.removesuffix(SUFFIX)), _COST)

    @classmethod
    def _parsed(cls, experiment: str, raw: bytes) -> SavedPlan:
        _, parts, stages, (places, rows) = map(json.loads, _unpacked(raw))
        keys = list(stages)
        cells = []
        for name, control, axes, where, used in rows:
            used_keys = {places[p]: keys[k] for p, k in zip(where, used, strict=True)}
            cells.append(SavedCell(name, control, axes, used_keys))
        return cls(experiment, cells, SavedSpecs(stages, parts))

    def key_at(self, cell: PlannedCell, place: str) -> str | None:
        """Returns the key at the same place of the same cell, or of the most similar cell.

        That is a cell that differs in a single axis, else the first with the same control.
        """
        for number in self._similar(cell):
            if place in self.cells[number].stages:
                return self.cells[number].stages[place]
        return self._first.get((cell.control, place))

    def _similar(self, cell: PlannedCell) -> Iterator[int]:
        same = self._by_name.get((cell.control, cell.name))
        near = (self._near.get((cell.control, total)) for total in _sums(cell))
        yield from (number for number in (same, *near) if number is not None)

    @cached_property
    def _by_name(self) -> dict[tuple[str | None, str], int]:
        return {(cell.control, cell.name): number for number, cell in enumerate(self.cells)}

    @cached_property
    def _near(self) -> dict[tuple[str | None, int], int]:
        numbers: dict[tuple[str | None, int], int] = {}
        for number, cell in enumerate(self.cells):
            for total in _sums(cell):
                numbers.setdefault((cell.control, total), number)
        return numbers

    @cached_property
    def _first(self) -> dict[tuple[str | None, str], str]:
        keys: dict[tuple[str | None, str], str] = {}
        for cell in self.cells:
            for place, key in cell.stages.items():
                keys.setdefault((cell.control, place), key)
        return keys


def _sums(cell: PlannedCell) -> Iterator[int]:
    """Yields a number for the cell's axes, then one for the axes without each of them in turn.

    They are sums of hashes: sets of axes would not fit in memory for a hundred thousand cells.
    """
    hashes = [hash(item) for item in cell.axes.items()]
    yield sum(hashes)
    for own in hashes:
        yield sum(hashes) - own

"""Upkeep of a store: find damaged, needed and removable artifacts and leftover files."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .artifact import FORMAT, Artifact
from .keys import Spec
from .lease import Held, Owner, hold, holder, is_dead
from .plan_history import WORKING
from .store import Store, draft_owner

GRACE_S = 3600.0
"""Newer artifacts are kept: a run may be about to refer to them."""
DAY_S = 86400.0


@dataclass(frozen=True)
class Damage:
    """An artifact that must be computed again."""

    artifact: Artifact
    stage: str
    faults: list[str]


@dataclass
class Audit:
    """The result of checking every byte."""

    verified: int = 0
    damaged: list[Damage] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    """Keys of artifacts of another format, which are ignored."""


def audit(store: Store) -> Audit:
    """Verifies the checksums of every artifact, and that all shards it refers to are intact.

    The store is not changed; `Store.set_aside` removes damaged artifacts.
    """
    result, whole = Audit(), {}
    for folder in sorted((store.root / "objects").glob("*/*")):
        artifact = Artifact(folder.name, folder)
        meta = _meta(artifact)
        if "format" in meta and meta["format"] != FORMAT:
            result.foreign.append(artifact.key)
            continue
        result.verified += 1
        faults = artifact.faults()
        if faults:
            result.damaged.append(Damage(artifact, _stage(meta), faults))
        else:
            whole[artifact.key] = artifact
    for artifact in whole.values():
        lost = [k for k in artifact.meta["parts"] if k not in whole and not _layered(store, k)]
        if lost:
            named = ", ".join(key[:12] for key in lost[:3])
            faults = [f"{len(lost)} of its shards are missing or damaged: {named}"]
            result.damaged.append(Damage(artifact, _stage(artifact.meta), faults))
    return result


def _layered(store: Store, key: str) -> bool:
    artifact = store.get(key)
    return artifact is not None and artifact.path != store.root / "objects" / key[:2] / key


def _meta(artifact: Artifact) -> dict[str, Any]:
    try:
        meta: Any = artifact.meta
    except (OSError, ValueError):
        return {}
    return dict(meta) if isinstance(meta, dict) else {}


def _stage(meta: Mapping[str, Any]) -> str:
    spec = meta.get("spec")
    return str(spec.get("stage", "?")) if isinstance(spec, dict) else "?"


def needed(store: Store, roots: Iterable[str], planned: Mapping[str, Spec]) -> set[str]:
    """Returns keys with everything they depend on: parents, shards and the parents of those.

    `planned` has the specs of stages that may not have run. The existing shards of unfinished
    stages are needed too.
    """
    keys: set[str] = set()
    todo = [*roots]
    while todo:
        key = todo.pop()
        if key in keys:
            continue
        keys.add(key)
        artifact = store.get(key)
        if artifact is not None:
            todo += [*artifact.meta["spec"]["parents"].values(), *artifact.meta["parts"]]
        elif key in planned:
            todo += planned[key].parents.values()
    own = set(store.keys())
    unfinished = {_shards_of(spec) for key, spec in planned.items() if key in keys - own}
    for key in own - keys if unfinished else ():
        artifact = store.get(key)
        if artifact is None or not artifact.meta["spec"]["stage"].endswith(".shard"):
            continue
        if _shards_of(artifact.spec) in unfinished:
            keys.add(key)
    return keys


def _shards_of(spec: Spec) -> tuple[str, str]:
    """Returns what a stage and its shards have in common."""
    stage = spec.stage.removesuffix(".shard")
    return stage, repr(sorted((role, p.model_dump_json()) for role, p in spec.plugins.items()))


@dataclass(frozen=True)
class Leftover:
    """A file or folder that is no longer needed."""

    path: Path
    why: str

    @property
    def size(self) -> int:
        """Bytes of all its files."""
        return folder_size(self.path)


def folder_size(path: Path) -> int:
    """Returns the bytes of a file, or of all files below a folder; 0 if it is missing."""
    size = 0
    for file in [path] if path.is_file() else path.rglob("*"):
        try:
            size += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:
            continue  # removed by a running process
    return size


def working(store: Store) -> dict[str, Owner | None]:
    """Returns the keys that processes may be computing now, with the processes."""
    locks = store.root / "locks"
    leases = {path.stem: holder(locks, path.stem) for path in locks.glob("*.lease")}
    return {
        key: held.owner
        for key, held in leases.items()
        if held is not None and not is_dead(held.owner)
    }


class Clock:
    """Ages of files by the clock of their disk, which may be another machine's."""

    def __init__(self, store: Store) -> None:
        """Reads the disk's time."""
        probe = store.root / "tmp" / ".clock"
        probe.touch()
        self._now = probe.stat().st_mtime
        probe.unlink(missing_ok=True)

    def age_s(self, path: Path) -> float:
        """Returns the seconds since the last write to a file or folder; 0 if it is missing."""
        try:
            times = [path.stat().st_mtime, *(p.stat().st_mtime for p in path.rglob("*"))]
        except FileNotFoundError:
            return 0.0
        return self._now - max(times)


def leftovers(store: Store, planned: Iterable[str]) -> Iterator[Leftover]:
    """Yields files of dead processes, and files that finished stages no longer need.

    The checkpoints and paths of `planned` keys, which a run may finish later, stay.
    """
    clock, alive, wanted = Clock(store), working(store), set(planned)
    root = store.root
    for path in _in(root / "tmp"):
        if is_dead(draft_owner(path)):
            yield Leftover(path, "abandoned draft")
        elif clock.age_s(path) > DAY_S and path.name.partition("-")[0] not in alive:
            yield Leftover(path, "draft unchanged for a day")
    yield from _stale_leases(root / "locks", alive, clock)
    for path in _in(root / "progress"):
        if path.name.partition(".")[0] not in alive and clock.age_s(path) > 60:
            yield Leftover(path, "orphaned progress file")
    for path in _in(root / "checkpoints"):
        if path.name not in alive and (path.name in store or _old(path, wanted, clock)):
            yield Leftover(path, "checkpoint of a finished or unplanned stage")
    for path in _in(root / "paths"):
        if path.stem not in store and _old(path, wanted, clock):
            yield Leftover(path, "paths of a removed manifest")
    for path in _in(root / "columns"):
        if clock.age_s(path) > DAY_S and not any(one.name in store for one in _in(path)):
            yield Leftover(path, "list of removed columns")
    for path in _in(root / "damaged"):
        if path.suffix != ".json" or path.stem in store:
            yield Leftover(path, "damaged artifact")
    for path in _in(root / WORKING):
        if is_dead(draft_owner(path)) or clock.age_s(path) > 30 * DAY_S:
            yield Leftover(path, "plan of an ended run")
    for path in _in(root / "logs"):
        if clock.age_s(path) > 7 * DAY_S:
            yield Leftover(path, "log older than a week")


def _old(path: Path, wanted: set[str], clock: Clock) -> bool:
    return path.stem not in wanted and clock.age_s(path) > DAY_S


def _stale_leases(
    folder: Path, alive: Mapping[str, Owner | None], clock: Clock
) -> Iterator[Leftover]:
    for path in _in(folder):
        held = Held.read(path)
        dead = held is not None and is_dead(held.owner)
        if path.name.lstrip(".").partition(".")[0].partition("-")[0] in alive:
            continue
        if dead or clock.age_s(path) > DAY_S:
            yield Leftover(path, "abandoned lease" if dead else "lock of an older version")


def _in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def sweep(store: Store, unneeded: Iterable[Leftover]) -> None:
    """Removes leftovers; takes over a lease first, so that no other process can."""
    locks = store.root / "locks"
    for leftover in unneeded:
        path = leftover.path
        if path.parent == locks and path.suffix == ".lease":
            with hold(locks, path.stem):
                continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def garbage(store: Store, keep: set[str], older_than_s: float = GRACE_S) -> list[Artifact]:
    """Returns the store's own artifacts that are neither kept nor recently written."""
    clock, alive = Clock(store), working(store)
    candidates = sorted({*store.keys()} - keep - alive.keys())
    artifacts = (store.get(key) for key in candidates)
    return [a for a in artifacts if a is not None and clock.age_s(a.path) > older_than_s]

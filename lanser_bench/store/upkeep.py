"""Upkeep of a store: what is damaged, what is needed, what may go."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .artifact import FORMAT, Artifact
from .keys import Spec
from .lease import Held, Owner, hold, holder
from .plan_history import WORKING
from .store import Store, draft_owner

GRACE_S = 3600.0
"""What was written in the last hour stays: a run may be about to name it."""
DAY_S = 86400.0


@dataclass(frozen=True)
class Damage:
    """An artifact that must be computed again."""

    artifact: Artifact
    stage: str
    faults: list[str]


@dataclass
class Audit:
    """What a look at every byte has found."""

    verified: int = 0
    damaged: list[Damage] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)
    """Keys of artifacts of another format: not used, not touched."""


def audit(store: Store, progress: Callable[[str], None] | None = None) -> Audit:
    """Compares every artifact with its checksums, and every map with the shards it refers to.

    Args:
        store: nothing is changed in it; `Store.set_aside` takes what is damaged out of use.
        progress: told each key before it is read.
    """
    found, whole = Audit(), {}
    for folder in sorted((store.root / "objects").glob("*/*")):
        artifact = Artifact(folder.name, folder)
        if progress is not None:
            progress(artifact.key)
        meta = _meta(artifact)
        if "format" in meta and meta["format"] != FORMAT:
            found.foreign.append(artifact.key)
            continue
        found.verified += 1
        faults = artifact.faults()
        if faults:
            found.damaged.append(Damage(artifact, _stage(meta), faults))
        else:
            whole[artifact.key] = artifact
    for artifact in whole.values():
        lost = [k for k in artifact.meta["parts"] if k not in whole and not _layered(store, k)]
        if lost:
            named = ", ".join(key[:12] for key in lost[:3])
            faults = [f"{len(lost)} of its shards are missing or damaged: {named}"]
            found.damaged.append(Damage(artifact, _stage(artifact.meta), faults))
    return found


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
    """Returns some keys with all that they were made from: parents, shards and their parents.

    Args:
        store: tells the parents of what is finished.
        roots: the keys to start from.
        planned: specs of stages that may not have run; of those that have not, the shards that are
            there already are needed too.
    """
    found: set[str] = set()
    todo = [*roots]
    while todo:
        key = todo.pop()
        if key in found:
            continue
        found.add(key)
        artifact = store.get(key)
        if artifact is not None:
            todo += [*artifact.meta["spec"]["parents"].values(), *artifact.meta["parts"]]
        elif key in planned:
            todo += planned[key].parents.values()
    own = set(store.keys())
    unfinished = {_shards_of(spec) for key, spec in planned.items() if key in found - own}
    for key in own - found if unfinished else ():
        artifact = store.get(key)
        if artifact is not None and artifact.meta["spec"]["stage"].endswith(".shard"):
            spec = artifact.spec
            if _shards_of(spec) in unfinished:
                found.add(key)
    return found


def _shards_of(spec: Spec) -> tuple[str, str]:
    """What a stage and its shards have in common."""
    stage = spec.stage.removesuffix(".shard")
    return stage, repr(sorted((role, p.model_dump_json()) for role, p in spec.plugins.items()))


@dataclass(frozen=True)
class Leftover:
    """A file or folder that nobody needs any more."""

    path: Path
    why: str

    @property
    def size(self) -> int:
        """Bytes of all files in it."""
        return folder_size(self.path)


def folder_size(path: Path) -> int:
    """Returns the bytes of a file, or of all files below a folder; 0 if it is gone."""
    size = 0
    for file in [path] if path.is_file() else path.rglob("*"):
        try:
            size += file.stat().st_size if file.is_file() else 0
        except FileNotFoundError:
            continue  # a running process has just removed it
    return size


def working(store: Store) -> dict[str, Owner | None]:
    """Returns the keys that somebody may be computing now, and who."""
    found = {}
    for path in (store.root / "locks").glob("*.lease"):
        held = holder(store.root / "locks", path.stem)
        if held is not None and not (held.owner is not None and held.owner.is_dead()):
            found[path.stem] = held.owner
    return found


class Clock:
    """Ages of files by the clock of the disk they lie on, which may be another machine's."""

    def __init__(self, store: Store) -> None:
        """Asks the disk for its time."""
        probe = store.root / "tmp" / ".clock"
        probe.touch()
        self._now = probe.stat().st_mtime
        probe.unlink(missing_ok=True)

    def age_s(self, path: Path) -> float:
        """Returns the seconds since anything in a file or folder was written; 0 if it is gone."""
        try:
            times = [path.stat().st_mtime, *(p.stat().st_mtime for p in path.rglob("*"))]
        except FileNotFoundError:
            return 0.0
        return self._now - max(times)


def leftovers(store: Store, planned: Iterable[str]) -> Iterator[Leftover]:
    """Yields what dead processes have left and what finished ones need no more.

    Args:
        store: nothing is changed in it.
        planned: keys that a run may want to finish: their checkpoints and paths stay.
    """
    clock, alive, wanted = Clock(store), working(store), set(planned)
    root = store.root
    for path in _in(root / "tmp"):
        writer = draft_owner(path)
        if writer is not None and writer.is_dead():
            yield Leftover(path, "draft of a dead process")
        elif clock.age_s(path) > DAY_S and path.name.partition("-")[0] not in alive:
            yield Leftover(path, "draft, untouched for a day")
    yield from _stale_leases(root / "locks", alive, clock)
    for path in _in(root / "progress"):
        if path.name.partition(".")[0] not in alive and clock.age_s(path) > 60:
            yield Leftover(path, "progress of nobody")
    for path in _in(root / "checkpoints"):
        if path.name not in alive and (path.name in store or _old(path, wanted, clock)):
            yield Leftover(path, "checkpoint of a finished or forgotten stage")
    for path in _in(root / "paths"):
        if path.stem not in store and _old(path, wanted, clock):
            yield Leftover(path, "paths of a manifest that is gone")
    for path in _in(root / "damaged"):
        if path.suffix != ".json" or path.stem in store:
            yield Leftover(path, "damaged, set aside")
    for path in _in(root / WORKING):
        runner = draft_owner(path)
        if (runner is not None and runner.is_dead()) or clock.age_s(path) > 30 * DAY_S:
            yield Leftover(path, "plan of a dead process")
    for path in _in(root / "logs"):
        if clock.age_s(path) > 7 * DAY_S:
            yield Leftover(path, "log, a week old")


def _old(path: Path, wanted: set[str], clock: Clock) -> bool:
    return path.stem not in wanted and clock.age_s(path) > DAY_S


def _stale_leases(
    folder: Path, alive: Mapping[str, Owner | None], clock: Clock
) -> Iterator[Leftover]:
    for path in _in(folder):
        held = Held.read(path)
        dead = held is not None and held.owner is not None and held.owner.is_dead()
        if path.name.lstrip(".").partition(".")[0].partition("-")[0] in alive:
            continue
        if dead or clock.age_s(path) > DAY_S:
            yield Leftover(path, "lease of a dead process" if dead else "lock of an older version")


def _in(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def sweep(store: Store, found: Iterable[Leftover]) -> None:
    """Removes leftovers; a lease by taking it over, so that it cannot be taken meanwhile."""
    locks = store.root / "locks"
    for leftover in found:
        path = leftover.path
        if path.parent == locks and path.suffix == ".lease":
            with hold(locks, path.stem):
                continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def garbage(store: Store, keep: set[str], older_than_s: float = GRACE_S) -> list[Artifact]:
    """Returns the store's own artifacts that are not kept and were not written just now."""
    clock, alive, found = Clock(store), working(store), []
    for key in store.keys():  # noqa: SIM118 - a store is no mapping
        artifact = store.get(key)
        if key in keep or key in alive or artifact is None:
            continue
        if clock.age_s(artifact.path) > older_than_s:
            found.append(artifact)
    return found

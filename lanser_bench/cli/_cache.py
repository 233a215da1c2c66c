"""Sizes and garbage of a store, for `lanser-bench cache size` and `lanser-bench cache gc`."""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import DataError, StoreError, did_you_mean
from ..printing import echo
from ..records.reading import read_records
from ..store import Artifact, Spec, Store
from ..store.plan_history import active_plans, plan_path, saved_plans
from ..store.upkeep import Leftover, folder_size, garbage, leftovers, needed, sweep, working

FOLDERS = ("checkpoints", "damaged", "datasets", "logs", "runs", "tmp", "tracked")
"""Folders of a store that contain no artifacts."""
SHOWN = 20


def elsewhere() -> list[dict[str, Any]]:
    """Returns what, path, bytes and the command that removes it, of caches outside the store."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    hub = Path(os.environ.get("HF_HOME", cache / "huggingface")).expanduser()
    models = Path(os.environ.get("HF_HUB_CACHE", hub / "hub")).expanduser()
    tracked = Path(os.environ.get("WANDB_DIR", ".")) / "wandb"
    places = {
        "models of the Hub": (models, "hf cache ls, then hf cache rm NAME"),
        "data sets of the Hub": (hub / "datasets", ""),
        "Whisper models": (cache / "whisper", ""),
        "torch models": (cache / "torch", ""),
        "W&B runs here": (tracked, "wandb sync --clean, after they are sent"),
        "W&B cache": (cache / "wandb", "wandb artifact cache cleanup 0GB"),
        "mlflow runs here": (Path("mlruns"), ""),
    }
    return [
        {"what": what, "path": str(path), "bytes": size, "remove": command or f"rm -r {path}"}
        for what, (path, command) in places.items()
        if (size := folder_size(path))
    ]


@dataclass(frozen=True)
class Users:
    """Which artifacts of a store are used, and by which experiment."""

    roots: dict[str, set[str]]
    """Experiment → keys that its records, its latest plan or its active runs name."""
    planned: dict[str, Spec]
    """Specs of those plans."""

    @property
    def keys(self) -> set[str]:
        """All keys that are named."""
        return set().union(*self.roots.values())


def users(store: Store, results: Iterable[Path], *, records_only: bool = False) -> Users:
    """Reads records and plans; with `records_only`, only the plans of active runs.

    Raises:
        DataError: a folder of results does not exist, or a file in it is no record.
    """
    roots: dict[str, set[str]] = defaultdict(set)
    planned: dict[str, Spec] = {}
    reading = read_records(results)
    if reading.unread:
        raise DataError("\n".join(["Some records cannot be read:", *reading.unread]))
    for _, record in reading.records:
        roots[record.experiment] |= {use.key for use in record.stages.values()}
    for plan in (*active_plans(store), *(() if records_only else saved_plans(store))):
        roots[plan.experiment] |= plan.specs.keys()
        planned |= plan.specs
    return Users(dict(roots), planned)


def sizes(store: Store, results: Iterable[Path]) -> dict[str, Any]:
    """Returns counts and bytes by stage, by experiment, of orphans and of other folders."""
    used = users(store, results)
    artifacts = {key: a for key in store.keys() if (a := store.get(key)) is not None}  # noqa: SIM118
    stages: dict[str, list[str]] = defaultdict(list)
    for key, artifact in artifacts.items():
        stages[artifact.meta["spec"]["stage"]].append(key)

    def total(keys: Iterable[str]) -> dict[str, int]:
        stored = [artifacts[key].size for key in keys if key in artifacts]
        return {"artifacts": len(stored), "bytes": sum(stored)}

    return {
        "store": str(store.root),
        "total": total(artifacts),
        "stages": {stage: total(keys) for stage, keys in sorted(stages.items())},
        "experiments": {
            name: total(needed(store, keys, used.planned))
            for name, keys in sorted(used.roots.items())
        },
        "orphaned": total(artifacts.keys() - needed(store, used.keys, used.planned)),
        "elsewhere": elsewhere(),
        "beside": {name: folder_size(store.root / name) for name in FOLDERS},
    }


def print_sizes(measured: dict[str, Any]) -> None:
    """Prints the result of `sizes` as tables."""
    from ._console import plain_table, wide_console

    console = wide_console()
    experiments = measured["experiments"] | {"(orphaned)": measured["orphaned"]}
    for title, parts in (("stage", measured["stages"]), ("experiment", experiments)):
        rows = [(name, str(p["artifacts"]), human(p["bytes"])) for name, p in parts.items()]
        console.print(plain_table((title, "artifacts", "size"), rows, right="artifacts size"))
    folders = ", ".join(
        f"{name} {human(size)}" for name, size in measured["beside"].items() if size
    )
    total = measured["total"]
    line = f"{total['artifacts']} artifacts, {human(total['bytes'])} in {measured['store']}"
    console.print(f"{line}; other folders: {folders or 'empty'}", soft_wrap=True)
    if measured["beside"].get("datasets"):
        place = shlex.quote(str(Path(measured["store"]) / "datasets"))
        text = "datasets: made, converted and unpacked recordings; a run makes them again."
        console.print(f"{text} Remove: rm -r {place}", soft_wrap=True, markup=False)
    for one in measured["elsewhere"]:
        text = f"{one['what']}: {human(one['bytes'])} in {one['path']}. Remove: {one['remove']}"
        console.print(text, soft_wrap=True, markup=False)


def remove_experiment(store: Store, results: Iterable[Path], name: str) -> int:
    """Removes the plan of an experiment and the artifacts that no other experiment needs.

    Its records stay. Artifacts that are being computed stay too.

    Returns:
        The number of removed artifacts.

    Raises:
        DataError: no record and no plan is of this experiment.
        StoreError: a run of it is active.
    """
    used = users(store, results)
    if name not in used.roots:
        raise DataError(
            f"No record and no plan is of experiment '{name}'.{did_you_mean(name, used.roots)}"
        )
    if any(plan.experiment == name for plan in active_plans(store)):
        raise StoreError(f"A run of experiment '{name}' is active. Wait until it has ended.")
    others = {key for other, keys in used.roots.items() if other != name for key in keys}
    keep = needed(store, {*others, *working(store)}, used.planned)
    removed = (needed(store, used.roots[name], used.planned) - keep) & {*store.keys()}
    for key in removed:
        store.discard(key)
    plan_path(store, name).unlink(missing_ok=True)
    return len(removed)


@dataclass(frozen=True)
class Garbage:
    """Artifacts and leftovers that may be removed."""

    artifacts: list[Artifact]
    leftovers: list[Leftover]

    @property
    def bytes(self) -> int:
        """Size of all of it."""
        return sum(a.size for a in self.artifacts) + sum(one.size for one in self.leftovers)

    def still(self, now: Garbage) -> Garbage:
        """Returns what `now` contains too: between two looks a run may have started to use some."""
        keys, paths = {a.key for a in now.artifacts}, {one.path for one in now.leftovers}
        return Garbage(
            [artifact for artifact in self.artifacts if artifact.key in keys],
            [leftover for leftover in self.leftovers if leftover.path in paths],
        )


def collect(
    store: Store, results: list[Path], older_than_s: float, *, records_only: bool = False
) -> Garbage:
    """Finds artifacts and leftovers that are not needed.

    Raises:
        StoreError: an active run has no plan in the store, so its needs are unknown.
    """
    active = working(store)
    # An active run needs all of its plan, even if the user wants to keep less of it later.
    used = users(store, results, records_only=records_only and not active)
    planned = users(store, []).planned
    # A process that computes a planned stage may also compute shards of it, which no plan names.
    known = {owner for key, owner in active.items() if key in planned}
    for key, owner in active.items():
        if owner not in known:
            name = owner.name if owner is not None else "another machine"
            raise StoreError(
                f"{name} is computing {key[:12]}, and no plan in the store names what else it "
                "needs. Wait until it has ended."
            )
    keep = needed(store, {*used.keys, *active}, planned)
    return Garbage(garbage(store, keep, older_than_s), list(leftovers(store, planned)))


def print_garbage(found: Garbage) -> None:
    """Lists what may be removed, with its size."""
    for artifact in found.artifacts[:SHOWN]:
        meta, size = artifact.meta, human(artifact.size)
        echo(f"{artifact.key[:12]} {meta['spec']['stage']}, {size}, written {meta['written']}")
    if len(found.artifacts) > SHOWN:
        echo(f"… and {len(found.artifacts) - SHOWN} more artifacts")
    for why in dict.fromkeys(leftover.why for leftover in found.leftovers):
        alike = [leftover.size for leftover in found.leftovers if leftover.why == why]
        echo(f"{len(alike)} × {why}, {human(sum(alike))}")
    counts = f"{len(found.artifacts)} artifacts and {len(found.leftovers)} leftovers"
    echo(f"{counts} are not needed: {human(found.bytes)}.")


def remove_garbage(store: Store, found: Garbage) -> None:
    """Removes it, except artifacts that a process has started to use since."""
    removed = 0
    for artifact in found.artifacts:
        if artifact.key not in working(store):
            store.discard(artifact.key)
            removed += 1
    sweep(store, found.leftovers)
    echo(f"{removed} artifacts and {len(found.leftovers)} leftovers removed.")


def human(size: float) -> str:
    """Returns a size in bytes for people."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"

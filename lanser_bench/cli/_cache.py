"""Sums and garbage of a store, for `lanser-bench cache size` and `lanser-bench cache gc`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from ..errors import StoreError
from ..store import Artifact, Spec, Store
from ..store.plan_history import plans_at_work, saved_plans
from ..store.upkeep import Leftover, folder_size, garbage, leftovers, needed, sweep, working

BESIDE = ("checkpoints", "damaged", "datasets", "logs", "runs", "tmp", "tracked")
"""Folders of a store that hold no artifacts."""
SHOWN = 20


@dataclass(frozen=True)
class Users:
    """Who needs what of a store."""

    roots: dict[str, set[str]]
    """Experiment → keys that its records, its last plan or its runs at work name."""
    planned: dict[str, Spec]
    """Specs of those plans."""

    @property
    def keys(self) -> set[str]:
        """All keys that are named."""
        return {key for keys in self.roots.values() for key in keys}


def users(store: Store, results: Iterable[Path], *, records_only: bool = False) -> Users:
    """Reads records and plans; those of runs at work in any case.

    Raises:
        DataError: a folder of results does not exist, or a file in it is no record.
    """
    from ..errors import DataError
    from ..records.record import read_records

    roots: dict[str, set[str]] = defaultdict(set)
    planned: dict[str, Spec] = {}
    found = read_records(results)
    if found.left_out:
        raise DataError("\n".join(["What records need is not known.", *found.left_out]))
    for _, record in found.records:
        roots[record.experiment] |= {use.key for use in record.stages.values()}
    for plan in (*plans_at_work(store), *(() if records_only else saved_plans(store))):
        roots[plan.experiment] |= plan.specs.keys()
        planned |= plan.specs
    return Users(dict(roots), planned)


def sizes(store: Store, results: Iterable[Path]) -> dict[str, Any]:
    """Returns counts and bytes by stage, by experiment, of orphans and of other folders."""
    found = users(store, results)
    own = {key: a for key in store.keys() if (a := store.get(key)) is not None}  # noqa: SIM118
    kept = needed(store, found.keys, found.planned)

    def summed(keys: Iterable[str]) -> dict[str, int]:
        there = [own[key] for key in keys if key in own]
        return {"artifacts": len(there), "bytes": sum(artifact.size for artifact in there)}

    stages: dict[str, list[str]] = defaultdict(list)
    for key, artifact in own.items():
        stages[artifact.meta["spec"]["stage"]].append(key)
    return {
        "store": str(store.root),
        "total": summed(own),
        "stages": {stage: summed(keys) for stage, keys in sorted(stages.items())},
        "experiments": {
            name: summed(needed(store, keys, found.planned))
            for name, keys in sorted(found.roots.items())
        },
        "orphaned": summed(own.keys() - kept),
        "beside": {name: folder_size(store.root / name) for name in BESIDE},
    }


def print_sizes(found: dict[str, Any]) -> None:
    """Prints what `sizes` returns as tables."""
    from rich.table import Table

    from ._console import wide_console

    console = wide_console()
    for title, rows in (
        ("stage", found["stages"]),
        ("experiment", {**found["experiments"], "(orphaned)": found["orphaned"]}),
    ):
        table = Table()
        table.add_column(title)
        table.add_column("artifacts", justify="right")
        table.add_column("size", justify="right")
        for name, row in rows.items():
            table.add_row(name, str(row["artifacts"]), human(row["bytes"]))
        console.print(table)
    beside = ", ".join(f"{name} {human(size)}" for name, size in found["beside"].items() if size)
    total = found["total"]
    line = f"{total['artifacts']} artifacts, {human(total['bytes'])} in {found['store']}"
    console.print(f"{line}; beside them: {beside or 'nothing'}", soft_wrap=True)


@dataclass(frozen=True)
class Garbage:
    """What may go."""

    artifacts: list[Artifact]
    leftovers: list[Leftover]

    def still(self, now: Garbage) -> Garbage:
        """Returns what may go by a second look too: a question may wait long for its answer."""
        keys, paths = {a.key for a in now.artifacts}, {one.path for one in now.leftovers}
        return Garbage(
            [artifact for artifact in self.artifacts if artifact.key in keys],
            [leftover for leftover in self.leftovers if leftover.path in paths],
        )


def collect(
    store: Store, results: list[Path], older_than_s: float, *, records_only: bool = False
) -> Garbage:
    """Finds what nobody needs.

    Raises:
        StoreError: a run is at work of which no plan tells what it needs.
    """
    alive = working(store)
    # A run at work needs what its plan names, whatever the user wants to keep of it later.
    found = users(store, results, records_only=records_only and not alive)
    planned = users(store, []).planned
    # Of each process one: what it has in work beside a planned stage is shards of that stage.
    told = {owner for key, owner in alive.items() if key in planned}
    for key, owner in alive.items():
        if owner not in told:
            name = owner.name if owner is not None else "another machine"
            raise StoreError(
                f"{name} is computing {key[:12]}, and no plan in the store tells what else it "
                "needs. Wait until it has ended."
            )
    keep = needed(store, {*found.keys, *alive}, planned)
    return Garbage(garbage(store, keep, older_than_s), list(leftovers(store, planned)))


def print_garbage(found: Garbage) -> None:
    """Lists what may go, with its size."""
    for artifact in found.artifacts[:SHOWN]:
        meta = artifact.meta
        line = f"{artifact.key[:12]} {meta['spec']['stage']}, {human(artifact.size)}"
        typer.echo(f"{line}, written {meta['written']}")
    if len(found.artifacts) > SHOWN:
        typer.echo(f"… and {len(found.artifacts) - SHOWN} more artifacts")
    for why in dict.fromkeys(leftover.why for leftover in found.leftovers):
        alike = [leftover for leftover in found.leftovers if leftover.why == why]
        typer.echo(f"{len(alike)} × {why}, {human(sum(one.size for one in alike))}")
    total = sum(a.size for a in found.artifacts) + sum(one.size for one in found.leftovers)
    typer.echo(
        f"{len(found.artifacts)} artifacts and {len(found.leftovers)} leftovers are needed by "
        f"nobody: {human(total)}."
    )


def remove_garbage(store: Store, found: Garbage) -> None:
    """Removes it, except what somebody has begun to use since."""
    removed = 0
    for artifact in found.artifacts:
        if artifact.key not in working(store):
            store.discard(artifact.key)
            removed += 1
    sweep(store, found.leftovers)
    typer.echo(f"{removed} artifacts and {len(found.leftovers)} leftovers removed.")


def human(size: float) -> str:
    """Returns a size in bytes for people."""
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"

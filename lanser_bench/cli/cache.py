"""`lanser-bench cache`: explain, list, measure, verify and clean the store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..printing import echo
from . import _shared as shared
from ._app import App
from ._shared import echo_json

if TYPE_CHECKING:
    from ..store import Store

app = App(help="Explain, list, measure, verify and clean the store.")


@app.command()
def explain(
    what: str = typer.Argument(
        ..., help="A key or its first digits, a result record, or a cell's name."
    ),
    store: Path = shared.STORE_OF_RUN,
) -> None:
    """Print the chain of keys from audio to a score.

    Each key is shown with its content: stage, plugins, options and seed.

    Examples:
        lanser-bench cache explain results/study/cell.json
        lanser-bench cache explain 4f0c2a
    """
    from rich.markup import escape
    from rich.tree import Tree

    from ._console import wide_console
    from ._explain import branch, planned_specs, requested

    opened = open_store(store, read_only=True)
    specs = planned_specs(opened)
    for title, keys in requested(opened, what, specs):
        root = Tree(escape(title))
        seen: set[str] = set()
        for key in keys:
            branch(root, opened, key, specs, seen, "")
        wide_console().print(root)


@app.command("ls")
def list_artifacts(store: Path = shared.STORE_OF_RUN) -> None:
    """List the artifacts, oldest first.

    Examples:
        lanser-bench cache ls
    """
    from ._cache import human
    from ._console import plain_table, wide_console

    opened = open_store(store, read_only=True)
    stored = [opened.get(key) for key in opened.keys()]  # noqa: SIM118 - a store is no mapping
    artifacts = [artifact for artifact in stored if artifact is not None]
    rows = []
    for artifact in sorted(artifacts, key=lambda a: (a.meta["written"], a.key)):
        meta, size = artifact.meta, human(artifact.size)
        cells = (artifact.key[:12], meta["spec"]["stage"], size, f"{meta['seconds']:.1f}")
        rows.append((*cells, meta["written"][:19]))
    columns = ("key", "stage", "size", "seconds", "written (UTC)")
    console = wide_console()
    console.print(plain_table(columns, rows, right="size seconds"))
    total = human(sum(artifact.size for artifact in artifacts))
    console.print(f"{len(artifacts)} artifacts, {total} in {opened.root}", soft_wrap=True)


@app.command()
def size(
    results: list[Path] = shared.RECORDS,
    as_json: bool = shared.AS_JSON,
    store: Path = shared.STORE_OF_RUN,
) -> None:
    """Measure the store by stage and by experiment.

    An artifact that several experiments share counts for each of them. Orphaned artifacts are those
    that no record and no plan needs. JSON has sizes in bytes.

    Examples:
        lanser-bench cache size
        lanser-bench cache size --results results/study --json
    """
    from ._cache import print_sizes, sizes

    measured = sizes(open_store(store), _results(results))
    if as_json:
        echo_json(measured, indent=1)
    else:
        print_sizes(measured)


@app.command()
def gc(
    results: list[Path] = shared.RECORDS,
    older_than: str = typer.Option(
        "1h", metavar="AGE", help="Keep what is younger, such as 30d, 12h or 0m."
    ),
    records_only: bool = typer.Option(
        False, "--records-only", help="Keep nothing that only the latest plans need."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only list what would be removed."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
    store: Path = shared.STORE_OF_RUN,
) -> None:
    """Remove unneeded artifacts and leftovers of crashed runs.

    An artifact is unneeded if no record and no latest plan needs it. Those that are being computed
    or are younger than --older-than are kept, so runs may be active. Removing too much costs only
    computing time.

    Examples:
        lanser-bench cache gc --dry-run
        lanser-bench cache gc --older-than 30d --yes
    """
    from ._cache import Garbage, collect, print_garbage, remove_garbage

    age_s = _age(older_than)
    opened = open_store(store)

    def look() -> Garbage:
        return collect(opened, _results(results), age_s, records_only=records_only)

    garbage = look()
    print_garbage(garbage)
    if dry_run or not (garbage.artifacts or garbage.leftovers):
        return
    if not yes:
        if not typer.confirm("Remove all this?"):
            echo("Nothing was removed.")
            return
        garbage = garbage.still(look())
    remove_garbage(opened, garbage)


@app.command()
def verify(
    dry_run: bool = typer.Option(
        False, "--dry-run", help="Only name damaged artifacts; for a read-only store."
    ),
    store: Path = shared.STORE_OF_RUN,
) -> None:
    """Verify all checksums, and set damaged artifacts aside.

    Damaged artifacts are moved to the folder `damaged` of the store, with the reason, and are
    computed again when needed. Exit code 0: no artifact is damaged; 1: some are.

    Examples:
        lanser-bench cache verify
    """
    from ..store.upkeep import audit

    opened = open_store(store, read_only=dry_run)
    report = audit(opened)
    for key in report.foreign:
        echo(f"{key}: of another format, ignored", err=True)
    done = "found" if dry_run else "set aside"
    for damage in report.damaged:
        if not dry_run:
            opened.set_aside(damage.artifact, damage.faults)
        faults = "; ".join(damage.faults)
        line = f"{damage.artifact.key} ({damage.stage}): {faults}. {done.capitalize()}."
        echo(line, err=True)
    echo(f"{report.verified} artifacts verified, {len(report.damaged)} damaged and {done}.")
    if report.damaged:
        raise typer.Exit(1)


@app.command("rm")
def remove(
    keys: list[str] = typer.Argument([], metavar="KEY...", help="Keys, or their first digits."),
    experiment: str | None = typer.Option(
        None, metavar="NAME", help="Remove its plan, and what no other experiment needs."
    ),
    results: list[Path] = shared.RECORDS,
    store: Path = shared.STORE_OF_RUN,
) -> None:
    """Remove artifacts; they are computed again when a run needs them.

    Result records stay.

    Examples:
        lanser-bench cache rm 4f0c2a
        lanser-bench cache rm --experiment study
    """
    from ..errors import SettingsError
    from ._cache import remove_experiment
    from ._explain import by_prefix

    if not keys and experiment is None:
        raise SettingsError("Name what to remove: KEY... or --experiment NAME.")
    opened = open_store(store)
    for prefix in keys:
        key = by_prefix(opened, prefix, {})
        opened.discard(key)
        echo(f"Removed {key}.")
    if experiment is not None:
        count = remove_experiment(opened, _results(results), experiment)
        echo(f"Removed the plan of {experiment} and {count} artifacts. Its records stay.")


def open_store(path: Path, *, read_only: bool = False) -> Store:
    """Opens an existing store; raises `StoreError` if there is none."""
    from ..errors import StoreError
    from ..store import Store

    if not (path / "objects").is_dir():
        raise StoreError(f"There is no store at {path}. Name it with --store or LANSER_STORE.")
    return Store(path, read_only=read_only)


def _results(given: list[Path]) -> list[Path]:
    return given or ([shared.RESULTS] if any(shared.RESULTS.rglob("*.json")) else [])


def _age(text: str) -> float:
    """Reads 30d, 12h or 0m as seconds."""
    from ..errors import SettingsError

    units = {"m": 60.0, "h": 3600.0, "d": 86400.0}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isdecimal() or len(number) > 9:
        raise SettingsError(f"--older-than is '{text}'; write 30d, 12h or 0m.")
    return int(number) * units[unit]

"""`lanser-bench cache`: look into the store and look after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..store import Store

app = typer.Typer(help="Look into the store and look after it: explain, ls, size, verify, gc, rm.")
StorePath = Annotated[
    Path, typer.Option("--store", help="The store's folder.", envvar="LANSER_STORE")
]
Results = Annotated[
    list[Path] | None,
    typer.Option(
        "--results",
        help="Folder of result records, or a record; may be repeated. Default: results, if it "
        "is there.",
        show_default=False,
    ),
]
DEFAULT = Path(".lanser/store")


@app.command()
def explain(
    what: Annotated[
        str,
        typer.Argument(help="A key or its beginning, a result record, or the name of a cell."),
    ],
    store: StorePath = DEFAULT,
) -> None:
    """Print the chain of keys from audio to a number, with what entered each key."""
    from rich.markup import escape
    from rich.tree import Tree

    from ._console import wide_console
    from ._explain import branch, planned_specs, wanted

    opened = open_store(store, read_only=True)
    specs = planned_specs(opened)
    for title, keys in wanted(opened, what, specs):
        root = Tree(escape(title))
        seen: set[str] = set()
        for key in keys:
            branch(root, opened, key, specs, seen, "")
        wide_console().print(root)


@app.command("ls")
def list_artifacts(store: StorePath = DEFAULT) -> None:
    """List the artifacts, oldest first."""
    from rich.table import Table

    from ._cache import human
    from ._console import wide_console

    table = Table()
    for column in ("key", "stage", "size", "seconds", "written (UTC)"):
        table.add_column(column, justify="right" if column in ("size", "seconds") else "left")
    opened, total, count = open_store(store, read_only=True), 0, 0
    rows = []
    for key in opened.keys():  # noqa: SIM118 - a store is no mapping
        artifact = opened.get(key)
        if artifact is None:
            continue
        total, count = total + artifact.size, count + 1
        rows.append(
            (
                artifact.meta["written"],
                key,
                artifact.meta["spec"]["stage"],
                artifact.size,
                artifact.meta["seconds"],
            )
        )
    for written, key, stage, size, seconds in sorted(rows):
        table.add_row(key[:12], stage, human(size), f"{seconds:.1f}", written[:19])
    console = wide_console()
    console.print(table)
    console.print(f"{count} artifacts, {human(total)} in {opened.root}", soft_wrap=True)


@app.command()
def size(
    store: StorePath = DEFAULT,
    results: Results = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, sizes in bytes.")] = False,
) -> None:
    """Sum up the store: by stage, by experiment, and what no record and no plan needs.

    An artifact that several experiments share counts for each of them.
    """
    from ._cache import print_sizes, sizes

    found = sizes(open_store(store), _results(results))
    if as_json:
        typer.echo(json.dumps(found, indent=1, ensure_ascii=False))
    else:
        print_sizes(found)


@app.command()
def gc(
    store: StorePath = DEFAULT,
    results: Results = None,
    older_than: Annotated[
        str,
        typer.Option(
            "--older-than", help="Keep what is younger, such as 30d, 12h or 0m.", metavar="AGE"
        ),
    ] = "1h",
    records_only: Annotated[
        bool,
        typer.Option("--records-only", help="Keep nothing that only the last plans name."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove what no result record and no last plan needs, and what dead processes left.

    Kept are the artifacts that records name, with all that they were made from. What somebody is
    computing or has written just now stays, so a run may be at work meanwhile. What is removed by
    mistake costs computing time and nothing else.
    """
    from ._cache import Garbage, collect, print_garbage, remove_garbage

    age_s = _age(older_than)
    opened = open_store(store)

    def look() -> Garbage:
        return collect(opened, _results(results), age_s, records_only=records_only)

    found = look()
    print_garbage(found)
    if dry_run or not (found.artifacts or found.leftovers):
        return
    if not yes:
        if not typer.confirm("Remove all this?"):
            typer.echo("Nothing was removed.")
            return
        found = found.still(look())
    remove_garbage(opened, found)


@app.command()
def verify(
    store: StorePath = DEFAULT,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Only say what is damaged; for a read-only store."),
    ] = False,
) -> None:
    """Compare the bytes of every artifact with its checksums; set aside what is damaged.

    What is set aside lies in the store's folder `damaged` with its faults and is computed again
    when it is needed. Exit code 0: all is well; 1: something was damaged.
    """
    from ..store.upkeep import audit

    opened = open_store(store, read_only=dry_run)
    found = audit(opened)
    for key in found.foreign:
        typer.echo(f"{key}: of another format, not used", err=True)
    done = "found" if dry_run else "set aside"
    for damage in found.damaged:
        if not dry_run:
            opened.set_aside(damage.artifact, damage.faults)
        what = "; ".join(damage.faults)
        typer.echo(
            f"{damage.artifact.key} ({damage.stage}): {what}. {done.capitalize()}.", err=True
        )
    typer.echo(f"{found.verified} artifacts verified, {len(found.damaged)} damaged and {done}.")
    if found.damaged:
        raise typer.Exit(1)


@app.command("rm")
def remove(
    keys: Annotated[list[str], typer.Argument(help="Keys or their beginnings.")],
    store: StorePath = DEFAULT,
) -> None:
    """Remove artifacts; they are computed again when a run needs them."""
    from ._explain import by_prefix

    opened = open_store(store)
    for prefix in keys:
        found = by_prefix(opened, prefix, {})
        opened.discard(found)
        typer.echo(f"Removed {found}.")


def open_store(path: Path, *, read_only: bool = False) -> Store:
    """Opens a store that is there; `StoreError` if there is none."""
    from ..errors import StoreError
    from ..store import Store

    if not (path / "objects").is_dir():
        raise StoreError(f"There is no store at {path}. Name it with --store or LANSER_STORE.")
    return Store(path, read_only=read_only)


def _results(given: list[Path] | None) -> list[Path]:
    default = Path("results")
    return given if given is not None else [default] if any(default.rglob("*.json")) else []


def _age(text: str) -> float:
    """Reads 30d, 12h or 0m as seconds."""
    from ..errors import SettingsError

    units = {"m": 60.0, "h": 3600.0, "d": 86400.0}
    number, unit = text[:-1], text[-1:]
    if unit not in units or not number.isdigit():
        raise SettingsError(f"--older-than is '{text}'; write 30d, 12h or 0m.")
    return int(number) * units[unit]

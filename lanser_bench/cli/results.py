"""`lanser-bench results`: check, merge, publish and upgrade records."""

from __future__ import annotations

from pathlib import Path

import typer

from ..printing import echo
from . import _shared as shared
from ._app import App
from ._shared import echo_json, in_output, in_store, note

app = App(help="Check, merge, publish and upgrade result records.")
PLACES = typer.Argument(..., metavar="PATH...", help="Folders or record files.")
FOLDERS = typer.Argument(..., metavar="DIR...", help="Folders of records.")


@app.command()
def validate(places: list[Path] = PLACES) -> None:
    """Check schemas, checksums, and scores against predictions.

    Exit code 0: all records are sound. 2: some are not; the errors say which, and why.

    Examples:
        lanser-bench results validate results
    """
    from ..records.checks import check_records

    checked = check_records(places)
    for record in checked:
        for sentence in record.notes:
            echo(f"{record.path}: {sentence}")
        for fault in record.faults:
            echo(f"Error: {fault}", err=True)
    own = [record for record in checked if not record.foreign]
    sound = sum(not record.faults for record in own)
    echo(f"{sound} of {len(own)} records are sound.")
    if any(record.faults for record in checked):
        raise typer.Exit(2)


@app.command()
def upgrade(
    places: list[Path] = PLACES,
    store: Path | None = in_store(
        None, help="Store of the run; its predictions are saved next to the records."
    ),
) -> None:
    """Rewrite records of older schema versions in place.

    Numbers, keys and dates stay the same.

    Examples:
        lanser-bench results upgrade results/study --store .lanser/store
    """
    from ..errors import DataError
    from ..records.migrate import migrate_record
    from ..records.reading import ForeignFileError, record_files
    from ..store import Store

    if store is not None and not store.is_dir():
        raise DataError(f"There is no store in {store}. Correct --store.")
    opened = Store(store) if store is not None else None
    for place in places:
        for path in record_files(place):
            try:
                echo(f"{path}: {migrate_record(path, opened)}")
            except ForeignFileError:
                if path == place:
                    raise
                echo(f"{path}: not a result record, left unchanged")


@app.command()
def merge(
    sources: list[Path] = typer.Argument(..., metavar="SRC...", help="Folders of records."),
    into: Path = in_output(..., "--into", help="Folder; it may have records already."),
    newest: bool = typer.Option(
        False, "--newest", help="Settle conflicts: keep the newest record of each cell."
    ),
) -> None:
    """Merge the records of several machines into one folder.

    Every record is validated and copied with the files beside it. Records with equal numbers are
    kept once. Two records of one cell with other numbers, or repetitions of one cell with other
    settings, are a conflict.

    Exit code 2: a record is not valid, or there is a conflict; nothing is copied.

    Examples:
        lanser-bench results merge node1/results node2/results --into results
    """
    from ..records.merge import merge_records

    merged = merge_records(sources, into, newest_wins=newest)
    for sentence in merged.notes:
        note(f"{sentence}.")
    echo(f"{into}: {merged.copied} records copied, {merged.equal} were there or equal.")


@app.command()
def publish(
    folders: list[Path] = FOLDERS,
    output: Path = in_output(..., "--output", "-o", help="Folder of the site."),
) -> None:
    """Validate records, then write their index and their static site.

    Exit code 2: some records are not valid; nothing is written.

    Examples:
        lanser-bench results publish results -o public
    """
    from .site import site

    validate(folders)
    site(folders, output)


_history = App(
    help="Keep one line of scores per commit and cell.\n\nExamples:\n"
    "    lanser-bench results history add results/scratch/study"
)
app.add_typer(_history, name="history")


@_history.command()
def add(
    folders: list[Path] = FOLDERS,
    commit: str | None = shared.COMMIT,
    history: Path = shared.HISTORY,
) -> None:
    """Add the scores of each cell, with intervals, to a history of commits.

    A line of the same commit and cell is replaced.

    Examples:
        lanser-bench results history add results/scratch/study
    """
    from ..reporting.comparing.history import add_history

    lines = add_history(folders, history, commit=commit)
    names = sorted({line["commit"][:10] for line in lines})
    echo(f"{history}: {len(lines)} cells of {', '.join(names)}.")


@app.command()
def schema() -> None:
    """Print the JSON Schema of result records.

    Examples:
        lanser-bench results schema > record.schema.json
    """
    from ..records.record import record_schema

    echo_json(record_schema(), indent=1)

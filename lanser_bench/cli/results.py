"""`lanser-bench results`: checks published records and brings old ones up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Check published records, upgrade old ones.", no_args_is_help=True)
Places = Annotated[list[Path], typer.Argument(metavar="PATH...", help="Folders or record files.")]


@app.command()
def validate(places: Places) -> None:
    """Check schema, checksums, and that every score follows from the predictions beside it.

    Exit code 0: all can be believed. 2: the sentences say which cannot, and why.
    """
    from ..records.checks import check_records

    checked = check_records(places)
    for found in checked:
        for note in found.notes:
            typer.echo(f"{found.path}: {note}")
        for fault in found.faults:
            typer.echo(f"Error: {fault}", err=True)
    bad = sum(bool(found.faults) for found in checked)
    records = sum(not found.foreign for found in checked)
    sound = sum(not found.foreign and not found.faults for found in checked)
    typer.echo(f"{sound} of {records} records are sound.")
    if bad:
        raise typer.Exit(2)


@app.command()
def upgrade(
    places: Places,
    store: Annotated[
        Path | None,
        typer.Option(help="The store of the run: predictions it still has are put beside records."),
    ] = None,
) -> None:
    """Rewrite records of older schema versions in place; numbers, keys and dates stay."""
    from ..errors import DataError
    from ..records.migrate import migrate_record
    from ..records.record import ForeignFileError, record_files
    from ..store import Store

    if store is not None and not store.is_dir():
        raise DataError(f"There is no store in {store}.")
    opened = Store(store) if store is not None else None
    for place in places:
        for path in record_files(place):
            try:
                typer.echo(f"{path}: {migrate_record(path, opened)}")
            except ForeignFileError:
                if path == place:
                    raise
                typer.echo(f"{path}: is no result record, so it stays as it is")


@app.command()
def schema() -> None:
    """Print the JSON Schema of result records."""
    import json

    from ..records.record import record_schema

    typer.echo(json.dumps(record_schema(), indent=1, ensure_ascii=False))

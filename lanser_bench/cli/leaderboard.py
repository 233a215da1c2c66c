"""`lanser-bench leaderboard`: result records as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def leaderboard(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Folders of result records; default: results."),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    targets: Annotated[
        bool, typer.Option("--targets", help="Also show R² per probe target.")
    ] = False,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", help="Also write a Markdown page to this file.")
    ] = None,
    everything: Annotated[
        bool,
        typer.Option("--all", help="Also older records of a cell; default: only its newest."),
    ] = False,
) -> None:
    """Show result records as a table, with intervals over speakers and controls apart."""
    import json

    from ..errors import DataError
    from ..reporting.leaderboard import as_json, rank, tables
    from ..reporting.leaderboard import markdown as page
    from ..reporting.records import latest, load_records
    from ..store import write_atomic
    from ._console import wide_console

    found = [record for _, record in load_records(folders or [Path("results")])]
    records = found if everything else latest(found)
    boards = rank(records)
    if markdown is not None:
        try:
            write_atomic(markdown, page(boards))
        except OSError as error:
            raise DataError(f"{markdown} cannot be written: {error.strerror}.") from None
    if json_output:
        typer.echo(json.dumps(as_json(boards), ensure_ascii=False, indent=1))
        return
    console = wide_console()
    for table in tables(boards, targets=targets):
        console.print(table)
    hidden = len(found) - len(records)
    if hidden:
        console.print(f"{hidden} older records of the same cells are not shown (--all shows them).")

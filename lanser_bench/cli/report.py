"""`lanser-bench report`: results as one page that opens anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Folders of result records; default: results."),
    ] = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="The page.")] = Path("report.html"),
) -> None:
    """Writes results as one self-contained HTML page: finding, tables, curves, provenance."""
    from ..reporting.report.report import write_report
    from ._shared import note

    page = write_report(folders or [Path("results")], output, report=note)
    typer.echo(f"{page} ({page.stat().st_size / 1e6:.1f} MB): open it in a browser.")

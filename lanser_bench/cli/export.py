"""`lanser-bench export`: a cell's model leaves the bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._shared import PluginsDirs


def export(
    cell: Annotated[
        str, typer.Argument(help="A record's file, or the name of a cell in --results.")
    ],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Where the model is written.")],
    target: Annotated[
        str | None,
        typer.Option(
            help="Fit a linear head on all human labels of this target of the cell; default: the "
            "head that was pre-trained on weak labels.",
            show_default=False,
        ),
    ] = None,
    results: Annotated[
        list[Path] | None,
        typer.Option("--results", help="Folder of result records; default: results."),
    ] = None,
    store: Annotated[
        Path, typer.Option("--store", help="The store that made the cell.", envvar="LANSER_STORE")
    ] = Path(".lanser/store"),
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what is at DIR.")] = False,
    plugins_dir: PluginsDirs = None,
) -> None:
    """Writes a cell's model: weights, configuration, taxonomy and a card with its numbers."""
    from ..model import export_cell, find_record
    from .cache import open_store

    record = find_record(cell, results or [Path("results")])
    place = export_cell(
        record,
        folder,
        open_store(store),
        target=target,
        plugin_dirs=plugins_dir or (),
        overwrite=overwrite,
    )
    size = sum(path.stat().st_size for path in place.iterdir())
    typer.echo(f"{record.experiment}: {record.name} → {place} ({size / 1e6:.1f} MB)")
    typer.echo(f"Read {place / 'README.md'} before passing it on: it names the licences.")

"""`lanser-bench export`: write a cell's model to a folder."""

from __future__ import annotations

from pathlib import Path

import typer

from ..printing import echo
from . import _shared as shared
from ._shared import in_data, in_output


def export(
    cell: str = typer.Argument(..., help="A record's file, or the name of a cell in --results."),
    folder: Path = typer.Argument(..., metavar="DIR", help="Folder for the model."),
    target: str | None = in_data(
        None,
        help="Fit a linear head on all human labels of this target of the cell; default: the head "
        "that was pre-trained on weak labels.",
    ),
    overwrite: bool = in_output(False, "--overwrite", help="Replace DIR."),
    results: list[Path] = shared.RECORDS,
    store: Path = shared.STORE_OF_RUN,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Export a cell's model: weights, configuration, taxonomy and a card with its scores.

    Examples:
        lanser-bench export results/study/cell.json model
        lanser-bench export results/study/cell.json model --target ravdess --overwrite
    """
    from ..model import export_cell, find_record
    from .cache import open_store

    record = find_record(cell, results or [shared.RESULTS])
    place = export_cell(
        record,
        folder,
        open_store(store),
        target=target,
        plugin_dirs=plugins_dir,
        overwrite=overwrite,
    )
    size = sum(path.stat().st_size for path in place.iterdir())
    echo(f"{record.experiment}: {record.name} → {place} ({size / 1e6:.1f} MB)")
    echo(f"Read {place / 'README.md'} before passing it on: it names the licences.")

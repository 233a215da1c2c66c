"""`lanser-bench dose`: how a score follows a number that a grid turns."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..reporting.tables.form import Format


def dose(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Folders of result records; default: results."),
    ] = None,
    by: Annotated[
        str,
        typer.Option(
            help="An axis whose values are numbers, such as corpora.0.congruence; label-accuracy: "
            "how far the weak labels agree with gold."
        ),
    ] = "label-accuracy",
    metric: Annotated[
        str,
        typer.Option(help="uar, wa, macro_f1, area, r2 (mean over probe targets) or r2:TARGET."),
    ] = "uar",
    budget: Annotated[
        str | None, typer.Option(help="Label budget, such as 10%; default: the largest.")
    ] = None,
    scale: Annotated[str, typer.Option(help="Scale of R²: speaker or raw.")] = "speaker",
    form: Annotated[Format, typer.Option("--format", help="How it is printed.")] = Format.table,
    picture: Annotated[
        Path | None, typer.Option(help="Also draw it into this file (.png).")
    ] = None,
) -> None:
    """Show a score by a dose, with the slope tested over speakers and training seeds.

    Cells that differ in the dose alone make a line; beside each stands what it is ahead of its
    controls. The slopes of one labelled set are the family of Holm's adjustment.
    """
    from ..errors import DataError
    from ..records.record import latest, read_records
    from ..reporting.comparing import dose_views as views
    from ..reporting.comparing.dose import dose_response
    from ..reporting.comparing.responses import Response
    from ..reporting.tables.pictures import save_picture
    from ._console import print_sheets
    from ._shared import note

    if picture is not None and picture.suffix != ".png":
        raise DataError(f"{picture}: a picture ends in .png.")
    response = Response(metric, budget, scale)
    reading = read_records(folders or [Path("results")])
    for sentence in reading.left_out:
        note(f"Left out: {sentence}")
    found = reading.records
    paths = {id(record): path for path, record in found}
    kept = [(paths[id(r)], r) for r in latest([record for _, record in found])]
    boards = dose_response(by, kept, response)
    if picture is not None:
        try:
            save_picture(views.picture(boards[0]), picture)
        except OSError as error:
            raise DataError(f"{picture} cannot be written: {error.strerror}.") from None
    tables = [sheet for board in boards for sheet in views.sheets(board)]
    print_sheets(tables, form, boards, "Dose and response")

"""`lanser-bench dose`: how a score depends on a number that a grid varies."""

from __future__ import annotations

from pathlib import Path

from ..reporting.tables.form import Format
from . import _shared as shared
from ._shared import in_data, in_output, read_results, writing


def dose(
    folders: list[Path] = shared.FOLDERS,
    by: str = in_data(
        "label-accuracy",
        help="An axis whose values are numbers, such as corpora.0.congruence; or label-accuracy: "
        "the agreement of weak labels with gold.",
    ),
    metric: str = in_data("uar", help=shared.METRICS),
    budget: str | None = shared.BUDGET,
    scale: str = in_data("speaker", help="Scale of R²: speaker or raw."),
    extrapolate: float | None = in_data(
        None, metavar="DOSE", help="Also extrapolate the score to this dose, linearly in its log2."
    ),
    form: Format = shared.FORMAT,
    notes: bool = shared.NOTES,
    picture: Path | None = in_output(None, help="Also draw it into this .png file."),
) -> None:
    """Show a score by a dose, with the slope tested over speakers and training seeds.

    Cells that differ only in the dose make a line; each is shown with its lead over its controls.
    The slopes of one labelled set are the family of Holm's adjustment.

    Examples:
        lanser-bench dose results/study
        lanser-bench dose results/study --by corpora.0.congruence --picture dose.png
        lanser-bench dose results/study --by corpora.0.hours --extrapolate 100
    """
    from ..errors import DataError
    from ..reporting.comparing import dose_views as views
    from ..reporting.comparing.dose import dose_response
    from ..reporting.comparing.responses import Response
    from ..reporting.tables.pictures import save_picture
    from ._console import print_sheets

    if picture is not None and picture.suffix != ".png":
        raise DataError(f"{picture}: a picture ends in .png.")
    response = Response(metric, budget, scale)
    boards = dose_response(by, read_results(folders).found, response, extrapolate)
    if picture is not None:
        with writing(picture):
            save_picture(views.picture(boards[0]), picture)
    tables = [sheet for board in boards for sheet in views.sheets(board)]
    print_sheets(tables, form, boards, "Dose and response", notes=notes)

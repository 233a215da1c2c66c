"""`lanser-bench compare`: compare two runs, taxonomies, labelers or encoders, paired."""

from __future__ import annotations

from pathlib import Path

import typer

from ..reporting.tables.form import Format
from . import _shared as shared
from ._shared import in_data, in_output, writing


def compare(
    a: str = typer.Argument(
        ..., help="A record, a folder, or filters: labeler=entailment,encoder=cnn."
    ),
    b: str = typer.Argument(..., help="What to compare A with."),
    folder: Path = in_data(shared.RESULTS, "--in", help="Folder of records for filters."),
    metric: str | None = in_data(None, help=f"{shared.METRICS} Default: uar."),
    budget: str | None = shared.BUDGET,
    targets: bool = in_data(False, "--targets", help="Compare scores of probes, target by target."),
    labels_saved: bool = in_data(
        False,
        "--labels-saved",
        help="Show how many times as many labels B needs for the score of A at each budget.",
    ),
    form: Format = shared.FORMAT,
    picture: Path | None = in_output(None, help="Also draw it into this file (.png or .svg)."),
) -> None:
    """Compare two sides utterance by utterance, clustered by speaker, over training seeds.

    A and B are record files, folders of records, or filters on the records of --in. If a side has
    several cells, those that agree in everything else are paired; the last line is their mean.

    Examples:
        lanser-bench compare labeler=entailment labeler=random --in results/study
        lanser-bench compare results/a results/b --metric wa --format md
        lanser-bench compare control=none control=shuffled --in results/study --labels-saved
    """
    from ..errors import DataError, SettingsError
    from ..reporting.comparing import compare_views as views
    from ..reporting.comparing.compare import compare as compared
    from ..reporting.comparing.saved import compare_labels, saved_sheet
    from ..reporting.groups import checked_metric
    from ._console import print_sheets

    if labels_saved:
        if targets or picture is not None:
            raise SettingsError(
                "--labels-saved is a table of its own: leave --targets and --picture out."
            )
        score = checked_metric(metric or "uar")
        saved = compare_labels(a, b, folder=folder, metric=score, budget=budget)
        print_sheets([saved_sheet(saved)], form, saved, "Labels saved")
        return
    comparison = compared(a, b, folder=folder, metric=metric, budget=budget, targets=targets)
    if picture is not None:
        if picture.suffix not in (".png", ".svg"):
            raise DataError(f"{picture}: a picture ends in .png or .svg.")
        with writing(picture):
            views.picture(comparison, picture)
    if form is Format.md:
        typer.echo(views.comparison_markdown(comparison), nl=False)
    else:
        print_sheets([views.sheet(comparison)], form, views.as_json(comparison), "Comparison")

"""`lanser-bench compare`: two runs, taxonomies, labelers or encoders, paired."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..reporting.tables.form import Format


def compare(
    a: Annotated[
        str,
        typer.Argument(
            metavar="A", help="A record, a folder, or filters: labeler=entailment,encoder=cnn."
        ),
    ],
    b: Annotated[str, typer.Argument(metavar="B", help="What A is compared with.")],
    folder: Annotated[Path, typer.Option("--in", help="Where filters look for records.")] = Path(
        "results"
    ),
    metric: Annotated[
        str | None, typer.Option(help="uar, wa, macro_f1 or area; default: uar.")
    ] = None,
    budget: Annotated[
        str | None, typer.Option(help="Label budget, such as 10%; default: the largest.")
    ] = None,
    targets: Annotated[
        bool, typer.Option("--targets", help="Compare what probes found, target by target.")
    ] = False,
    form: Annotated[Format, typer.Option("--format", help="How it is printed.")] = Format.table,
    picture: Annotated[
        Path | None, typer.Option(help="Also draw it into this file (.png or .svg).")
    ] = None,
) -> None:
    """Compare two sides utterance by utterance, clustered by speaker, over training seeds.

    A and B are record files, folders of records, or filters on the records below --in. Of several
    cells those are paired that agree in everything else; their mean is the last line.
    """
    from ..errors import DataError
    from ..reporting.comparing import compare_views as views
    from ..reporting.comparing.compare import compare as compared
    from ..reporting.groups import checked_metric
    from ._console import print_sheets

    score = None if metric is None else checked_metric(metric)
    found = compared(a, b, folder=folder, metric=score, budget=budget, targets=targets)
    if picture is not None:
        if picture.suffix not in (".png", ".svg"):
            raise DataError(f"{picture}: a picture ends in .png or .svg.")
        try:
            views.picture(found, picture)
        except OSError as error:
            raise DataError(f"{picture} cannot be written: {error.strerror}.") from None
    if form is Format.md:
        typer.echo(views.comparison_markdown(found), nl=False)
    else:
        print_sheets([views.sheet(found)], form, views.as_json(found), "Comparison")

"""`lanser-bench gate`: stops a regression."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def gate(
    baseline: Annotated[
        list[Path], typer.Option(help="Folder of the records to hold on to; may be repeated.")
    ],
    candidate: Annotated[
        list[Path], typer.Option(help="Folder of the new records; may be repeated.")
    ],
    metric: Annotated[str, typer.Option(help="uar, wa, macro_f1 or area.")] = "uar",
    tolerance: Annotated[
        float, typer.Option(min=0, max=100, help="Points that do not matter.")
    ] = 1.0,
    strict: Annotated[
        bool, typer.Option("--strict", help="An undecided cell stops the gate too.")
    ] = False,
    allow_changes: Annotated[
        bool,
        typer.Option("--allow-changes", help="Cells that cannot be compared do not stop it."),
    ] = False,
    markdown: Annotated[
        Path | None, typer.Option(help="Also append a summary to this Markdown file.")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="Also write JUnit XML to this file.")] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Also write JSON to this file; - prints it.")
    ] = None,
) -> None:
    """Compare a candidate's records with a baseline's, and fail if a cell is worse.

    Paired by utterance, clustered by speaker, over training seeds, Holm over all cells. Exit code
    0: nothing is worse. 1: a cell is worse, or one of the baseline cannot be compared (missing, or
    its split, taxonomy or schema has changed). 2: a folder or an option needs mending.
    """
    import json

    from ..reporting.comparing import gate_views as views
    from ..reporting.comparing.gate import gate as compare
    from ..reporting.groups import checked_metric
    from ..reporting.tables.form import Format
    from ._console import print_sheets, wide_console

    found = compare(baseline, candidate, metric=checked_metric(metric), tolerance=tolerance / 100)
    passed = found.passed(strict=strict, allow_changes=allow_changes)
    content = json.dumps(views.as_json(found, passed=passed), ensure_ascii=False, indent=1) + "\n"
    if markdown is not None:
        # Appended: a job's summary file may hold what other steps have written.
        _write(markdown, views.markdown(found, passed=passed), append=True)
    if junit is not None:
        _write(junit, views.junit(found, strict=strict, allow_changes=allow_changes))
    if json_file is not None and str(json_file) != "-":
        _write(json_file, content)
    if str(json_file) == "-":
        typer.echo(content, nl=False)
    else:
        print_sheets([views.sheet(found)], Format.table)
        console = wide_console()
        for sentence in views.sentences(found):
            console.print(sentence, markup=False, soft_wrap=True)
        console.print(f"{'passed' if passed else 'FAILED'}: {views.summary(found)}", soft_wrap=True)
    if not passed:
        raise typer.Exit(1)


def _write(path: Path, text: str, *, append: bool = False) -> None:
    from ..errors import DataError
    from ..store import write_atomic

    try:
        if append and path.is_file():
            with path.open("a", encoding="utf-8") as file:
                file.write(text)
        else:
            write_atomic(path, text)
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}.") from None

"""`lanser-bench gate`: fail on a regression."""

from __future__ import annotations

from pathlib import Path

import typer

from . import _shared as shared
from ._shared import in_data, in_output, writing


def gate(
    baseline: list[Path] = in_data(..., metavar="PATH", help="Folder of records; repeatable."),
    candidate: list[Path] = in_data(..., metavar="PATH", help="Folder of records; repeatable."),
    metric: str = shared.METRIC,
    tolerance: float = typer.Option(
        1.0, min=0, max=100, help="Points of difference that are ignored."
    ),
    strict: bool = typer.Option(False, "--strict", help="Also fail if a cell is undecided."),
    allow_changes: bool = typer.Option(
        False, "--allow-changes", help="Do not fail if cells cannot be compared."
    ),
    markdown: Path | None = in_output(None, help="Also append a summary to this Markdown file."),
    junit: Path | None = in_output(None, help="Also write JUnit XML to this file."),
    json_file: Path | None = in_output(
        None, "--json", help="Also write JSON to this file; - prints it."
    ),
) -> None:
    """Compare a candidate's records with a baseline's, and fail if a cell is worse.

    Paired by utterance, clustered by speaker, over training seeds, Holm over all cells. Exit code
    0: no cell is worse. 1: a cell is worse, or one of the baseline cannot be compared (it is
    missing, or its split, taxonomy or schema has changed). 2: a folder or an option is not valid.

    Examples:
        lanser-bench gate --baseline results/main --candidate results/branch --tolerance 2
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
        # Appended: other steps of a job may have written to its summary file.
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
    from ..store import write_atomic

    with writing(path):
        if append and path.is_file():
            with path.open("a", encoding="utf-8") as file:
                file.write(text)
        else:
            write_atomic(path, text)

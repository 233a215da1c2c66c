"""`lanser-bench gate`: fail on a regression."""

from __future__ import annotations

from pathlib import Path

import typer

from . import _shared as shared
from ._shared import in_data, in_output, writing


def gate(
    baseline: list[Path] = in_data(..., metavar="PATH", help="Folder of records; repeatable."),
    candidate: list[Path] = in_data(..., metavar="PATH", help="Folder of records; repeatable."),
    metric: str = in_data("uar", help=shared.METRICS),
    tolerance: float = typer.Option(
        1.0, min=0, max=100, help="Points of difference that are ignored (1 is 0.01)."
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
    from ..reporting.tables.form import Format
    from ..store import write_atomic
    from ._console import print_sheets, wide_console

    result = compare(baseline, candidate, metric=metric, tolerance=tolerance / 100)
    passed = result.passed(strict=strict, allow_changes=allow_changes)
    content = json.dumps(views.as_json(result, passed=passed), ensure_ascii=False, indent=1) + "\n"
    files = {json_file: content} if json_file and str(json_file) != "-" else {}
    if junit is not None:
        files[junit] = views.junit(result, strict=strict, allow_changes=allow_changes)
    for path, text in files.items():
        with writing(path):
            write_atomic(path, text)
    if markdown is not None:
        _append(markdown, views.markdown(result, passed=passed))
    if str(json_file) == "-":
        typer.echo(content, nl=False)
    else:
        print_sheets([views.sheet(result)], Format.table)
        console = wide_console()
        for sentence in views.sentences(result):
            console.print(sentence, markup=False, soft_wrap=True)
        console.print(
            f"{'passed' if passed else 'FAILED'}: {views.summary(result)}", soft_wrap=True
        )
    if not passed:
        raise typer.Exit(1)


def _append(path: Path, text: str) -> None:
    """Adds to a job's summary, in which other steps may have written."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)

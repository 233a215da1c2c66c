"""`lanser-bench gate`: fail on a regression."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from . import _shared as shared
from ._app import App
from ._shared import in_data, in_output, writing

if TYPE_CHECKING:
    from ..reporting.comparing.gate import GateResult

app = App(no_args_is_help=False)


@app.callback(invoke_without_command=True)
def gate(
    context: typer.Context,
    baseline: list[Path] = in_data([], metavar="PATH", help="Folder of records; repeatable."),
    candidate: list[Path] = in_data([], metavar="PATH", help="Folder of records; repeatable."),
    against_last: int = in_data(
        0, metavar="N", min=0, help="Instead of a baseline: the median of the last N commits."
    ),
    history: Path = shared.HISTORY,
    commit: str | None = shared.COMMIT,
    metric: str | None = in_data(
        None, help=f"Only one score: {shared.METRICS} Default: every one."
    ),
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
    add_to_history: bool = in_output(
        False, "--add-to-history", help="Also add the candidate's scores to the history."
    ),
) -> None:
    """Compare a candidate's records with a baseline's, and fail if a cell is worse.

    Paired by utterance, clustered by speaker, over training seeds, Holm over all cells. Exit code
    0: no cell is worse. 1: a cell is worse, or one of the baseline cannot be compared (it is
    missing, or its split, taxonomy or schema has changed). 2: a folder or an option is not valid.

    Examples:
        lanser-bench gate --baseline results/main --candidate results/branch --tolerance 2
        lanser-bench gate --against-last 10 --candidate results/branch
    """
    if context.invoked_subcommand is not None:
        return
    import json

    from ..reporting.comparing import gate_views as views
    from ..reporting.comparing.history import add_history

    past = (history, against_last, commit)
    result = _compared(baseline, candidate, past, metric, tolerance / 100)
    passed = result.passed(strict=strict, allow_changes=allow_changes)
    content = json.dumps(views.as_json(result, passed=passed), ensure_ascii=False, indent=1) + "\n"
    if json_file and str(json_file) != "-":
        _write(json_file, content)
    if junit is not None:
        _write(junit, views.junit(result, strict=strict, allow_changes=allow_changes))
    if markdown is not None:
        _append(markdown, views.markdown(result, passed=passed))
    typer.echo(content, nl=False) if str(json_file) == "-" else _print(result, passed)
    if add_to_history:
        add_history(candidate, history, commit=commit)
    if not passed:
        raise typer.Exit(1)


def _compared(
    baseline: list[Path],
    candidate: list[Path],
    past: tuple[Path, int, str | None],
    metric: str | None,
    tolerance: float,
) -> GateResult:
    from ..errors import SettingsError
    from ..reporting.comparing.against_last import Past, gate_against_last
    from ..reporting.comparing.gate import gate as compare

    if not candidate or bool(baseline) == bool(past[1]):
        raise SettingsError("Name a --candidate, and either a --baseline or --against-last.")
    if baseline:
        return compare(baseline, candidate, metric=metric, tolerance=tolerance)
    return gate_against_last(candidate, Past(*past), metric=metric or "uar", tolerance=tolerance)


def _write(path: Path, text: str) -> None:
    from ..store import write_atomic

    with writing(path):
        write_atomic(path, text)


def _print(result: GateResult, passed: bool) -> None:
    from ..reporting.comparing import gate_views as views
    from ..reporting.tables.form import Format
    from ._console import print_sheets, wide_console

    print_sheets([views.sheet(result)], Format.table)
    console = wide_console()
    for sentence in views.sentences(result):
        console.print(sentence, markup=False, soft_wrap=True)
    console.print(f"{'passed' if passed else 'FAILED'}: {views.summary(result)}", soft_wrap=True)


def _append(path: Path, text: str) -> None:
    """Adds to a job's summary, in which other steps may have written."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.write(text)

"""`lanser-bench run`: an experiment or a grid, from audio to leaderboard."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..printing import echo
from . import _shared as shared
from ._complete import experiment_words

if TYPE_CHECKING:
    from rich.table import Table

    from ..console import Console
    from ..experiment import DryRun, RunOutcome
    from ..reporting.results import Results

SHOWN_STAGES = 200
"""A dry run with more stages shows one line per kind of stage."""

ARGUMENTS = typer.Argument(
    [],
    metavar="EXPERIMENT [KEY=VALUE]...",
    autocompletion=experiment_words,
    help="An experiment file or the name of a shipped one (quickstart, lanser), then settings "
    "to change, such as labeler=similarity or pretrain.epochs=2.",
)

MAX_RETRIES = typer.Option(
    0,
    min=0,
    metavar="N",
    help="Try a stage again up to N times if its worker died, the system failed or a plugin "
    "raised an unexpected error.",
)
STAGE_TIMEOUT = typer.Option(
    None,
    min=0.1,
    metavar="SECONDS",
    help="Fail a stage that takes longer; a file names the line where it was.",
)


def run(
    arguments: list[str] = ARGUMENTS,
    grid: str | None = typer.Option(None, help="Same as EXPERIMENT."),
    dry_run: bool = typer.Option(False, "--dry-run", help="Only show what would run, and why."),
    fail_fast: bool = typer.Option(
        False, "--fail-fast", help="Stop at the first stage that fails."
    ),
    max_retries: int = MAX_RETRIES,
    stage_timeout: float | None = STAGE_TIMEOUT,
    retry_failed: bool = typer.Option(
        False, "--retry-failed", help="Run only the cells that failed last time."
    ),
    strict: bool = shared.STRICT,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
    as_json: bool = typer.Option(
        False, "--json", help="Print files, counts and failures as JSON; the rest goes to stderr."
    ),
) -> None:
    """Run an experiment or a grid, from audio to leaderboard.

    Cached results are reused. Exit code 0: all cells are done; 1: some failed, the others are done;
    2: a setting or a dataset is not valid; 130: stopped by Ctrl-C.

    Examples:
        lanser-bench run quickstart
        lanser-bench run my-grid.yaml pretrain.epochs=2 --dry-run
    """
    from ..experiment import dry_run as plan_only
    from ..experiment import run_experiment
    from ._display import displayed_run

    source, overrides = _source(arguments, grid)
    if stage_timeout is not None:
        overrides = [*overrides, f"stage_timeout_s={stage_timeout}"]
    folders = shared.plugins_in(plugins_dir).plugin_dirs
    with displayed_run() as display:
        if dry_run:
            planned = plan_only(source, overrides, plugin_dirs=folders, progress=display.reading)
        else:
            outcome = run_experiment(
                source,
                overrides,
                plugin_dirs=folders,
                fail_fast=fail_fast,
                max_retries=max_retries,
                retry_failed=retry_failed,
                listener=display,
            )
    if dry_run:
        _show_plan(planned, as_json=as_json)
        return
    _finish(outcome, as_json=as_json)
    if not outcome.ok:
        raise typer.Exit(1)


def _summary(outcome: RunOutcome) -> dict[str, Any]:
    failures = [
        {"cell": f.cell.name, "stage": f.stage, "why": f.sentence} for f in outcome.failures
    ]
    return {
        "experiment": outcome.plan.experiment.name,
        "run": outcome.run_id,
        "records": [str(path) for path in dict.fromkeys(outcome.records)],
        "stages_run": len(outcome.executed),
        "stages_reused": len(outcome.plan.nodes) - len(outcome.executed),
        "failures": failures,
    }


def _source(arguments: list[str], grid: str | None) -> tuple[str, list[str]]:
    from ..errors import SettingsError

    if grid is not None:
        return grid, arguments
    if not arguments:
        raise SettingsError(
            "Name an experiment file, or a shipped one: lanser-bench run quickstart."
        )
    return arguments[0], arguments[1:]


def _show_plan(planned: DryRun, *, as_json: bool) -> None:
    from ..experiment.running.running import data_notes
    from ._console import plain_table, wide_console

    plan, console = planned.plan, wide_console()
    cells = [(c.name, c.encoder, str(c.record_path)) for c in plan.cells[:SHOWN_STAGES]]
    title = f"{plan.experiment.name}: {len(plan.cells)} cells"
    console.print(plain_table(("cell", "encoder", "record"), cells, title))
    console.print(_by_stage(planned) if len(plan.nodes) > SHOWN_STAGES else _stages(planned))
    data = [note for manifest in plan.manifests.values() for note in data_notes(manifest)]
    for note in [*data, *plan.notes]:
        console.print(f"! {note}", style="yellow", markup=False, soft_wrap=True)
    if planned.estimate.sentence:
        console.print(planned.estimate.sentence)
    console.print(f"{len(planned.to_run)} to run, {len(plan.nodes) - len(planned.to_run)} to reuse")
    if as_json:
        shared.echo_json({"to_run": len(planned.to_run), "stages": len(plan.nodes)})


def _stages(planned: DryRun) -> Table:
    from ..reporting.run_views import stage_rows
    from ._console import plain_table

    rows = stage_rows(planned)
    heads = ("key", "stage", "of", "cells", "", "why")
    return plain_table(heads, rows, f"{len(rows)} distinct stages")


def _by_stage(planned: DryRun) -> Table:
    """Returns a row per kind of stage, for plans of many stages."""
    from ._console import plain_table

    keys: dict[str, list[str]] = defaultdict(list)
    for key, node in planned.plan.nodes.items():
        keys[node.stage].append(key)
    rows = []
    for stage, all_keys in keys.items():
        to_run = [key for key in all_keys if key in planned.to_run]
        reasons = Counter(planned.reasons[key] for key in to_run).most_common(3)
        why = "; ".join(f"{reason} ({count}×)" for reason, count in reasons)
        rows.append((stage, str(len(to_run)), str(len(all_keys) - len(to_run)), why))
    title = f"{len(planned.plan.nodes)} distinct stages"
    return plain_table(("stage", "to run", "to reuse", "why"), rows, title)


def _finish(outcome: RunOutcome, *, as_json: bool) -> None:
    """Prints the leaderboard and the finding of this run, writes the report, lists what failed."""
    from ..reporting.results import write_results
    from ._console import wide_console

    console = wide_console()
    if outcome.records:
        _show_results(write_results(outcome), console)
    for tracker, command in outcome.views.items():
        console.print(f"Tracker {tracker}: {command}", soft_wrap=True, markup=False)
    done = len(outcome.executed)
    console.print(f"{done} stages run, {len(outcome.plan.nodes) - done} not needed or reused.")
    cells: dict[tuple[str, str], list[str]] = defaultdict(list)
    for failure in outcome.failures:
        cells[failure.stage, failure.sentence].append(failure.cell.name)
    for (stage, sentence), names in cells.items():
        others = f" and {len(names) - 1} more" if names[1:] else ""
        console.print(f"✗ {names[0]}{others}: {stage}: {sentence}", style="red", markup=False)
    tracebacks = dict.fromkeys(f.traceback for f in outcome.failures if f.traceback)
    if shared.tracebacks:
        echo("\n".join(tracebacks), err=True)
    elif tracebacks:
        console.print(f"Tracebacks: --traceback shows them; {outcome.log}", soft_wrap=True)
    if as_json:
        shared.echo_json(_summary(outcome), indent=1)


def _show_results(results: Results, console: Console) -> None:
    from ..reporting.tables.form import Format
    from ._console import print_sheets

    print_sheets(results.sheets, Format.table)
    for headline in results.findings:
        console.print(f"Finding: {headline}.", soft_wrap=True, markup=False)
    for picture in results.pictures:
        console.print(f"Picture: {picture}", soft_wrap=True)
    if results.report is not None:
        console.print(f"Report: {results.report}", soft_wrap=True)
        console.print(f"Records: {results.report.parent}", soft_wrap=True)

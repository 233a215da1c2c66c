"""`lanser-bench gate`: fail on a regression, on this machine or in a workflow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ..errors import SettingsError
from ..printing import echo, json_text
from . import _shared as shared
from ._app import App
from ._shared import DATASET, dataset_words, in_data, in_output, writing
from ._stdout import emit

if TYPE_CHECKING:
    from ..reporting.comparing.gate import GateResult

app = App(no_args_is_help=False)
TOLERANCE = typer.Option(
    1.0, min=0, max=100, help="Points of difference that are ignored (1 is 0.01)."
)
STRICT = typer.Option(False, "--strict", help="Also fail if a score is undecided.")
MARKDOWN = in_output(None, help="Also append a summary to this Markdown file.")
JUNIT = in_output(None, help="Also write JUnit XML to this file.")
JSON_FILE = in_output(None, "--json", help="Also write JSON to this file; - prints it.")


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
    tolerance: float = TOLERANCE,
    strict: bool = STRICT,
    allow_changes: bool = typer.Option(
        False, "--allow-changes", help="Do not fail if cells cannot be compared."
    ),
    markdown: Path | None = MARKDOWN,
    junit: Path | None = JUNIT,
    json_file: Path | None = JSON_FILE,
    add_to_history: bool = in_output(
        False, "--add-to-history", help="Also add the candidate's scores to the history."
    ),
) -> None:
    """Compare a candidate with a baseline, stage by stage, and fail if a score is worse.

    Paired by utterance, clustered by speaker, over training seeds, Holm over all scores. Exit code
    0: no score is worse. 1: a score is worse, a cell failed, or one of the baseline cannot be
    compared (it is missing, or its split, taxonomy or schema has changed). 2: a folder or an option
    is not valid.

    Examples:
        lanser-bench gate --baseline results/main --candidate results/branch --tolerance 2
        lanser-bench gate --against-last 10 --candidate results/branch
    """
    if context.invoked_subcommand is not None:
        return
    from ..reporting.comparing.history import add_history

    past = (history, against_last, commit)
    result = _compared(baseline, candidate, past, metric, tolerance / 100)
    fails = {"strict": strict, "allow_changes": allow_changes}
    passed = _report(result, fails, markdown, junit, json_file)
    if add_to_history:
        add_history(candidate, history, commit=commit)
    if not passed:
        raise typer.Exit(1)


@app.command()
def labels(
    dataset: list[str] = dataset_words(..., metavar=DATASET),
    baseline: Path | None = in_data(None, metavar="FILE", help="Baseline that --write wrote."),
    against: str | None = in_data(
        None, metavar="LABELER", help='A labeler in place of a baseline, such as "random(seed=1)".'
    ),
    write: Path | None = in_output(
        None, metavar="FILE", help="Write the labels' quality as a baseline, if the gate passes."
    ),
    taxonomy: str = shared.TAXONOMY,
    labeler: str = shared.LABELER,
    option: list[str] = shared.LABELER_OPTIONS,
    asr: str = shared.RECOGNISER,
    set_: list[str] = shared.SETTINGS,
    compare_in: str | None = shared.COMPARE_IN,
    tolerance: float = TOLERANCE,
    strict: bool = STRICT,
    markdown: Path | None = MARKDOWN,
    junit: Path | None = JUNIT,
    json_file: Path | None = JSON_FILE,
    store: Path = shared.STORE,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Fail if the weak labels of a human-labelled dataset are worse.

    Nothing is trained. Compares UAR, kappa, coverage, distances of scores, labels never given and,
    with a recogniser, word errors: paired by speaker, or by groups of texts without speakers. Exit
    codes are those of `gate`. `lanser-bench gate --labels DATASET` is the same command.

    Examples:
        lanser-bench gate labels synthetic clips=48 --labeler lexicon --write baseline.parquet
        lanser-bench gate labels synthetic clips=48 --labeler lexicon --baseline baseline.parquet
        lanser-bench gate labels manifest speech --labeler lexicon --against random
    """
    from ..plugins.taxonomies import find_taxonomy
    from ..reporting.labels import gate as of_labels
    from ._labeling import Labeling
    from ._options import dataset_ref, plugin_words

    if (baseline is not None and against is not None) or not (baseline or against or write):
        raise SettingsError("Name a --baseline or a labeler --against, or --write a baseline.")
    labeling = Labeling(labeler, option, store, set_, plugins_dir, asr)
    named = dataset_ref(dataset, labeling.plugins, "gate labels")
    common = find_taxonomy(labeling.plugins, compare_in) if compare_in else None
    reference = of_labels.read_baseline(baseline) if baseline else None
    (corpus,) = labeling.label(named, taxonomy)
    side = of_labels.label_side(corpus, common)
    if against:
        (other,) = labeling.label(named, taxonomy, [plugin_words(against)])
        reference = of_labels.label_side(other, common)
    if reference is not None:
        result = of_labels.gate_labels(side, reference, tolerance=tolerance / 100)
        if not _report(result, {"strict": strict}, markdown, junit, json_file):
            raise typer.Exit(1)
    if write is not None:
        with writing(write):
            of_labels.write_baseline(side, write)
        echo(f"Baseline: {write}", err=True)


@app.command()
def init(
    experiment: str = typer.Argument(..., help="A file of this repository, or a shipped one."),
    baseline: Path = in_data(Path("results/baseline"), help="Folder for the baseline's records."),
    install: list[str] = in_data(
        [],
        metavar="REQUIREMENT",
        help="What the workflow installs; repeatable. Default: this version of lanser-bench, and "
        "this folder if it has a pyproject.toml.",
    ),
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
    output: Path = in_output(
        Path(".github/workflows/lanser-bench.yml"), "--output", "-o", help="The workflow."
    ),
    force: bool = typer.Option(False, "--force", help="Replace the workflow and the baseline."),
) -> None:
    """Write a GitHub workflow for the gate, and its baseline.

    Run it in the root of the repository: it runs the experiment and copies the records.

    Examples:
        lanser-bench gate init grid.yaml --plugins-dir my_plugins
    """
    from ._gate_init import write_gate

    for sentence in write_gate(experiment, baseline, install, plugins_dir, output, force=force):
        echo(sentence)


def _report(
    result: GateResult,
    fails: dict[str, bool],
    markdown: Path | None,
    junit: Path | None,
    json_file: Path | None,
) -> bool:
    """Writes and prints a result; returns whether it passed.

    `fails` are the arguments of `GateResult.passed`.
    """
    from ..reporting.comparing import gate_views as views

    passed = result.passed(**fails)
    content = json_text(views.as_json(result, passed=passed), indent=1)
    if json_file and str(json_file) != "-":
        _write(json_file, content + "\n")
    if junit is not None:
        _write(junit, views.junit(result, **fails))
    if markdown is not None:
        _append(markdown, views.markdown(result, passed=passed))
    emit(content) if str(json_file) == "-" else _print(result, passed)
    return passed


def _compared(
    baseline: list[Path],
    candidate: list[Path],
    past: tuple[Path, int, str | None],
    metric: str | None,
    tolerance: float,
) -> GateResult:
    from ..reporting.comparing.against_last import Past, gate_against_last
    from ..reporting.comparing.gate import gate as compare

    if not candidate or bool(baseline) == bool(past[1]):
        raise SettingsError("Name a --candidate, and either a --baseline or --against-last.")
    if baseline:
        return compare(baseline, candidate, metric=metric, tolerance=tolerance)
    return gate_against_last(candidate, Past(*past), metric=metric, tolerance=tolerance)


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

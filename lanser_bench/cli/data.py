"""`lanser-bench data`: check a dataset before using it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ..errors import LanserError, SettingsError
from ..printing import echo
from . import _shared as shared
from ._app import App
from ._options import dataset_ref, quoted_dataset
from ._shared import DATASET, dataset_words, echo_json, in_data, in_output

if TYPE_CHECKING:
    from ..data.survey import Survey
    from ..experiment.planning.leakage import LeakageReport
    from ..experiment.settings.model import DatasetRef
    from ..plugins.discovery import Registry

app = App(help="Check a dataset before using it.")

LISTED = {"sample_rates": "sample rates (Hz)", "channels": "channels", "formats": "formats"}
"""Counts of the survey that are shown as a list of values → title of the row."""
PROBLEMS = {
    "bad audio": "bad audio",
    "duplicate": "duplicate recordings",
    "re-encoded": "identical audio, different encoding",
    "silent": "silent",
    "odd channels": "odd channels",
    "clipped": "clipped",
}
"""Kinds of problems → title of the row."""
NAMED = 3
"""Problems of one kind that are named; the rest are counted."""


@app.command()
def check(
    dataset: list[str] = dataset_words(..., metavar=DATASET),
    as_json: bool = shared.AS_JSON,
    store: Path = shared.STORE,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Count and check labels, speakers, spans and recordings.

    A folder or a table in place of the dataset's name is guessed, and the command that reads it is
    shown. Results for recordings are cached in the store. Exit code 0: the dataset can be used. 2:
    it cannot; the errors say why.

    Examples:
        lanser-bench data check synthetic clips=24 speakers=4
        lanser-bench data check recordings
        lanser-bench data check manifest calls taxonomy=ekman-6
    """
    from ._own_data import contact_lines, first_contact

    plugins = shared.plugins_in(plugins_dir)
    try:
        proposed, words = first_contact(plugins, dataset)
        survey = _survey(plugins, dataset_ref(words, plugins, "data check"), store)
    except LanserError as error:
        if as_json:  # a program that reads JSON gets JSON, whatever is wrong
            echo_json({"usable": False, "faults": [str(error)]})
        raise
    if as_json:
        from ..data.survey import summary

        echo_json({"usable": not survey.faults, "faults": survey.faults, **summary(survey)})
    else:
        _print_survey(survey, contact_lines(proposed, words, survey))
    _end_with_faults(survey)


@app.command()
def init(
    data: list[str] = typer.Argument(
        ...,
        metavar="PATH [KEY=VALUE]...",
        help="A folder, table or recording; then options that replace guesses.",
    ),
    output: Path | None = in_output(None, help="File to write; default: the data's name.yaml."),
    force: bool = in_output(False, "--force", help="Replace the file."),
    store: Path = shared.STORE,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Write an experiment for recordings or a table of your own.

    Columns, speakers and labels are guessed and shown, and the data is checked. The experiment
    says what the data lacks to be a target.

    Examples:
        lanser-bench data init recordings
        lanser-bench data init calls/list.csv taxonomy=ekman-6
    """
    from ..store import write_atomic
    from ._own_data import contact_lines, experiment_text, first_contact

    plugins = shared.plugins_in(plugins_dir)
    proposed, words = first_contact(plugins, data)
    file = output or Path(f"{Path(data[0]).resolve().stem}.yaml")
    if file.exists() and not force:
        raise SettingsError(f"{file} exists already. Choose another --output, or --force.")
    ref = dataset_ref(words, plugins, "data init")
    survey = _survey(plugins, ref, store)
    _print_survey(survey, contact_lines(proposed, words, survey))
    _end_with_faults(survey)
    text = experiment_text(ref, survey, file)
    with shared.writing(file):
        write_atomic(file, text)
    echo(f"Written: {file}. Next: lanser-bench run {file} --dry-run")


def _end_with_faults(survey: Survey) -> None:
    for fault in survey.faults:
        echo(f"Error: {fault}", err=True)
    if survey.faults:
        raise typer.Exit(2)


@app.command()
def leakage(
    dataset: list[str] = dataset_words(..., metavar=DATASET),
    protocol: str = in_data(
        "k-speaker-folds", help="Fold protocol, such as leave-one-speaker-out or split."
    ),
    folds: int = in_data(5, help="Number of folds of k-speaker-folds.", min=2),
    corpus: list[str] = in_data(
        [],
        metavar='"DATASET [ROOT]..."',
        help="A dataset for pre-training, its words in one pair of quotes; repeatable.",
    ),
    as_json: bool = shared.AS_JSON,
    store: Path = shared.STORE,
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Find speakers, sounds and sentences on both sides of a split.

    Exit code 0: a run would accept the split, with the warnings shown. 1: a run would refuse it, or
    a dataset for pre-training contains part of the target (a run refuses only its human labels).

    Examples:
        lanser-bench data leakage synthetic clips=24 speakers=4 --folds 2
        lanser-bench data leakage ravdess data/ravdess --corpus "crema-d data/crema-d limit=500"
    """
    from ..experiment.planning.leakage import leakage_report
    from ..stages.evaluate.spec import Params
    from ..store import Store

    plugins = shared.plugins_in(plugins_dir)
    report = leakage_report(
        plugins,
        Store(store),
        dataset_ref(dataset, plugins, "data leakage"),
        [quoted_dataset(text, plugins, "--corpus") for text in corpus],
        Params(protocol=protocol, folds=folds),
    )
    if as_json:
        echo_json(asdict(report))
    else:
        _print_leakage(report)
    if report.refused:
        raise typer.Exit(1)


def _print_leakage(report: LeakageReport) -> None:
    echo(f"dataset: {report.dataset}, {report.protocol}, {report.folds} folds")
    for group in report.identical:
        echo(f"same sound: {', '.join(group)}")
    for sentence in report.warnings:
        echo(f"warning: {sentence}")
    for sentence in report.refused:
        echo(f"refused: {sentence}")
    echo(f"leakage: {'yes' if report.refused else 'no'}")


def _survey(plugins: Registry, dataset: DatasetRef, store: Path) -> Survey:
    from ..data.manifest import surveyed
    from ..experiment.running.display import Display
    from ..store import Store

    name = dataset.dataset
    plugin = plugins.create("dataset", name, dataset.options)
    settings: dict[str, Any] = {"on_bad_audio": dataset.on_bad_audio, "part": dataset.part}
    with Display() as display:
        settings["progress"] = display.reading
        return surveyed(plugins, Store(store), name, plugin, dataset.root, settings)


def _print_survey(survey: Survey, contact: Sequence[tuple[str, str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    from ..console import Console

    console = Console(highlight=False)
    table = Table(title=f"{survey.dataset}: {survey.card.title}", show_header=False)
    for title, value in [*_rows(survey), *contact]:
        if console.is_terminal:
            table.add_row(title, Text(value))
        else:
            echo(f"{title}: {value}")
    if console.is_terminal:
        console.print(table)


def _rows(survey: Survey) -> list[tuple[str, str]]:
    counts, card = survey.counts, survey.card
    hours = counts["seconds"] / 3600
    labels = ", ".join(f"{name} {count}" for name, count in counts["labels"].items())
    taxonomy = f" ({card.taxonomy})" if card.taxonomy and labels else ""
    without = counts["without_speaker"]
    speakers = f" ({without} utterances without speaker)" if without else ""
    rows = [
        ("dataset", f"{survey.dataset} ({card.title})"),
        ("licence", card.licence),
        ("utterances", str(counts["utterances"])),
        ("recordings", str(counts["recordings"])),
        ("duration", f"{hours:.2f} h" if hours >= 1 else f"{counts['seconds'] / 60:.1f} min"),
        *((title, _listed(counts[name])) for name, title in LISTED.items()),
        ("speakers", f"{counts['speakers']}{speakers}"),
        ("transcripts", str(counts["transcripts"])),
        ("gold labels", f"{labels or 'none'}{taxonomy}"),
        ("unlabelled", str(counts["unlabelled"])),
        *(("dimension", f"{n}, {low:g} to {high:g}") for n, (low, high) in card.dimensions.items()),
        ("extras", ", ".join(counts["extras"]) or "none"),
        *((title, _counted(survey, kind)) for kind, title in PROBLEMS.items()),
        *(("warning", sentence) for sentence in counts["warnings"]),
    ]
    if card.fixed_sentences:
        rows.append(("note", "all speakers say the same few sentences: the text carries no label"))
    rows += [("note", sentence) for sentence in survey.notes]
    if card.notes:
        rows.append(("card", card.notes))
    return [*rows, ("usable", "no" if survey.faults else "yes")]


def _listed(values: dict[str, int]) -> str:
    return ", ".join(f"{value} ({count})" for value, count in values.items()) or "none"


def _counted(survey: Survey, kind: str) -> str:
    count = len(survey.of_kind(kind))
    return f"{count}: {survey.named(kind, NAMED)}" if count else "0"

"""`lanser-bench data`: looks through a dataset before it is used."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import LanserError, SettingsError
from ._shared import AsJson, PluginsDirs

if TYPE_CHECKING:
    from ..data.survey import Survey
    from ..experiment.planning.leakage import LeakageReport

app = typer.Typer(help="Look through a dataset before using it.", no_args_is_help=True)

TABLES = (".csv", ".tsv", ".jsonl", ".parquet")
"""Ends of the names of tables that `manifest` reads."""
TRAITS = (("sample_rates", "sample rates (Hz)"), ("channels", "channels"), ("formats", "formats"))
"""Counts that are shown as lists of values, with the names of their rows."""
NAMED = 3
"""How many findings of one sort are named; the rest is counted."""


@app.command()
def check(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset plugin, such as ravdess.")],
    root: Annotated[
        str | None, typer.Argument(help="Its folder; not needed by one that makes its own files.")
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Argument(help="key=value: options of the plugin, and on_bad_audio, limit."),
    ] = None,
    as_json: AsJson = False,
    store: Annotated[
        Path, typer.Option(help="Where it is remembered what was found in recordings.")
    ] = Path(".lanser/store"),
    plugins_dir: PluginsDirs = None,
) -> None:
    """Counts and checks all of a dataset: labels, speakers, spans and every recording.

    Exit code 0: it can be used as it is. 2: it cannot; the sentences say why.
    """
    given = list(options or [])
    if root is not None and "=" in root and not Path(root).exists():
        given.insert(0, root)
        root = None
    try:
        survey = _survey(dataset, Path(root) if root else None, given, store, plugins_dir or [])
    except LanserError as error:
        if as_json:  # a program that reads JSON gets JSON, whatever is wrong
            typer.echo(json.dumps({"usable": False, "faults": [str(error)]}, ensure_ascii=False))
        raise
    if as_json:
        from ..data.survey import summary

        content = {"usable": not survey.faults, "faults": survey.faults, **summary(survey)}
        typer.echo(json.dumps(content, ensure_ascii=False))
    else:
        _print(survey)
    if survey.faults:
        for sentence in survey.faults:
            typer.echo(f"Error: {sentence}", err=True)
        raise typer.Exit(2)


@app.command()
def leakage(
    dataset: Annotated[str, typer.Argument(help="Name of the dataset plugin, such as ravdess.")],
    root: Annotated[str | None, typer.Argument(help="Its folder.")] = None,
    options: Annotated[
        list[str] | None, typer.Argument(help="key=value: options of the plugin.")
    ] = None,
    protocol: Annotated[
        str, typer.Option(help="Fold protocol, such as leave-one-speaker-out or split.")
    ] = "k-speaker-folds",
    folds: Annotated[int, typer.Option(help="Number of folds of k-speaker-folds.", min=2)] = 5,
    corpus: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME[=FOLDER]", help="A set to pre-train on; may be repeated."),
    ] = None,
    as_json: AsJson = False,
    store: Annotated[Path, typer.Option(help="Where manifests are kept.")] = Path(".lanser/store"),
    plugins_dir: PluginsDirs = None,
) -> None:
    """Look for the same speaker, sound or sentence on both sides of a split.

    Exit code 0: a run would go on, with the warnings shown; 1: it would be refused, or a set to
    pre-train on knows the target (which a run refuses only where it learns human labels of it).
    """
    from dataclasses import asdict

    from ..experiment.planning.leakage import leakage_report
    from ..experiment.settings.model import DatasetRef
    from ..plugins.discovery import registry
    from ..stages.evaluate.spec import Params
    from ..store import Store
    from ._options import parsed_options

    given = list(options or [])
    if root is not None and "=" in root and not Path(root).exists():
        given.insert(0, root)
        root = None
    target = {"dataset": dataset, "root": root, **parsed_options(given)}
    plugins = registry(tuple(plugins_dir or ()))
    _check_name(dataset, plugins.names("dataset"), "leakage")
    pairs = [name.partition("=") for name in corpus or ()]
    report = leakage_report(
        plugins,
        Store(store),
        DatasetRef.model_validate(target),
        [DatasetRef(dataset=n, root=Path(folder) if folder else None) for n, _, folder in pairs],
        Params(protocol=protocol, folds=folds),
    )
    if as_json:
        typer.echo(json.dumps(asdict(report), ensure_ascii=False))
    else:
        _print_leakage(report)
    if report.refused:
        raise typer.Exit(1)


def _print_leakage(report: LeakageReport) -> None:
    typer.echo(f"dataset: {report.dataset}, {report.protocol}, {report.folds} folds")
    for group in report.identical:
        typer.echo(f"same sound: {', '.join(group)}")
    for sentence in report.warnings:
        typer.echo(f"warning: {sentence}")
    for sentence in report.refused:
        typer.echo(f"refused: {sentence}")
    typer.echo(f"leakage: {'yes' if report.refused else 'no'}")


def _check_name(given: str, names: Sequence[str], command: str) -> None:
    """Raises a `SettingsError` with the words to type if a path stands where a name should."""
    path = Path(given)
    if given in names or not path.exists():
        return
    beside = path.iterdir() if path.is_dir() and os.access(path, os.R_OK) else [path]
    tables = sorted(found for found in beside if found.suffix.lower() in TABLES)
    if not (tables or path.is_dir()):
        return
    words = f"audiofolder {given}"
    if tables:
        first = next((table for table in tables if table.stem == "manifest"), tables[0])
        words = f"manifest {first.parent}" + f" table={first.name}" * (first.stem != "manifest")
    raise SettingsError(
        f"'{given}' is a path, and the name of a dataset comes before it. Try "
        f"`lanser-bench data {command} {words}`; `lanser-bench plugins` lists the names."
    )


def _survey(
    dataset: str, root: Path | None, options: Sequence[str], store: Path, plugin_dirs: list[Path]
) -> Survey:
    from contextlib import closing

    from ..data.audio_memo import AudioMemo
    from ..data.manifest import checked_limit, dataset_root
    from ..data.survey import survey_dataset
    from ..plugins.discovery import registry
    from ..store import Store
    from ._options import parsed_options

    values = parsed_options(options)
    on_bad_audio = _choice(values.pop("on_bad_audio", "stop"))
    limit = checked_limit(dataset, values.pop("limit", None))
    plugins = registry(tuple(plugin_dirs))
    _check_name(dataset, plugins.names("dataset"), "check")
    plugin = plugins.create("dataset", dataset, values)
    kept = Store(store)
    folder = dataset_root(plugin.needs_root, kept, dataset, root)
    with closing(AudioMemo(kept.root / "files.sqlite")) as memo, _progress() as progress:
        return survey_dataset(
            plugins,
            dataset,
            plugin,
            folder,
            memo,
            on_bad_audio=on_bad_audio,
            limit=limit,
            progress=progress,
        )


def _choice(value: Any) -> Any:
    if value not in ("stop", "skip"):
        raise SettingsError(f"on_bad_audio is '{value}'; it must be stop or skip.")
    return value


def _progress() -> Any:
    """Returns a context that gives a progress callback: a bar on a terminal, else nothing."""
    from contextlib import contextmanager, nullcontext

    from rich.console import Console
    from rich.progress import Progress, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        return nullcontext(None)

    @contextmanager
    def bar() -> Any:
        columns = (*Progress.get_default_columns()[:-1], TimeRemainingColumn())
        with Progress(*columns, console=console, transient=True) as shown:
            task = shown.add_task("checking recordings", total=None)
            yield lambda done, total, unit: shown.update(task, completed=done, total=total)

    return bar()


def _print(survey: Survey) -> None:
    from rich.console import Console

    rows = _rows(survey)
    console = Console(highlight=False)
    if not console.is_terminal:
        for name, value in rows:
            typer.echo(f"{name}: {value}")
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(title=f"{survey.dataset}: {survey.card.title}", show_header=False)
    for name, value in rows:
        table.add_row(name, Text(value))
    console.print(table)


def _rows(survey: Survey) -> list[tuple[str, str]]:
    counts = survey.counts
    hours = counts["seconds"] / 3600
    labels = ", ".join(f"{name} {count}" for name, count in counts["labels"].items())
    rows = [
        ("dataset", f"{survey.dataset} ({survey.card.title})"),
        ("licence", survey.card.licence),
        ("utterances", str(counts["utterances"])),
        ("recordings", str(counts["recordings"])),
        ("duration", f"{hours:.2f} h" if hours >= 1 else f"{counts['seconds'] / 60:.1f} min"),
        *((words, _listed(counts[name])) for name, words in TRAITS),
        ("speakers", _speakers(counts)),
        ("transcripts", str(counts["transcripts"])),
        ("gold labels", f"{labels or 'none'}" + _taxonomy(survey)),
        ("unlabelled", str(counts["unlabelled"])),
        ("extras", ", ".join(counts["extras"]) or "none"),
        ("bad audio", _named(survey, "bad audio")),
        ("same sound twice", _named(survey, "duplicate")),
        ("same samples in other bytes", _named(survey, "re-encoded")),
        ("silent", _named(survey, "silent")),
        ("odd channels", _named(survey, "odd channels")),
        ("clipped", _named(survey, "clipped")),
    ]
    rows += [("warning", sentence) for sentence in counts["warnings"]]
    if survey.card.fixed_sentences:
        rows.append(("note", "all speakers say the same few sentences: the text carries no label"))
    rows += [("note", sentence) for sentence in survey.notes]
    if survey.card.notes:
        rows.append(("card", survey.card.notes))
    rows.append(("usable", "no" if survey.faults else "yes"))
    return rows


def _listed(values: dict[str, int]) -> str:
    return ", ".join(f"{value} ({count})" for value, count in values.items()) or "none"


def _speakers(counts: dict[str, Any]) -> str:
    without = counts["without_speaker"]
    return f"{counts['speakers']}" + (f" ({without} utterances without speaker)" if without else "")


def _taxonomy(survey: Survey) -> str:
    return f" ({survey.card.taxonomy})" if survey.card.taxonomy and survey.counts["labels"] else ""


def _named(survey: Survey, kind: Any) -> str:
    found = survey.of_kind(kind)
    if not found:
        return "0"
    shown = "; ".join(f"{p.utterance} ({p.file}) {p.problem}" for p in found[:NAMED])
    rest = len(found) - NAMED
    return f"{len(found)}: {shown}" + (f"; and {rest} more" if rest > 0 else "")

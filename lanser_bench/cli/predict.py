"""`lanser-bench predict`: labels of recordings by an exported model."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from ._shared import PluginsDirs

if TYPE_CHECKING:
    from ..model import Prediction

Show = Callable[["Prediction"], None]


class Format(StrEnum):
    """How predictions are written."""

    text = "text"
    jsonl = "jsonl"
    csv = "csv"


def predict(
    model: Annotated[Path, typer.Argument(help="A folder that `lanser-bench export` wrote.")],
    audio: Annotated[list[str], typer.Argument(help="Recordings, folders of them, or patterns.")],
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="text; jsonl: one line per recording, segments inside; csv: one row per segment.",
        ),
    ] = Format.text,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="A file instead of the terminal.")
    ] = None,
    segmenter: Annotated[
        str | None,
        typer.Option(
            help="How recordings are cut: windows, vad, none or another segmenter. Default: "
            "whole up to 30 s, windows of 10 s beyond.",
            show_default=False,
        ),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="An option of the segmenter; may be repeated."),
    ] = None,
    plugins_dir: PluginsDirs = None,
) -> None:
    """Labels recordings of any length by an exported model.

    A recording or segment gets no label, and the reason, if a model would get silence or less than
    0.1 s of sound.

    Exit code 1: some recordings could not be read; they are named, and the others are labelled.
    """
    from ..errors import DataError, SettingsError
    from ..model import load_model
    from ..model.predict import find_audio, predict_file
    from ..plugins.discovery import registry
    from ._options import parsed_options

    if option and segmenter is None:
        raise SettingsError("--option sets options of a segmenter: name one with --segmenter.")
    loaded = load_model(model, plugins_dir or ())
    for note in loaded.notes:
        typer.echo(f"! {note}", err=True)
    cutter = None
    if segmenter is not None:
        plugins = registry(tuple(plugins_dir or ()))
        cutter = plugins.create("segmenter", segmenter, parsed_options(option or []))
    failed = 0
    with _opened(output) as stream:
        show = _writer(form, stream, loaded.labels)
        for path in find_audio(audio):
            try:
                show(predict_file(loaded, path, cutter))
            except DataError as error:
                failed += 1
                typer.echo(f"✗ {error}", err=True)
    if failed:
        typer.echo(f"{failed} recordings could not be labelled.", err=True)
        raise typer.Exit(1)


def _opened(path: Path | None) -> Any:
    from ..errors import DataError

    if path is None:
        return nullcontext(sys.stdout)
    try:
        return path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise DataError(f"{path} cannot be written: {error.strerror}.") from None


def _writer(form: Format, stream: TextIO, labels: list[str]) -> Show:
    if form is Format.csv:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(["file", "start", "end", "label", *labels, "reason"])
        return lambda found: _as_rows(rows, found, len(labels))
    if form is Format.jsonl:
        return lambda found: _line(stream, json.dumps(found.as_json(), ensure_ascii=False))
    return lambda found: _as_text(stream, found)


def _as_rows(rows: Any, found: Prediction, labels: int) -> None:
    """Writes a row per segment; one for all of a recording that has none."""
    for s in found.segments:
        scores = [f"{value:.6f}" for value in s.scores.values()] or [""] * labels
        rows.writerow([found.path, f"{s.start:.3f}", f"{s.end:.3f}", s.label, *scores, s.reason])
    if not found.segments:
        rows.writerow(
            [found.path, "0.000", f"{found.seconds:.3f}", "", *[""] * labels, found.reason]
        )


def _as_text(stream: TextIO, found: Prediction) -> None:
    if found.label is None:
        _line(stream, f"{found.path}  →  no label: it {found.reason}")
        return
    best = sorted(found.scores.items(), key=lambda item: -item[1])[:3]
    scores = ", ".join(f"{name} {value:.2f}" for name, value in best)
    _line(stream, f"{found.path}  →  {found.label}  ({scores})")
    if len(found.segments) > 1:
        for s in found.segments:
            place = f"{_clock(s.start)}–{_clock(s.end)}"
            said = f"no label: it {s.reason}" if s.label is None else f"{s.scores[s.label]:.2f}"
            _line(stream, f"    {place}  {s.label or ''}  {said}")


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes):d}:{rest:04.1f}"


def _line(stream: TextIO, text: str) -> None:
    stream.write(text + "\n")
    stream.flush()

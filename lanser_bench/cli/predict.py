"""`lanser-bench predict`: label recordings with an exported model."""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import typer

from ..printing import cell, echo, json_text, visible
from . import _shared as shared
from ._shared import in_output, note, writing

if TYPE_CHECKING:
    from ..model import Prediction

Show = Callable[["Prediction"], None]


class Format(StrEnum):
    """How predictions are written."""

    text = "text"
    jsonl = "jsonl"
    csv = "csv"


def predict(
    model: Path = typer.Argument(..., help="A folder that `lanser-bench export` wrote."),
    audio: list[str] = typer.Argument(
        ..., metavar="AUDIO...", help="Recordings, folders of them, or patterns."
    ),
    segmenter: str | None = typer.Option(
        None,
        help="Cuts recordings: windows, vad, none or another segmenter. Default: none up to 30 s, "
        "windows of 10 s for longer ones.",
    ),
    option: list[str] = typer.Option(
        [], metavar="KEY=VALUE", help="Option of the segmenter; repeatable."
    ),
    form: Format = in_output(
        Format.text,
        "--format",
        help="text; jsonl: one line per recording, with its segments; csv: one row per segment.",
    ),
    output: Path | None = in_output(None, "--output", "-o", help="Write to this file."),
    plugins_dir: list[Path] = shared.PLUGINS_DIRS,
) -> None:
    """Label recordings of any length with an exported model.

    A recording or segment that is silent or shorter than 0.1 s gets no label; the output gives the
    reason. Exit code 1: some recordings could not be read; the others are labelled.

    Examples:
        lanser-bench predict model speech.wav
        lanser-bench predict model calls/*.wav --segmenter vad --format csv -o labels.csv
    """
    from ..errors import DataError, SettingsError
    from ..model import load_model
    from ..model.predict import find_audio, predict_file
    from ._options import parsed_options

    shared.quieten_libraries()
    if option and segmenter is None:
        raise SettingsError("--option sets options of a segmenter: name one with --segmenter.")
    loaded = load_model(model, plugins_dir)
    for sentence in loaded.notes:
        note(sentence)
    cutter = None
    if segmenter is not None:
        plugins = shared.plugins_in(plugins_dir)
        cutter = plugins.create("segmenter", segmenter, parsed_options(option))
    failed = 0
    with _opened(output) as stream:
        show = _writer(form, stream, loaded.labels)
        for path in find_audio(audio):
            try:
                show(predict_file(loaded, path, cutter))
            except DataError as error:
                failed += 1
                echo(f"✗ {error}", err=True)
    if failed:
        echo(f"{failed} recordings could not be labelled.", err=True)
        raise typer.Exit(1)


def _opened(path: Path | None) -> Any:
    if path is None:
        return nullcontext(sys.stdout)
    with writing(path):
        return path.open("w", encoding="utf-8", newline="")


def _writer(form: Format, stream: TextIO, labels: list[str]) -> Show:
    if form is Format.csv:
        rows = csv.writer(stream, lineterminator="\n")
        rows.writerow(map(cell, ["file", "start", "end", "label", *labels, "reason"]))
        return lambda prediction: rows.writerows(
            map(cell, row) for row in _rows(prediction, len(labels))
        )
    as_json = form is Format.jsonl

    def show(found: Prediction) -> None:
        stream.write((json_text(found.as_json()) if as_json else visible(_as_text(found))) + "\n")
        stream.flush()

    return show


def _rows(prediction: Prediction, labels: int) -> Iterator[list[str]]:
    """Yields a row per segment; one row for a recording without segments."""
    path, no_scores = str(prediction.path), [""] * labels
    for s in prediction.segments:
        scores = [f"{value:.6f}" for value in s.scores.values()] or no_scores
        yield [path, f"{s.start:.3f}", f"{s.end:.3f}", s.label or "", *scores, s.reason]
    if not prediction.segments:
        yield [path, "0.000", f"{prediction.seconds:.3f}", "", *no_scores, prediction.reason]


def _as_text(prediction: Prediction) -> str:
    if prediction.label is None:
        return f"{prediction.path}  →  no label: it {prediction.reason}"
    best = sorted(prediction.scores.items(), key=lambda item: -item[1])[:3]
    scores = ", ".join(f"{name} {value:.2f}" for name, value in best)
    lines = [f"{prediction.path}  →  {prediction.label}  ({scores})"]
    for s in prediction.segments if len(prediction.segments) > 1 else ():
        verdict = f"no label: it {s.reason}" if s.label is None else f"{s.scores[s.label]:.2f}"
        lines.append(f"    {_clock(s.start)}–{_clock(s.end)}  {s.label or ''}  {verdict}")
    return "\n".join(lines)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes):d}:{rest:04.1f}"

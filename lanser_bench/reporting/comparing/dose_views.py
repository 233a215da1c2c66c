"""Shows dose and response: tables, JSON and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from typing import Any

from pydantic import BaseModel

from ...evaluation.results import Metric
from ...numbers import decimal, percent
from ..leaderboard.plots import COLOURS, GREYS, STYLES
from ..tables.sheet import Sheet
from ..tables.texts import p_text
from .dose import DoseBoard, Line, Slope


def sheets(board: DoseBoard) -> list[Sheet]:
    """Returns a table of all cells and one of the slopes."""
    return [_points_sheet(board), _slopes_sheet(board)]


def _points_sheet(board: DoseBoard) -> Sheet:
    show = decimal if board.response.probed else percent
    rivals = list(dict.fromkeys(n for line in board.lines for p in line.points for n in p.ahead))
    rows = [
        [
            _title(line),
            f"{point.dose:g}",
            str(point.seeds),
            show(point.score),
            *(show(point.ahead.get(name)) for name in rivals),
        ]
        for line in board.lines
        for point in line.points
    ]
    rows += [
        [name, "–", "–", show(score), *("–" for _ in rivals)]
        for name, score in board.references.items()
    ]
    title = (
        f"{board.response.title} on {board.dataset} by {board.axis}: {board.n_speakers} speakers"
    )
    heads = ["", board.axis, "seeds", board.response.title, *(f"minus {name}" for name in rivals)]
    said = ["95 % intervals over speakers × training seeds, differences paired by speaker"]
    if board.left_out:
        said.append(f"left out: {', '.join(board.left_out)}")
    return Sheet(title, heads, rows, [], said)


def _slopes_sheet(board: DoseBoard) -> Sheet:
    unit = "R²" if board.response.probed else "points"
    rows = [
        [
            _title(line),
            slope.of,
            str(len(line.points)),
            _signed(board, slope.value),
            p_text(slope.p_value) + ("" if slope.seeds_known else " *"),
            _detectable(board, slope),
        ]
        for line in board.lines
        for slope in line.slopes
    ]
    heads = ["", "slope of", "cells", f"{unit} per 1 of {board.axis}", "p (Holm)", "detectable"]
    said = [
        "least-squares slope over the cells, with its interval over speakers × training seeds",
        "p: no trend; adjusted by Holm's method over this table",
    ]
    if not all(slope.seeds_known for line in board.lines for slope in line.slopes):
        said.append("* from one training seed: how much seeds vary is not in it")
    return Sheet(f"Slopes: {board.response.title} by {board.axis}", heads, rows, [], said)


def _title(line: Line) -> str:
    return ": ".join(text for text in (line.control or "", line.name) if text) or "main"


def _signed(board: DoseBoard, found: Metric) -> str:
    size, digits = (1, 3) if board.response.probed else (100, 1)
    text = f"{size * found.value:+.{digits}f}"
    if found.interval is None:
        return text
    low, high = (f"{size * end:+.{digits}f}" for end in (found.interval.low, found.interval.high))
    return f"{text} [{low}, {high}]"


def _detectable(board: DoseBoard, slope: Slope) -> str:
    if slope.detectable is None:
        return "–"
    return f"{slope.detectable:.3f}" if board.response.probed else f"{100 * slope.detectable:.1f}"


def as_json(boards: Sequence[DoseBoard]) -> list[Any]:
    """Returns boards as plain JSON values; scores are shares."""
    return [_plain(board) for board in boards]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def picture(board: DoseBoard) -> Any:
    """Returns a matplotlib figure: the score over the dose, with bands over speakers × seeds.

    Lines of cells are drawn where there are several doses, single cells as points with whiskers,
    shuffled labels in grey, and rows that know no dose as horizontal lines.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 5.2), layout="constrained")
    axes = figure.add_subplot()
    size = 1 if board.response.probed else 100
    colours = iter(COLOURS * len(board.lines))
    for index, line in enumerate(board.lines):
        grey = (line.control or "").startswith("shuffled")
        _draw(axes, line, size, GREYS[index % len(GREYS)] if grey else next(colours), grey=grey)
    for index, (name, score) in enumerate(board.references.items()):
        axes.axhline(
            size * score.value,
            color=GREYS[index % len(GREYS)],
            lw=1,
            ls=STYLES[index % len(STYLES)],
            label=name.replace("_", " "),
        )
    axes.set_xlabel(board.axis)
    axes.set_ylabel(board.response.title + ("" if board.response.probed else ", %"))
    axes.set_title(
        f"{board.dataset}: {board.n_speakers} speakers; bands: 95 % over speakers × seeds",
        fontsize=10,
        loc="left",
    )
    axes.grid(visible=True, color="#eeeeee", zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside right upper", fontsize=7, frameon=False)
    return figure


def _draw(axes: Any, line: Line, size: float, colour: str, *, grey: bool) -> None:
    x = [point.dose for point in line.points]
    y = [size * point.score.value for point in line.points]
    bands = [point.score.interval for point in line.points]
    known = [band for band in bands if band is not None]
    low, high = [size * band.low for band in known], [size * band.high for band in known]
    single = len(x) == 1
    axes.plot(
        x,
        y,
        "s" if single else "--o" if grey else "-o",
        color=colour,
        ms=5,
        zorder=3,
        label=_title(line)[:64].replace("_", " "),
    )
    if len(known) == len(x):
        if single:
            axes.vlines(x, low, high, color=colour, lw=1.2, alpha=0.6, zorder=2)
        else:
            axes.fill_between(x, low, high, color=colour, alpha=0.08 if grey else 0.16, lw=0)

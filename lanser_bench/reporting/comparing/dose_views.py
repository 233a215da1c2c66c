"""Shows dose and response: as tables and as a picture."""

from __future__ import annotations

from functools import partial
from typing import Any

from ...numbers import p_text
from ..tables.pictures import COLOURS, GREYS, STYLES, plain_figure
from ..tables.sheet import ONE_SEED, Column, Entry, Sheet, Shown, axis_columns, verdict
from .dose import DoseBoard, Line, Prediction, Slope


def sheets(board: DoseBoard) -> list[Sheet]:
    """Returns a table of all cells, one of the slopes, and one of the extrapolated scores."""
    tables = [_points_sheet(board), _slopes_sheet(board)]
    return tables if board.extrapolate is None else [*tables, _predictions_sheet(board)]


def _points_sheet(board: DoseBoard) -> Sheet:
    show = board.response.text
    title = board.response.title
    rivals = dict.fromkeys(n for line in board.lines for p in line.points for n in p.ahead)
    rows = [
        {
            **point.axes,
            "cell": line.name,
            "dose": point.dose,
            "seeds": point.seeds,
            "score": point.score,
            **{f"minus {name}": metric for name, metric in point.ahead.items()},
        }
        for line in board.lines
        for point in line.points
    ]
    rows += [{"cell": name, "score": score} for name, score in board.references.items()]
    notes = ["95 % intervals over speakers × training seeds, differences paired by speaker"]
    return Sheet(
        title=f"{title} on {board.dataset} by {board.head}: {board.n_speakers} speakers",
        shared=board.shared,
        faults=[f"left out: {text}" for text in board.left_out],
        columns=[
            Column("cell", ""),
            Column("dose", board.head, "{:.4g}".format, True),
            Column("score", title, show, True),
            *(Column(f"minus {name}", f"minus {name}", show, True, order=0) for name in rivals),
            Column("seeds", "seeds", right=True, order=1),
            *axis_columns(point.axes for line in board.lines for point in line.points),
        ],
        rows=list(map(Entry, rows)),
        notes=notes,
        facts={"table": "cells", "dataset": board.dataset, "split": board.split_hash},
    )


def _slopes_sheet(board: DoseBoard) -> Sheet:
    unit = "points" if board.response.points else board.response.title.split()[0]
    notes = [
        "least-squares slope over the cells, with its interval over speakers × training seeds",
        "p: no trend; adjusted by Holm's method over this table",
    ]
    if not all(slope.seeds_known for line in board.lines for slope in line.slopes):
        notes.append(ONE_SEED)
    return Sheet(
        title=f"Slopes: {board.response.title} by {board.head}",
        columns=[
            Column("cell", ""),
            Column("of", "slope of"),
            Column("slope", f"{unit} per 1 of {board.head}", right=True, judged=True),
            Column("p", "p (Holm)", right=True),
            Column("detectable", "detectable", right=True, order=1),
            Column("cells", "cells", right=True, order=2),
        ],
        rows=[_slope(board, line, slope) for line in board.lines for slope in line.slopes],
        notes=notes,
        facts={"table": "slopes", "dataset": board.dataset, "split": board.split_hash},
    )


def _predictions_sheet(board: DoseBoard) -> Sheet:
    unit = "points" if board.response.points else board.response.title.split()[0]
    at, show = f"{board.extrapolate:g}", partial(board.response.text, sign=True)
    notes = [
        "least-squares line over log2 of the dose; intervals over speakers × training seeds",
        f"assumes that the line holds up to {at}, beyond what was measured: the interval does not "
        "include that the curve may bend",
    ]
    if not all(made.seeds_known for line in board.lines for made in line.predictions):
        notes.append(ONE_SEED)
    return Sheet(
        title=f"Extrapolated: {board.response.title} at {board.head} {at}",
        columns=[
            Column("cell", ""),
            Column("of", "score"),
            Column("measured", "measured"),
            Column("per_doubling", f"{unit} per doubling", show, True),
            Column("predicted", f"at {at}", right=True),
        ],
        rows=[_prediction(board, line, made) for line in board.lines for made in line.predictions],
        notes=notes,
        facts={"table": "extrapolated", "dataset": board.dataset, "split": board.split_hash},
    )


def _prediction(board: DoseBoard, line: Line, made: Prediction) -> Entry:
    star = "" if made.seeds_known else " *"
    text = board.response.text(made.value, sign=made.of != "itself")
    return Entry(
        {
            "cell": line.name,
            "of": made.of,
            "measured": f"{line.points[0].dose:g} to {line.points[-1].dose:g}",
            "per_doubling": made.per_doubling,
            "predicted": Shown(made.value, text + star),
        }
    )


def _slope(board: DoseBoard, line: Line, slope: Slope) -> Entry:
    value, response = slope.value, board.response
    return Entry(
        {
            "cell": line.name,
            "of": slope.of,
            "cells": len(line.points),
            "slope": Shown(value, response.text(value, sign=True)),
            "p": Shown(slope.p_value, p_text(slope.p_value) + ("" if slope.seeds_known else " *")),
            "detectable": Shown(slope.detectable, response.size_text(slope.detectable)),
        },
        verdict=verdict(value, slope.p_value, lower_is_better=response.lower_is_better),
    )


def picture(board: DoseBoard) -> Any:
    """Returns a matplotlib figure: the score over the dose, with bands over speakers × seeds.

    Lines of cells are drawn where there are several doses, single cells as points with whiskers,
    shuffled labels in grey, and rows that know no dose as horizontal lines.
    """
    figure, axes = plain_figure(8.5, 5.2)
    size = 100 if board.response.points else 1
    colours = iter(COLOURS * len(board.lines))
    for index, line in enumerate(board.lines):
        grey = (line.control or "").startswith("shuffled")
        _draw(axes, line, size, GREYS[index % len(GREYS)] if grey else next(colours), grey=grey)
    for index, (name, score) in enumerate(board.references.items()):
        colour, style = GREYS[index % len(GREYS)], STYLES[index % len(STYLES)]
        axes.axhline(size * score.value, color=colour, lw=1, ls=style, label=name)
    axes.set_xlabel(board.head)
    axes.set_ylabel(board.response.title + (", %" if board.response.points else ""))
    axes.set_title(
        f"{board.dataset}: {board.n_speakers} speakers; bands: 95 % over speakers × seeds",
        fontsize=10,
        loc="left",
    )
    axes.grid(visible=True, color="#eeeeee", zorder=0)
    figure.legend(loc="outside right upper", fontsize=7, frameon=False)
    return figure


def _draw(axes: Any, line: Line, size: float, colour: str, *, grey: bool) -> None:
    x = [point.dose for point in line.points]
    y = [size * point.score.value for point in line.points]
    bands = [point.score.interval for point in line.points]
    known = [band for band in bands if band is not None]
    low, high = [size * band.low for band in known], [size * band.high for band in known]
    single = len(x) == 1
    style = "s" if single else "--o" if grey else "-o"
    axes.plot(x, y, style, color=colour, ms=5, zorder=3, label=line.name[:64])
    if len(known) == len(x):
        if single:
            axes.vlines(x, low, high, color=colour, lw=1.2, alpha=0.6, zorder=2)
        else:
            axes.fill_between(x, low, high, color=colour, alpha=0.08 if grey else 0.16, lw=0)

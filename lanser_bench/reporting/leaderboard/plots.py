"""Pictures of results. Drawn with Agg and SVG back ends only: no window, no state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...experiment.settings.axis_names import slug
from ..tables.pictures import save_picture
from .boards import Board
from .rows import CurvePoint, Row

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442")
"""Okabe and Ito's palette, which colour-blind readers can distinguish."""
GREYS = ("#333333", "#666666", "#888888", "#aaaaaa")
STYLES = ("--", ":", "-.", (0, (5, 1, 1, 1)))


def save_pictures(boards: Sequence[Board], folder: Path) -> list[Path]:
    """Draws the label-efficiency curve of each board as PNG and SVG into `folder`.

    Returns:
        The PNG files; each has an SVG beside it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for board in boards:
        if not any(len(row.curve) > 1 for row in board.main + board.controls):
            continue
        figure = label_efficiency(board)
        stem = f"label-efficiency-{slug(board.dataset)}-{board.split_hash[:6]}"
        for suffix in (".png", ".svg"):
            save_picture(figure, folder / f"{stem}{suffix}")
            figure.set_layout_engine(
                "none"
            )  # keep the layout: computing it takes a third of the time
        found.append(folder / f"{stem}.png")
    return found


def label_efficiency(board: Board) -> Any:
    """Returns a matplotlib figure: UAR over the share of labels, with bands over speakers.

    Main rows are coloured lines with a band, controls grey and broken, the majority row a
    horizontal line.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 5.2), layout="constrained")
    axes = figure.add_subplot()
    many = len(board.main) > 3
    for index, row in enumerate(board.main):
        colour = COLOURS[index % len(COLOURS)]
        _line(axes, row, color=colour, marker="o", markersize=4, zorder=3)
        _band(axes, row, colour, 0.08 if many else 0.16)
    for index, row in enumerate(board.controls):
        style = STYLES[index % len(STYLES)]
        _line(axes, row, color=GREYS[index % len(GREYS)], linestyle=style)
    majority = board.majority.get("uar")
    if majority is not None:
        axes.axhline(100 * majority.value, color="#bbbbbb", linewidth=1, label="majority")
    _frame(axes, board)
    return figure


def _frame(axes: Any, board: Board) -> None:
    axes.set_xscale("log")
    ticks = sorted(
        {
            100 * p.fraction
            for row in board.main + board.controls
            for p in row.curve
            if p.fraction is not None
        }
    )
    if ticks:
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.set_xlabel("human labels used, % of the training speakers' (log scale)")
    else:
        axes.set_xlabel("human labels used (log scale)")
    axes.minorticks_off()
    axes.set_ylabel("UAR on held-out speakers, %")
    axes.set_title(
        f"Label efficiency on {board.dataset}: {board.n_speakers} speakers, "
        f"{len(board.labels)} labels, {board.protocol}",
        fontsize=10,
        loc="left",
    )
    axes.grid(visible=True, color="#eeeeee", zorder=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.figure.legend(loc="outside right upper", fontsize=7, frameon=False)


def _points(row: Row) -> tuple[list[float], list[CurvePoint]]:
    """A row's budgets as shares in percent, or else as numbers of labels."""
    shares = [(100 * p.fraction, p) for p in row.curve if p.fraction is not None]
    points = shares or [(p.n_labels, p) for p in row.curve]
    return [x for x, _ in points], [point for _, point in points]


def _line(axes: Any, row: Row, **style: Any) -> None:
    x, points = _points(row)
    axes.plot(x, [100 * point.uar.value for point in points], label=_label(row), **style)


def _band(axes: Any, row: Row, colour: str, alpha: float) -> None:
    x, points = _points(row)
    known = [point.uar.interval for point in points if point.uar.interval is not None]
    if len(known) == len(x):
        low, high = [100 * i.low for i in known], [100 * i.high for i in known]
        axes.fill_between(x, low, high, color=colour, alpha=alpha, linewidth=0, zorder=1)


def _label(row: Row) -> str:
    return row.title if len(row.title) <= 60 else row.title[:59] + "…"

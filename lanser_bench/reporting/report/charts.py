"""Label-efficiency curves: as SVG with the theme of the page, and as figures for paper."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup, escape

from ...evaluation.results import Metric
from ...numbers import percent
from ..leaderboard.boards import Board
from ..leaderboard.rows import Row
from ..tables.layout import wrapped
from ..tables.pictures import COLOURS, GREYS, STYLES, column_figure

HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 52, 650, 14, 46
"""Height of a chart and the edges of what is drawn; names are to the right of it."""
GAP = 15
"""Least distance between two lines of the names at the ends of curves."""
LONGEST = 40
"""Characters of a line of such a name, which has at most two."""


@dataclass(frozen=True)
class Line:
    """One row's curve in percent."""

    name: str
    style: str
    """CSS class: ``s0`` … for main rows, ``k0`` … for controls."""
    points: list[tuple[float, float]]
    """(share of labels or number of labels, UAR), sorted."""
    band: list[tuple[float, float, float]]
    """(share, low, high); empty if an interval is missing."""
    texts: list[str]
    """Score at each point, as tables write it."""
    row: str = ""
    """Anchor of the row in the leaderboard, which is highlighted with it."""
    off: bool = False
    """Whether it is hidden at first."""


def lines(rows: Sequence[tuple[Row, str, str]], shown: int) -> list[Line]:
    """Returns the curves of rows with their names and anchors; the first `shown` are visible."""
    drawn = []
    counts = {"s": 0, "k": 0}
    for number, (row, name, anchor) in enumerate(rows):
        kind = "s" if row.role == "main" else "k"
        points = [(p.fraction, p.n_labels, p.uar) for p in row.curve]
        made = line_of(name, f"{kind}{counts[kind] % (8 if kind == 's' else 5)}", points)
        counts[kind] += 1
        drawn.append(replace(made, row=anchor, off=number >= shown))
    return drawn


def line_of(name: str, style: str, points: Sequence[tuple[float | None, float, Metric]]) -> Line:
    """Returns a curve of (share of the labels, number of labels, score)."""
    shares = all(share is not None for share, _, _ in points)
    xs = [100 * share if shares and share else n_labels for share, n_labels, _ in points]
    scores = [score for _, _, score in points]
    values = [(x, 100 * score.value) for x, score in zip(xs, scores, strict=True)]
    band = [
        (x, 100 * score.interval.low, 100 * score.interval.high)
        for x, score in zip(xs, scores, strict=True)
        if score.interval is not None
    ]
    made = sorted(zip(values, map(percent, scores), strict=True))
    whole = sorted(band) if len(band) == len(values) else []
    return Line(name, style, [at for at, _ in made], whole, [text for _, text in made])


@dataclass(frozen=True)
class Axes:
    """What a chart shows."""

    title: str
    score: str
    chance: float | None
    """Score of guessing in percent."""
    shares: bool
    """Whether budgets are shares of the labels, not numbers."""


def board_axes(board: Board) -> Axes:
    """Returns the axes of a board's curves."""
    rows = board.main + board.controls
    shares = any(p.fraction is not None for row in rows for p in row.curve)
    return Axes(board.title, "UAR", 100 / len(board.labels), shares)


def curves(shown: Sequence[Line], axes: Axes, name: object) -> Markup:
    """Draws the curves: main rows with bands, controls broken, chance as a thin line.

    Text alternatives: a title and a description here, and the table that the page puts below.
    `name` is unique in the page.
    """
    xs = sorted({x for line in shown for x, _ in line.points})
    if len(xs) < 2:
        return Markup("")
    highs = [y for line in shown for _, y in line.points]
    highs += [high for line in shown for _, _, high in line.band if line.style[0] == "s"]
    lows = [y for line in shown for _, y in line.points] + [axes.chance or 0.0]
    top = min(100.0, 10 * math.ceil((max(highs) + 2) / 10))
    scale = _Scale(xs[0], xs[-1], max(0.0, 10 * math.floor((min(lows) - 2) / 10)), top)
    parts = [_axes(scale, xs, axes)]
    parts += [_rule(scale, axes.chance)] if axes.chance is not None else []
    places = _places(scale, shown)
    parts += [_series(scale, line, places) for line in reversed(shown)]
    names = {x.name: name_lines(x.name) for x in shown}
    width = RIGHT + 30 + round(7.3 * max(len(line) for name in names.values() for line in name))
    parts += [f'<line class="cursor" x1="0" x2="0" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>']
    ends = "; ".join(f"{x.name} {x.points[-1][1]:.1f} %" for x in shown if not x.off)
    text = escape(f"{axes.score} over human labels used. At the most labels: {ends}.")
    return Markup(
        f'<svg class="chart curves" role="img" aria-labelledby="ct{name} cd{name}" '
        f'viewBox="0 0 {width} {HEIGHT}" data-plot="{RIGHT + 20}">'
        f'<title id="ct{name}">Label efficiency on {escape(axes.title)}</title>'
        f'<desc id="cd{name}">{text}</desc>{"".join(parts)}</svg>'
    )


def diagonal(
    title: str, x: str, y: str, points: Sequence[tuple[float, Metric]], level: float | None = None
) -> Markup:
    """Draws shares against shares, with their intervals, and the diagonal where both are equal.

    Text alternatives: a label here, and the table that the page puts below. Points are by rising
    share. With a `level`, a line at that height is in place of the diagonal, and the curve has no
    dots.
    """
    side, left, top = 300, 52, 10

    def at(share: float, height: float) -> tuple[str, str]:
        return f"{left + side * share:.1f}", f"{top + side * (1 - height):.1f}"

    def line(style: str, a: tuple[str, str], b: tuple[str, str]) -> str:
        return f'<line class="{style}" x1="{a[0]}" y1="{a[1]}" x2="{b[0]}" y2="{b[1]}"/>'

    ends = (0.0, 1.0) if level is None else (level, level)
    parts = [line("chance", at(0, ends[0]), at(1, ends[1]))]
    for tick in (0, 0.25, 0.5, 0.75, 1):
        parts.append(
            f"{line('grid', at(0, tick), at(1, tick))}"
            f'<text class="tick" x="{left - 8}" y="{top + side * (1 - tick) + 4}" '
            f'text-anchor="end">{100 * tick:g}</text>'
            f'<text class="tick" x="{at(tick, 0)[0]}" y="{top + side + 18}" text-anchor="middle">'
            f"{100 * tick:g}</text>"
        )
    middle = 'text-anchor="middle" class="axis"'
    parts.append(
        f'<text {middle} x="{left + side / 2}" y="{top + side + 36}">{escape(x)}</text>'
        f'<text {middle} transform="translate(14 {top + side / 2}) rotate(-90)">{escape(y)}</text>'
    )
    for share, metric in points if level is None else ():
        if metric.interval is not None:
            low, high = metric.interval.low, metric.interval.high
            parts.append(line("s0", at(share, low), at(share, high)))
        across, height = at(share, metric.value)
        parts.append(f'<circle class="dot s0" cx="{across}" cy="{height}" r="3.5"/>')
    path = " ".join(",".join(at(share, metric.value)) for share, metric in points)
    parts.append(f'<polyline class="line s0" points="{path}"/>')
    named = points if level is None else points[:: max(len(points) // 5, 1)]
    text = "; ".join(f"{100 * share:.0f} → {100 * m.value:.0f}" for share, m in named)
    return Markup(
        f'<svg class="chart" role="img" aria-label="{escape(title)}. {escape(x)} → {escape(y)}: '
        f'{text}" viewBox="0 0 {left + side + 12} {top + side + 44}">{"".join(parts)}</svg>'
    )


@dataclass(frozen=True)
class _Scale:
    first: float
    last: float
    low: float
    top: float

    def x(self, value: float) -> float:
        share = math.log(value / self.first) / math.log(self.last / self.first)
        return LEFT + share * (RIGHT - LEFT)

    def y(self, value: float) -> float:
        share = max(value - self.low, 0.0) / (self.top - self.low)  # lower scores are at the edge
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _axes(scale: _Scale, xs: Sequence[float], axes: Axes) -> str:
    ticks = range(int(scale.low), int(scale.top) + 1, 10 if scale.top - scale.low <= 60 else 20)
    parts = [y_tick(scale.y(tick), tick) for tick in ticks]
    drawn = -100.0
    for x in xs:
        place = scale.x(x)
        if place - drawn < 34:
            continue
        drawn = place
        parts.append(x_tick(place, f"{x:g}"))
    unit = ", %" if axes.shares else ""
    score = axes.score if axes.chance is None else f"{axes.score}, %"
    return "".join([*parts, axis_names(f"human labels used{unit} (log scale)", score)])


def y_tick(y: float, tick: int) -> str:
    """Returns a tick of the vertical axis, with its line through the chart."""
    return (
        f'<line class="grid" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick}</text>'
    )


def x_tick(x: float, text: str) -> str:
    """Returns a tick of the horizontal axis."""
    y = HEIGHT - BOTTOM + 18
    return f'<text class="tick" x="{x:.1f}" y="{y}" text-anchor="middle">{text}</text>'


def axis_names(x: str, y: str) -> str:
    """Returns the names of both axes."""
    return (
        f'<text class="axis" x="{LEFT}" y="{HEIGHT - 8}">{x}</text>'
        f'<text class="axis" transform="translate(14 {HEIGHT - BOTTOM}) rotate(-90)">'
        f"{escape(y)}</text>"
    )


def _rule(scale: _Scale, chance: float) -> str:
    y = scale.y(chance)
    return (
        f'<line class="chance" x1="{LEFT}" x2="{RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{RIGHT - 4}" y="{y - 5:.1f}" text-anchor="end">'
        "chance</text>"
    )


def _series(scale: _Scale, line: Line, places: dict[int, float]) -> str:
    """Returns a row's band, line, points and name as one group that the page's script can hide."""
    at = [(scale.x(x), scale.y(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in at)
    parts = []
    if line.band and line.style[0] == "s":
        there = [f"{scale.x(x):.1f},{scale.y(high):.1f}" for x, _, high in line.band]
        back = [f"{scale.x(x):.1f},{scale.y(low):.1f}" for x, low, _ in reversed(line.band)]
        parts.append(f'<polygon class="band" points="{" ".join(there + back)}"/>')
    parts.append(f'<polyline class="line" points="{path}"/>')
    if line.style[0] == "s":
        parts += [f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>' for x, y in at]
    place = places.get(id(line), at[-1][1])
    parts.append(
        f'<line class="lead" x1="{RIGHT + 3}" y1="{at[-1][1]:.1f}" x2="{RIGHT + 14}" '
        f'y2="{place:.1f}"/>{name_text(line.name, RIGHT + 18, place + 4)}'
    )
    values = [
        [round(scale.x(x), 1), f"{x:g}", text]
        for (x, _), text in zip(line.points, line.texts, strict=True)
    ]
    return (
        f'<g class="series {line.style}" data-row="{escape(line.row)}" '
        f'data-name="{escape(line.name)}" data-values="{escape(json.dumps(values))}"'
        f"{' hidden' if line.off else ''}>{''.join(parts)}</g>"
    )


def _places(scale: _Scale, shown: Sequence[Line]) -> dict[int, float]:
    """Returns heights of the names at the ends of the visible lines, moved apart."""
    visible = [line for line in shown if not line.off]
    ends = sorted((scale.y(line.points[-1][1]), number) for number, line in enumerate(visible))
    sizes = [GAP * len(name_lines(visible[number].name)) for _, number in ends]
    heights = apart([y for y, _ in ends], sizes, HEIGHT - BOTTOM)
    return {id(visible[at]): height for (_, at), height in zip(ends, heights, strict=True)}


def name_lines(name: str, longest: int = LONGEST) -> list[str]:
    """Returns a name in at most two lines."""
    first, *more = wrapped(name, longest)
    return [first, f"{more[0]} …" if len(more) > 1 else more[0]] if more else [first]


def name_text(name: str, x: float, y: float, anchor: str = "start") -> str:
    """Returns a name in a chart as SVG, in at most two lines with their middle at `y`."""
    rows = name_lines(name)
    start = -0.55 * (len(rows) - 1)
    lines = "".join(
        f'<tspan x="{x:.1f}" dy="{1.1 if number else start:.2f}em">{escape(row)}</tspan>'
        for number, row in enumerate(rows)
    )
    return f'<text class="name" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{lines}</text>'


def apart(places: Sequence[float], sizes: Sequence[float], last: float = math.inf) -> list[float]:
    """Returns the sorted places of names of some sizes, moved so that none covers another.

    `last` is the end of the scale.
    """
    made: list[float] = []
    for place, size, before in zip(places, sizes, [0.0, *sizes], strict=False):
        made.append(max(place, made[-1] + (before + size) / 2) if made else place)
    shift = max((made[-1] - places[-1]) / 2, made[-1] - last) if made else 0.0
    return [place - shift for place in made]


def draw(shown: Sequence[Line], axes: Axes) -> Any:
    """Returns a figure at column width, with names at the ends of the lines."""
    figure, plot = column_figure(2.4)
    visible = [line for line in shown if not line.off]
    for line in visible:
        _draw_line(plot, line)
    if axes.chance is not None:
        plot.axhline(axes.chance, color="#777777", lw=0.7, ls=":")
    _draw_names(plot, visible)
    xs = sorted({x for line in visible for x, _ in line.points})
    plot.set_xscale("log")
    ticks = [x for i, x in enumerate(xs) if i == 0 or x / xs[i - 1] > 1.5 or x == xs[-1]]
    plot.set_xticks(ticks, [f"{x:g}" for x in ticks])
    plot.minorticks_off()
    plot.set_xlabel(f"human labels used{', %' if axes.shares else ''}")
    plot.set_ylabel(f"{axes.score}{', %' if axes.chance is not None else ''}")
    return figure


def _draw_line(plot: Any, line: Line) -> None:
    number, main = int(line.style[1:]), line.style[0] == "s"
    palette = COLOURS if main else GREYS
    colour = palette[number % len(palette)]
    style = "-" if main else STYLES[number % len(STYLES)]
    plot.plot(*zip(*line.points, strict=True), color=colour, ls=style, lw=1.2 if main else 0.9)
    if main and line.band:
        plot.fill_between(*zip(*line.band, strict=True), color=colour, alpha=0.1, lw=0)


def _draw_names(plot: Any, shown: Sequence[Line]) -> None:
    ends = sorted(shown, key=lambda line: line.points[-1][1])
    low, high = plot.get_ylim()
    names = ["\n".join(name_lines(line.name, 28)) for line in ends]
    sizes = [(high - low) / 21 * (1 + name.count("\n")) for name in names]
    heights = apart([line.points[-1][1] for line in ends], sizes, high)
    for line, name, height in zip(ends, names, heights, strict=True):
        plot.annotate(
            name,
            line.points[-1],
            xytext=(1.06, height),
            textcoords=plot.get_yaxis_transform(),
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": "#888888"},
            fontsize=6,
            fontweight="bold" if line.style[0] == "s" else "normal",
            va="center",
            annotation_clip=False,
        )

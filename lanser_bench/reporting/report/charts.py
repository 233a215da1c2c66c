"""Label-efficiency curves as SVG, coloured by the theme of the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from ...evaluation.results import Metric
from ..leaderboard.boards import Board
from ..leaderboard.rows import Row

WIDTH, HEIGHT = 860, 420
LEFT, RIGHT, TOP, BOTTOM = 52, 210, 14, 46
GAP = 15
"""Least distance between two names at the ends of lines."""


@dataclass(frozen=True)
class Line:
    """One row's curve in percent."""

    name: str
    style: str
    """CSS class: ``s0`` … for main rows, ``k0`` … for controls."""
    points: list[tuple[float, float]]
    """(share of labels or number of labels, UAR)."""
    band: list[tuple[float, float, float]]
    """(share, low, high); empty if an interval is missing."""


def lines(board: Board, main: Sequence[Row], controls: Sequence[Row]) -> list[Line]:
    """Returns the curves of some rows."""
    drawn = []
    for kind, rows in (("s", main), ("k", controls)):
        for index, row in enumerate(rows):
            points = [(p.fraction, p.n_labels, p.uar) for p in row.curve]
            drawn.append(line_of(row.title, f"{kind}{index}", points))
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
    return Line(name, style, sorted(values), sorted(band) if len(band) == len(values) else [])


@dataclass(frozen=True)
class Axes:
    """What a chart shows."""

    title: str
    score: str
    chance: float | None
    """Score of guessing in percent."""
    shares: bool
    """Whether budgets are shares of the labels, not numbers."""


def board_curves(board: Board, shown: Sequence[Line], number: int) -> Markup:
    """Draws the curves of a board; see `curves`."""
    return curves(shown, Axes(board.title, "UAR", 100 / len(board.labels), _shares(board)), number)


def _shares(board: Board) -> bool:
    return any(p.fraction is not None for row in board.main + board.controls for p in row.curve)


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
    top = min(100.0, 10 * math.ceil((max(highs) + 2) / 10))
    scale = _Scale(xs[0], xs[-1], top)
    parts = [_axes(scale, xs, axes)]
    parts += [_rule(scale, axes.chance)] if axes.chance is not None else []
    parts += [_band(scale, line) for line in shown if line.band and line.style[0] == "s"]
    parts += [_curve(scale, line) for line in reversed(shown)]
    parts += [_names(scale, shown)]
    ends = "; ".join(f"{line.name} {line.points[-1][1]:.1f} %" for line in shown)
    text = escape(f"{axes.score} over human labels used. At the most labels: {ends}.")
    return Markup(
        f'<svg class="chart" role="img" aria-labelledby="ct{name} cd{name}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<title id="ct{name}">Label efficiency on {escape(axes.title)}</title>'
        f'<desc id="cd{name}">{text}</desc>{"".join(parts)}</svg>'
    )


def diagonal(
    title: str,
    x: str,
    y: str,
    points: Sequence[tuple[float, Metric]],
    level: float | None = None,
) -> Markup:
    """Draws shares against shares, with their intervals, and the diagonal where both are equal.

    Text alternatives: a label here, and the table that the page puts below.

    Args:
        title: of the picture.
        x: name of the horizontal axis.
        y: name of the vertical axis.
        points: share and score, by rising share.
        level: height of a line in place of the diagonal; the curve then has no dots.
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
    top: float

    def x(self, value: float) -> float:
        share = math.log(value / self.first) / math.log(self.last / self.first)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        value = max(value, 0.0)  # a score below 0 is drawn at 0
        return HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM)


def _axes(scale: _Scale, xs: Sequence[float], axes: Axes) -> str:
    right, top = WIDTH - RIGHT, scale.top
    parts = []
    for tick in range(0, int(top) + 1, 10 if top <= 60 else 20):
        y = scale.y(tick)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="tick" x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick}</text>'
        )
    drawn = -100.0
    for x in xs:
        place = scale.x(x)
        if place - drawn < 30:
            continue
        drawn = place
        parts.append(
            f'<text class="tick" x="{place:.1f}" y="{HEIGHT - BOTTOM + 18}" '
            f'text-anchor="middle">{x:g}</text>'
        )
    unit = "% of the training speakers’ labels" if axes.shares else "labels"
    score = axes.score if axes.chance is None else f"{axes.score}, %"
    parts.append(
        f'<text class="axis" x="{LEFT}" y="{HEIGHT - 8}">human labels used, {unit} (log scale)'
        f'</text><text class="axis" transform="translate(14 {HEIGHT - BOTTOM}) rotate(-90)">'
        f"{escape(score)} on held-out speakers</text>"
    )
    return "".join(parts)


def _rule(scale: _Scale, chance: float) -> str:
    y = scale.y(chance)
    return (
        f'<line class="chance" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        f'<text class="tick" x="{WIDTH - RIGHT - 4}" y="{y - 5:.1f}" text-anchor="end">'
        "chance</text>"
    )


def _band(scale: _Scale, line: Line) -> str:
    there = [f"{scale.x(x):.1f},{scale.y(high):.1f}" for x, _, high in line.band]
    back = [f"{scale.x(x):.1f},{scale.y(low):.1f}" for x, low, _ in reversed(line.band)]
    return f'<polygon class="band {line.style}" points="{" ".join(there + back)}"/>'


def _curve(scale: _Scale, line: Line) -> str:
    places = [(scale.x(x), scale.y(y)) for x, y in line.points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    dots = ""
    if line.style[0] == "s":
        dots = "".join(
            f'<circle class="dot {line.style}" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/>'
            for x, y in places
        )
    return f'<polyline class="line {line.style}" points="{path}"/>{dots}'


def _names(scale: _Scale, shown: Sequence[Line]) -> str:
    """Names at the ends of the lines, moved apart if they would overlap."""
    ends = sorted(((scale.y(line.points[-1][1]), line) for line in shown), key=lambda e: e[0])
    places: list[float] = []
    for y, _ in ends:
        places.append(max(y, places[-1] + GAP) if places else y)
    over = places[-1] - (HEIGHT - BOTTOM) if places else 0
    if over > 0:
        places[-1] -= over
        for i in range(len(places) - 2, -1, -1):
            places[i] = min(places[i], places[i + 1] - GAP)
    right = WIDTH - RIGHT
    parts = []
    for place, (y, line) in zip(places, ends, strict=True):
        short = line.name if len(line.name) <= 30 else line.name[:29] + "…"
        parts.append(
            f'<line class="lead {line.style}" x1="{right + 3}" y1="{y:.1f}" x2="{right + 14}" '
            f'y2="{place:.1f}"/><text class="name {line.style}" x="{right + 18}" '
            f'y="{place + 4:.1f}">{escape(short)}</text>'
        )
    return "".join(parts)

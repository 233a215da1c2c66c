"""Cost against quality: rows by the wall time of their stages, and the front of the best ones."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from markupsafe import Markup, escape

from ...evaluation.results import Metric
from ..tables.pictures import COLOURS, GREYS, column_figure
from . import charts
from .charts import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, name_lines

WIDTH = 900
UNITS = ((1, "s"), (60, "min"), (3600, "h"))
STEPS = (1, 2, 5, 10, 20, 30)
PLACES = ((9, 4, "start"), (9, -10, "start"), (9, 17, "start"), (-9, -9, "end"), (-9, 17, "end"))
"""Places of a name beside its dot."""
MOST_NAMED = 200
"""Rows for whose names a free place is looked for: others have it in their tooltip only."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom."""


@dataclass(frozen=True)
class Priced:
    """One row."""

    name: str
    anchor: str
    main: bool
    seconds: float
    """Wall time of all stages that one training seed needs, also those that others share."""
    score: Metric
    front: bool = False
    """Whether no other row is both cheaper and better."""

    @property
    def time(self) -> str:
        """The time in words."""
        return clock(self.seconds)


def priced(rows: Iterable[Priced]) -> list[Priced]:
    """Returns the rows by rising cost, with the Pareto front of cost and score marked."""
    made: list[Priced] = []
    best = -math.inf
    for row in sorted(rows, key=lambda row: (row.seconds, -row.score.value)):
        made.append(replace(row, front=row.score.value > best))
        best = max(best, row.score.value)
    return made


def clock(seconds: float) -> str:
    """Returns a time in words, such as ``4 min 05 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    steps = [(size * n, f"{n} {unit}") for size, unit in UNITS for n in STEPS]
    return [(at, text) for at, text in steps if low <= at <= high]


def picture(rows: Sequence[Priced], name: str) -> Markup:
    """Draws UAR over cost, on a logarithmic axis, with the front as a step line."""
    if len(rows) < 3 or not any(row.main for row in rows):
        return Markup("")
    low, high = 0.8 * max(rows[0].seconds, 0.1), 1.25 * rows[-1].seconds
    scores = [100 * row.score.value for row in rows]
    floor, top = 10 * math.floor(min(scores) / 10), 10 * math.ceil((max(scores) + 1) / 10)

    def x(seconds: float) -> float:
        share = math.log(max(seconds, low) / low) / math.log(high / low)
        return LEFT + share * (RIGHT - LEFT)

    def y(score: float) -> float:
        return HEIGHT - BOTTOM - (score - floor) / (top - floor) * (HEIGHT - TOP - BOTTOM)

    parts = [charts.y_tick(y(tick), tick) for tick in range(floor, top + 1, 10)]
    parts += [charts.x_tick(x(at), text) for at, text in _ticks(low, high)]
    front = [(x(row.seconds), y(100 * row.score.value)) for row in rows if row.front]
    path = "".join(f"H{a:.1f}V{b:.1f}" for a, b in front[1:]) + f"H{RIGHT}"
    parts.append(f'<path class="pareto" d="M{front[0][0]:.1f} {front[0][1]:.1f}{path}"/>')
    dots = {row.anchor: (x(row.seconds), y(100 * row.score.value)) for row in rows}
    taken = [(a - 5, b - 5, a + 5, b + 5) for a, b in dots.values()]
    for (a, b), (c, d) in pairwise([*front, (RIGHT, front[-1][1])]):
        taken += [(a, b - 1, c, b + 1), (c - 1, d, c + 1, b)]
    for number, row in enumerate(sorted(rows, key=lambda row: (not row.front, not row.main))):
        free = number < MOST_NAMED
        said, box = _named(row.name, dots[row.anchor], taken) if free else ("", (0, 0, 0, 0))
        taken += [box] if said else []
        parts.append(_dot(row, dots[row.anchor], said))
    text = "; ".join(f"{row.name}: {row.time}, {100 * row.score.value:.1f} %" for row in rows)
    return Markup(
        f'<svg class="chart" role="img" aria-labelledby="st{name} sd{name}" '
        f'data-plot="{RIGHT + 20}" viewBox="0 0 {WIDTH} {HEIGHT}">'
        f'<title id="st{name}">Cost against quality</title>'
        f'<desc id="sd{name}">UAR over wall time. {escape(text)}</desc>{"".join(parts)}'
        f"{charts.axis_names('wall time of one seed (log scale)', 'UAR, %')}</svg>"
    )


def _named(name: str, at: tuple[float, float], taken: Sequence[Box]) -> tuple[str, Box]:
    """Returns a name where it covers nothing, and its place; no name if there is no such place."""
    rows = name_lines(name)
    wide, high = 7.3 * max(map(len, rows)), 7.5 * len(rows)
    for right, down, anchor in PLACES:
        x, y = at[0] + right, at[1] + down
        left = x if anchor == "start" else x - wide
        box = left, y - 4 - high, left + wide, y - 4 + high
        free = all(box[2] < a or box[0] > c or box[3] < b or box[1] > d for a, b, c, d in taken)
        if free and box[0] > LEFT and box[2] < WIDTH and TOP - 14 < box[1] < HEIGHT - BOTTOM - 12:
            return charts.name_text(name, x, y, anchor), box
    return "", (0, 0, 0, 0)


def _dot(row: Priced, at: tuple[float, float], name: str) -> str:
    kind = ("front " if row.front else "") + ("s0" if row.main else "k0")
    return (
        f'<g class="series {kind}" data-row="{escape(row.anchor)}"><circle class="dot" '
        f'cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{5 if row.front else 4}"/>{name}'
        f"<title>{escape(row.name)}: {row.time}, UAR {100 * row.score.value:.1f} %</title></g>"
    )


def draw(rows: Sequence[Priced]) -> Any:
    """Returns a figure at column width: UAR over cost, with the front and its names."""
    figure, axes = column_figure(2.2)
    for row in rows:
        colour = COLOURS[0] if row.main else GREYS[2]
        axes.plot(row.seconds, 100 * row.score.value, "o", color=colour, ms=3.5, zorder=3)
    front = [(row.seconds, 100 * row.score.value) for row in rows if row.front]
    x, y = zip(*[*front, (rows[-1].seconds, front[-1][1])], strict=True)
    axes.step(x, y, where="post", color=COLOURS[1], lw=0.9)
    for row in (row for row in rows if row.front):
        at = row.seconds, 100 * row.score.value
        style = {"xytext": (3, 3), "textcoords": "offset points", "fontsize": 6}
        axes.annotate(row.name[:34], at, **style)
    axes.set_xscale("log")
    ticks = _ticks(0.8 * rows[0].seconds, 1.25 * rows[-1].seconds)
    axes.set_xticks([at for at, _ in ticks], [text for _, text in ticks])
    axes.minorticks_off()
    axes.set(xlabel="wall time of all stages of one seed", ylabel="UAR, %")
    return figure

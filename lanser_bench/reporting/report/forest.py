"""Forest plots: dots with their intervals about 0, one line each, for the page and for paper."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

from ...numbers import decimal, percent
from ..tables.pictures import BAD, GOOD, SAME, column_figure
from .finding import Difference
from .whiskers import ends, whisker

TICKS = 6
"""Most ticks of the scale."""
NAME_WIDTH = 26
"""Characters of a name before it continues in the next line."""
COLOURS = {"above": GOOD, "below": BAD, "same": SAME, "unknown": SAME}


def scale(lines: Sequence[Difference]) -> tuple[tuple[float, float], list[float]]:
    """Returns the ends of a scale about 0 that holds all intervals, and its ticks, as shares."""
    places = [0.0, *(end for line in lines for end in ends(line.difference))]
    low, high = min(places), max(places)
    width = max(high - low, 0.02)
    steps = (s * 10.0**e for e in (-2, -1, 0) for s in (1, 2, 5))
    step = next(s for s in steps if width / s <= TICKS - 1)
    first, last = math.floor(low / step), math.ceil(high / step)
    ticks = [step * number for number in range(first, max(last, first + 1) + 1)]
    return (ticks[0], ticks[-1]), ticks


def forest(lines: Sequence[Difference], side: tuple[str, str]) -> dict[str, Any]:
    """Returns what the page's template needs: lines with places in percent of the scale."""
    span, ticks = scale(lines)
    places = [round(100 * (t - span[0]) / (span[1] - span[0]), 2) for t in ticks]
    texts = [f"{100 * tick:+.0f}".replace("-", "−") if round(tick, 6) else "0" for tick in ticks]
    return {
        "ticks": list(zip(places, texts, strict=True)),
        "lines": [(line, whisker(line.difference, span)) for line in lines],
        "ends": side,
    }


def draw(
    lines: Sequence[Difference], side: tuple[str, str], unit: str = "points", title: str = ""
) -> Any:
    """Returns a figure at column width: the deciding lines in bold, numbers at the right.

    `side` says what is true left and right of 0; `title` is what all lines have in common.
    """
    names = [textwrap.fill(line.name, NAME_WIDTH, break_long_words=False) for line in lines]
    deepest = max(name.count("\n") for name in names)
    title = textwrap.fill(title, 66)
    heads = 0.1 * len(title.splitlines())
    figure, axes = column_figure(0.55 + heads + (0.17 + 0.1 * deepest) * len(lines))
    figure.suptitle(title, x=0.01, ha="left", fontsize=6.5)
    span, ticks = scale(lines)
    size, text_of = (100, percent) if unit == "points" else (1, decimal)
    for place, line in enumerate(reversed(lines)):
        colour, low_high = COLOURS[line.verdict], [size * e for e in ends(line.difference)]
        axes.plot(low_high, [place, place], color=colour, lw=1.2)
        axes.plot(size * line.difference.value, place, "o", color=colour, ms=3.5)
        weight = "bold" if line.decides else "normal"
        style = {"va": "center", "fontsize": 6, "transform": axes.get_yaxis_transform()}
        axes.text(1.03, place, text_of(line.difference, sign=True), **style)
        axes.text(-0.03, place, names[-1 - place], ha="right", fontweight=weight, **style)
    axes.axvline(0, color="#333333", lw=0.7)
    axes.set_xlim(size * span[0], size * span[1])
    axes.set_xticks([size * tick for tick in ticks])
    axes.set_yticks([])
    axes.set_ylim(-0.6, len(lines) - 0.4)
    axes.set_xlabel(f"← {side[0]} · {unit} · {side[1]} →", fontsize=6)
    axes.spines["left"].set_visible(False)
    return figure

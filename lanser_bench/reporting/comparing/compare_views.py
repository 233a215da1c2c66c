"""Shows a comparison: as a table, as JSON, and as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ...numbers import p_text
from ...printing import visible
from ..tables.pictures import plain_figure, save_picture
from ..tables.sheet import markdown, plain
from ..tables.table import ONE_SEED, Column, Entry, Sheet, Shown, axis_columns, verdict
from .compare import Comparison, Line
from .responses import Response
from .sides import left_out_notes, side_head


def sheet(found: Comparison) -> Sheet:
    """Returns a comparison as a table, the mean last; scores are shown in points."""
    response = _response(found)
    mean = [] if found.mean is None else [_entry(found.mean, response, "mean")]
    return Sheet(
        title=title(found),
        columns=[
            Column("what", ""),
            Column("a", side_head(found.a), response.text, True, order=0),
            Column("b", side_head(found.b), response.text, True, order=0),
            Column(
                "difference",
                "difference",
                right=True,
                about="the first minus the second",
                judged=True,
            ),
            Column("p", "p (Holm)", right=True),
            Column("detectable", "detectable", response.size_text, True, order=1),
            Column("seeds", "seeds", right=True, order=2),
            *axis_columns(line.axes for line in found.lines),
        ],
        rows=[*(_entry(line, response) for line in found.lines), *mean],
        shared=found.shared,
        faults=left_out_notes(found.left_out)[1],
        notes=notes(found),
    )


def _entry(line: Line, response: Response, role: str = "") -> Entry:
    star = "" if line.seeds_known else " *"
    return Entry(
        {
            **line.axes,
            "what": line.what,
            "a": line.a,
            "b": line.b,
            "difference": Shown(line.difference, response.text(line.difference, sign=True)),
            "p": Shown(line.p_value, p_text(line.p_value) + star),
            "detectable": line.detectable,
            "seeds": f"{line.seeds[0]} / {line.seeds[1]}",
        },
        role,
        verdict(line.difference, line.p_value, lower_is_better=response.lower_is_better),
    )


def title(found: Comparison) -> str:
    """Returns what is compared."""
    if found.targets:
        return f"probe targets, R² and UAR × 100: {found.a} minus {found.b}"
    response = _response(found)
    unit = ", in points" if response.points else ""
    lower = ", lower is better" if response.lower_is_better else ""
    return f"{response.title}{unit}{lower}: {found.a} minus {found.b}"


def _response(found: Comparison) -> Response:
    """Returns the compared score; probe targets are shown like UAR."""
    return Response() if found.targets else Response(found.metric, found.budget)


def notes(found: Comparison) -> list[str]:
    """Returns what a reader must know."""
    lines = [*found.lines, *([found.mean] if found.mean else [])]
    made = next((x.difference.interval for x in lines if x.difference.interval), None)
    said = ["too few speakers for intervals"]
    if made is not None:
        unit = "utterance" if _response(found).measured is None else "speaker"
        said = [f"95 % intervals: {made.method}, paired by {unit}"]
    said.append(family_note(found))
    if not all(line.seeds_known for line in lines):
        said.append(ONE_SEED)
    alone, _ = left_out_notes(found.left_out)
    return [*alone[:1], *said, *alone[1:]]


def family_note(found: Comparison) -> str:
    """Returns whether the comparison was declared before the run, and what p is adjusted over."""
    family = found.family
    if family.confirmatory:
        size = len(found.lines) + len(family.others)
        return (
            f"declared before the run: p by Holm over the {size} tests of the "
            f"{len(family.declared)} declared comparisons"
        )
    over = "p by Holm over the lines of this table"
    if family.declared:
        return f"exploratory, not among the {len(family.declared)} declared comparisons: {over}"
    return f"no comparison was declared in advance: {over}"


def comparison_markdown(found: Comparison) -> str:
    """Returns a Markdown table with its notes."""
    return markdown(sheet(found), "**{}**")


def as_json(found: Comparison) -> dict[str, Any]:
    """Returns all of it as plain JSON values; scores are shares."""
    family = {
        "declared": plain(found.family.declared),
        "confirmatory": found.family.confirmatory,
        "tests": len(found.lines) + len(found.family.others),
    }
    return {**plain(found), "family": family}


def picture(found: Comparison, path: Path) -> None:
    """Draws the differences with their intervals about a line at 0, as PNG or SVG."""
    response = _response(found)
    size, side = 100 if response.points else 1, "left" if response.lower_is_better else "right"
    lines = [*found.lines, *([found.mean] if found.mean else [])]
    figure, axes = plain_figure(8, 1.6 + 0.42 * len(lines))
    for row, line in enumerate(reversed(lines)):
        value, made = size * line.difference.value, line.difference.interval
        mean = line is found.mean
        clear = made is not None and not made.low <= 0 <= made.high
        ahead = (value > 0) != response.lower_is_better
        colour = "#333333" if not clear else "#0072b2" if ahead else "#d55e00"
        if made is not None:
            ends = [size * made.low, size * made.high]
            width = 3 if mean else 1.8
            axes.plot(ends, [row, row], color=colour, lw=width, solid_capstyle="round")
        axes.plot(value, row, "D" if mean else "o", color=colour, ms=8)
    axes.axvline(0, color="#888888", lw=1)
    axes.set_yticks(range(len(lines)), [visible(line.what) for line in reversed(lines)])
    axes.set_ylim(-0.7, len(lines) - 0.3)
    axes.set_xlabel(title(found))
    axes.spines["left"].set_visible(False)
    axes.set_title(f"{side} of the line: the first is better", fontsize=9, color="#555555")
    save_picture(figure, path)

"""The report's sections of measurements, filled from their declarations."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from ...evaluation.contrast import averaged
from ...evaluation.results import Metric
from ...measurements import MEASUREMENTS
from ...measurements.base import Measurement, ReportMap, ReportTable
from ...numbers import decimal, percent
from ..leaderboard.boards import Board
from ..leaderboard.rows import Gap, Row
from .charts import Axes, Line, curves, diagonal, line_of
from .data import Records, board_anchor, row_anchor
from .finding import verdict
from .probe_gaps import ProbeGaps
from .whiskers import ends, place_on, whisker

DOT_ROWS = 12
PLOTS = 3
"""Main rows with a picture."""
LINES = 50
"""Most lines of a table."""
Cells = tuple[str | Metric, ...]
Cell = tuple[str | Metric, bool]
"""Content, and whether it is in bold."""


def sections(records: Records, board: Board) -> Iterator[dict[str, Any]]:
    """Yields what the template shows of each section that has results, in the page's order."""
    reports: dict[str, ReportTable[Any] | ReportMap] = {}
    of: dict[str, list[Measurement[Any]]] = {}
    for measurement in MEASUREMENTS:
        if measurement.report is not None:
            anchor = measurement.report.anchor
            reports[anchor] = measurement.report
            of.setdefault(anchor, []).append(measurement)
    for anchor, report in sorted(reports.items(), key=lambda item: item[1].order):
        maps, lines, dots, more = [], [], [], 0
        heads: tuple[str, ...] = ()
        same = ""
        if isinstance(report, ReportMap):
            maps = _maps(records, board)
        else:
            lines = _lines(records, board, report, of[anchor])
            more = max(len(lines) - LINES, 0)
            lines = lines[:LINES]
            dots = [_dots(report, line) for line in lines]
            heads, lines, same = _varying(report, lines)
        if maps or lines:
            note = report.note.format(chance=f"{100 / len(board.labels):.1f}")
            plots = _plots(records, board, report, of[anchor])
            shown = {"maps": maps, "lines": lines, "dots": dots, "plots": plots, "more": more}
            shown["chart"], shown["curves"] = _chart(records, board, report, of[anchor])
            yield {"report": report, "note": f"{note}{same}", "heads": heads, **shown}


def _chart(
    records: Records,
    board: Board,
    report: ReportTable[Any] | ReportMap,
    of: Sequence[Measurement[Any]],
) -> tuple[Markup, list[Line]]:
    """Returns the curves of the first main rows and of one control of each kind, over seeds."""
    curve = None if isinstance(report, ReportMap) else report.curve
    if curve is None:
        return Markup(""), []
    shown: list[Line] = []
    shares = False
    controls = {row.control: row for row in reversed(board.controls)}
    for kind, rows in (("s", board.main[:PLOTS]), ("k", list(controls.values()))):
        for row in rows:
            found = [one for r in records.results(row) for m in of for one in r.of(m)]
            budgets = list(zip(*(curve.points(one) for one in found), strict=True))
            points = [(b[0][0], b[0][1], averaged([x[2] for x in b], (-1.0, 1.0))) for b in budgets]
            if points:
                style = f"{kind}{sum(line.style[0] == kind for line in shown)}"
                made = line_of(row.title, style, points)
                shown.append(replace(made, row=row_anchor(row)))
                shares = shares or points[0][0] is not None
    axes = Axes(board.title, curve.score, None, shares)
    name = f"{report.anchor}-{board_anchor(board)}"
    return (curves(shown, axes, name), shown) if shown else (Markup(""), [])


def _plots(
    records: Records,
    board: Board,
    report: ReportTable[Any] | ReportMap,
    of: Sequence[Measurement[Any]],
) -> list[tuple[str, Markup, Sequence[tuple[float, Metric]]]]:
    """Returns title, picture and points of the first main rows and the first control."""
    plot = None if isinstance(report, ReportMap) else report.plot
    if plot is None:
        return []
    made = []
    for row in (*board.main[:PLOTS], *board.controls[:1]):
        results = [one for m in of for one in records.results(row)[0].of(m)]
        points = plot.points(results[0]) if results else ()
        if points:
            title = f"{plot.title}: {row.title}"
            made.append((title, diagonal(title, plot.x, plot.y, points), points))
    return made


def _lines(
    records: Records, board: Board, report: ReportTable[Any], of: Sequence[Measurement[Any]]
) -> list[list[Cell]]:
    """Returns lines of cells, the row's name first, and whether a cell is in bold.

    Equal lines of several rows, such as those of one labeler, are one line.
    """
    names: dict[Cells, list[str]] = {}
    for row in (*board.main, *board.controls):
        results = records.results(row)
        for measurement in of:
            found = [one for result in results for one in result.of(measurement)]
            if len(found) == len(results):  # otherwise some seeds lack it
                for cells in report.lines(found):
                    names.setdefault(cells, []).append(row.title)
    lines: list[Cells] = [
        (of[0] if len(of) == 1 else f"{of[0]} and {len(of) - 1} more", *cells)
        for cells, of in names.items()
    ]
    heads = ("", *report.heads)
    if report.sort_by is not None:
        column = heads.index(report.sort_by)
        lines.sort(key=lambda cells: -getattr(cells[column], "value", 0.0))
    bold = [head in report.differences for head in heads]
    return [
        [(cell, b and _is_sure(cell)) for cell, b in zip(cells, bold, strict=True)]
        for cells in lines
    ]


def _varying(
    report: ReportTable[Any], lines: list[list[Cell]]
) -> tuple[tuple[str, ...], list[list[Cell]], str]:
    """Returns heads and lines without the columns that are the same in all, and a note on these."""
    same = [
        i
        for i, head in enumerate(report.heads, 1)
        if len(lines) > 1
        and head not in (report.sort_by, *report.pictured, *report.differences)
        and all(line[i][0] == lines[0][i][0] for line in lines)
    ]
    first = ((report.heads[i - 1], lines[0][i][0]) for i in same)
    texts = [f"{head} {percent(x) if isinstance(x, Metric) else x}" for head, x in first]
    return (
        tuple(head for i, head in enumerate(report.heads, 1) if i not in same),
        [[cell for i, cell in enumerate(line) if i not in same] for line in lines],
        f" The same in every row: {'; '.join(texts)}." if texts else "",
    )


def _dots(report: ReportTable[Any], line: Sequence[Cell]) -> list[dict[str, float]]:
    """Returns places in percent of the dots and intervals of a line's pictured shares."""
    cells = dict(zip(report.heads, (cell for cell, _ in line[1:]), strict=True))
    return [whisker(m) for m in map(cells.get, report.pictured) if isinstance(m, Metric)]


def _is_sure(cell: str | Metric) -> bool:
    return isinstance(cell, Metric) and verdict(cell) in ("above", "below")


def _maps(records: Records, board: Board) -> list[dict[str, Any]]:
    """Returns dots per scale: main rows against targets, as differences to controls."""
    maps = []
    probes = ProbeGaps(records, board)
    for scale in ("speaker", "raw"):
        gaps_of = [(row, probes.of(row, scale)) for row in board.main[:DOT_ROWS]]
        rows = [(row, gaps) for row, gaps in gaps_of if gaps]
        names = dict.fromkeys(name for _, gaps in rows for name in gaps)
        if names:
            classes = {name for row, _ in rows for name in row.chance}
            heads = [_target(name, name in classes) for name in names]
            spans = {name: _span([of[name] for _, of in rows if name in of]) for name in names}
            lines = [(r.title, [_dot(r, gaps, n, spans[n]) for n in names]) for r, gaps in rows]
            maps.append({"scale": scale, "names": heads, "rows": lines})
    return maps


def _span(gaps: Sequence[Gap]) -> tuple[float, float]:
    """Returns the ends of a target's scale, with 0."""
    places = [end for gap in gaps for end in ends(gap.difference)]
    return min(0.0, *places), max(0.0, *places)


def _target(name: str, classes: bool) -> str:
    probe, _, target = name.rpartition(" ")[0].partition(".")
    return f"{probe} (UAR)" if classes else target.replace("_", " ")


def _dot(
    row: Row, gaps: Mapping[str, Gap], name: str, span: tuple[float, float]
) -> dict[str, Any] | None:
    if name not in gaps:
        return None
    gap, control = gaps[name].difference, gaps[name].control
    found = verdict(gap)
    words = {"above": "above", "below": "below", "same": "no detectable difference from"}
    return {
        "text": f"{gap.value:+.2f}".replace("-", "−"),
        "verdict": found,
        "whisker": whisker(gap, span),
        "zero": place_on(0.0, span),
        "title": f"{_score(row, name)}; {words.get(found, 'unpaired, against')} {control}: "
        f"{decimal(gap)}",
    }


def _score(row: Row, name: str) -> str:
    value = row.targets[name].value
    if name not in row.chance:
        return f"R² {value:.2f}"
    return f"UAR {value:.2f}, chance {row.chance[name]:.2f}"

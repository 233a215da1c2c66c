"""Content of the report's page: what the template shows of each board, as plain values."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...experiment.settings.axis_names import slug
from ...measurements.base import Measurement
from ...numbers import decimal, p_text
from ...records.names import AXES_SHOWN
from ..comparing.declared import DeclaredLine, common
from ..leaderboard.boards import CEILINGS, PLAIN, Board
from ..leaderboard.rows import Row
from ..leaderboard.table import header, notes, place, shared_text
from .charts import Line, board_axes, curves, lines
from .clips import Clips
from .costs import Priced, clock, priced
from .costs import picture as costs_picture
from .data import Records, board_anchor, row_anchor
from .finding import Difference, declared_headline, in_words, leading
from .forest import forest
from .hardest import hardest
from .matrix import MatrixBoard
from .matrix_views import gap_text, heat_lines, label_notes
from .questions import answer
from .sections import sections
from .whiskers import ends, place_on, whisker

CURVES = 5
"""Main rows, and controls, whose curves are visible at first."""
MOST_CURVES = 24
"""Curves that a reader can switch on."""
CONFUSIONS = 3
TICKS = 6
DECLARED_ENDS = "below 0", "above 0"
WIDE = 12
"""More labels than this have a list of the most frequent confusions in place of a matrix."""
TOP_ERRORS = 15


def board_content(
    records: Records,
    board: Board,
    declared: Sequence[DeclaredLine],
    matrices: Sequence[MatrixBoard],
    clips: Clips,
) -> dict[str, Any]:
    """Returns what the template shows of a board.

    `declared` and `matrices` are those of all boards and experiments.
    """
    span = _span(board)
    places = {id(row): place(row, i) for i, row in enumerate(board.main, 1)}
    every = sorted((*board.main, *board.controls), key=lambda row: -row.uar.value)
    rows = [_row(records, board, row, span, places.get(id(row), "")) for row in every]
    axes = board.axes if len(board.axes) <= AXES_SHOWN else {}
    place_of = (board.dataset, board.split_hash)
    tested = [in_words(one) for one in declared if one.of == place_of]
    asked = answer(records, board, matrices)
    shown = curve_lines(records, board)
    name = board_anchor(board)
    costs = row_costs(records, board)
    return {
        "id": name,
        "board": board,
        "header": header(board),
        "shared": shared_text(board),
        "axes": axes,
        "notes": notes(board),
        "asked": asked,
        "finding": asked.finding,
        "forest": forest(asked.finding.differences, asked.finding.ends),
        "others": [(n, forest(d, asked.finding.ends)) for n, d in asked.finding.others],
        "declared": forest(declared_differences(tested), DECLARED_ENDS),
        "declared_common": ", ".join(common(tested)) if tested else "",
        "tested": declared_headline(board, tested) if tested else None,
        "rows": rows,
        "ticks": _ticks(span),
        "areas": any(len(row.curve) > 1 for row in every),
        "probed": any(row.r2 is not None for row in every),
        "majority": board.majority,
        "chart": curves(shown, board_axes(board), name),
        "lines": shown,
        "curve_rows": [(x.name, x.texts) for x in shown],
        "budgets": [p.budget for p in (board.main or board.controls)[0].curve],
        "costs": costs,
        "cost_chart": costs_picture(costs, name),
        "sections": list(sections(records, board)),
        "confusions": [_confusion(records, board, row) for row in confused(board)],
        "hardest": hardest(records, board, clips),
    }


def curve_lines(records: Records, board: Board) -> list[Line]:
    """Returns the curves of a board: the best rows, then the controls of the pre-trained ones."""
    lead = leading(records, board)
    first = [*board.main[:CURVES], *filter(None, [lead])]
    own = [c for row in filter(None, [lead, *first]) for c in records.controls_of(board, row)]
    if not board.main:
        own = board.controls
    shown = list({id(row): row for row in (*first, *own[:CURVES])}.values())
    more = [row for row in (*board.main, *own) if all(row is not one for one in shown)]
    rows = [(row, row.title, row_anchor(row)) for row in [*shown, *more][:MOST_CURVES]]
    return [line for line in lines(rows, len(shown)) if line.points]


def row_costs(records: Records, board: Board) -> list[Priced]:
    """Returns the rows of a board with known costs, the cheapest first."""
    rows = ((row, records.seconds(row)) for row in (*board.main, *board.controls))
    return priced(
        Priced(row.title, row_anchor(row), row.role == "main", seconds, row.uar)
        for row, seconds in rows
        if seconds and row.control not in CEILINGS
    )


def declared_differences(lines: Sequence[DeclaredLine]) -> list[Difference]:
    """Returns lines of a forest plot, named by their differences."""
    found = []
    for one in lines:
        p, name = one.line.p_value, one.name(common(lines))
        note = "" if p is None else f"p (Holm) {p_text(p)}"
        found.append(Difference(name, True, one.line.difference, note))
    return found


def _ticks(span: tuple[float, float]) -> list[tuple[float, str]]:
    step = next(s for s in (0.05, 0.1, 0.2, 0.5) if (span[1] - span[0]) / s <= TICKS)
    numbers = range(math.ceil(span[0] / step), math.floor(span[1] / step) + 1)
    return [(place_on(step * n, span), f"{100 * step * n:.0f}") for n in numbers]


def matrix_content(found: Sequence[tuple[Measurement[Any], MatrixBoard]]) -> list[dict[str, Any]]:
    """Returns the heat map and the means of each matrix."""
    return [
        {
            "id": f"{measurement.name}-{slug(board.experiment)}-{number}",
            "board": board,
            "lines": heat_lines(board),
            "notes": [*label_notes(board), *board.notes],
            "gaps": [gap_text(row.gap) for row in board.rows],
        }
        for number, (measurement, board) in enumerate(found)
    ]


def _row(
    records: Records, board: Board, row: Row, span: tuple[float, float], rank: str
) -> dict[str, Any]:
    trained = "frozen" if row.labeler is None else "weak labels"
    what = trained if row.control is None else PLAIN.get(row.control, row.control)
    method = filter(None, (what, row.asr, row.labeler, row.taxonomy, row.encoder))
    return {
        "row": row,
        "what": what if len(board.axes) <= AXES_SHOWN else row.title,
        "words": " ".join([row.title, *method]),
        "anchor": row_anchor(row),
        "place": rank,
        "source": records.source(row),
        "r2": decimal(row.r2),
        "whisker": whisker(row.uar, span),
    }


def _span(board: Board) -> tuple[float, float]:
    """Returns the ends of the scale for the intervals of a board's rows."""
    places = [ends(row.uar) for row in (*board.main, *board.controls)] or [(0.0, 1.0)]
    return min(1 / len(board.labels), *(low for low, _ in places)), max(high for _, high in places)


def confused(board: Board) -> list[Row]:
    """Returns the rows whose confusions are shown."""
    return [*board.main[:CONFUSIONS], *board.controls[:1]]


def confusion_counts(records: Records, board: Board, row: Row) -> list[list[int]]:
    """Returns gold labels × predictions over all seeds, at the largest budget, first draw."""
    total = [[0] * len(board.labels) for _ in board.labels]
    for result in records.results(row):
        for i, line in enumerate(result.evaluation.confusion):
            for j, count in enumerate(line):
                total[i][j] += count
    return total


def _confusion(records: Records, board: Board, row: Row) -> dict[str, Any]:
    """Returns counts, shaded by the share of each gold label, and the most frequent errors."""
    total = confusion_counts(records, board, row)
    named = list(zip(board.labels, total, strict=True))
    errors = [
        (gold, board.labels[j], n, 100 * n / (sum(line) or 1))
        for i, (gold, line) in enumerate(named)
        for j, n in enumerate(line)
        if i != j and n
    ]
    return {
        "name": row.title,
        "labels": board.labels,
        "rows": [(gold, shares(line)) for gold, line in named],
        "errors": sorted(errors, key=lambda e: (-e[2], e[:2]))[:TOP_ERRORS],
        "n_errors": sum(n for _, _, n, _ in errors),
        "seeds": row.n_seeds,
    }


def shares(line: Sequence[int]) -> list[tuple[int, float, int]]:
    """Returns count, share of the line in percent, and strength of the shade."""
    size = sum(line) or 1
    return [(n, 100 * n / size, round(min(n / size, 1) * 45)) for n in line]


def stage_costs(records: Records) -> list[dict[str, Any]]:
    """Returns the wall time of each kind of stage, the longest first."""
    costs = [(stage, sum(times), len(times)) for stage, times in records.costs().items()]
    most = max((seconds for _, seconds, _ in costs), default=0) or 1
    return [
        {
            "stage": stage,
            "runs": runs,
            "time": clock(seconds),
            "width": round(100 * seconds / most, 1),
        }
        for stage, seconds, runs in sorted(costs, key=lambda cost: -cost[1])
    ]

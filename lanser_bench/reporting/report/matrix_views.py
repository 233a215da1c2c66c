"""Matrices of training set × tested set as tables and as a heat map."""

from __future__ import annotations

from typing import Any

from ...evaluation.results import Metric
from ...numbers import percent
from ..leaderboard.rows import Gap
from ..tables.sheet import Column, Entry, Sheet, Shown, axis_columns
from .matrix import MatrixBoard, MatrixRow

HEAT_ROWS = 3
"""Main rows of a heat map; the control with the best mean follows."""


def matrix_sheets(board: MatrixBoard) -> list[Sheet]:
    """Returns the matrices of all rows as one table, and the means as another."""
    heads = [
        Column(name, f"on {name}", percent, True, order=n or None)
        for n, name in enumerate(board.sets)
    ]
    axes = axis_columns(row.axes for row in board.rows)
    where = f"{board.title} in {board.experiment}"
    chance = {pair: Metric(value=1 / len(labels)) for pair, labels in board.labels.items()}
    same = {score.value for score in chance.values()}
    lines = [({**row.axes, "row": row.name}, row.scores, _role(row)) for row in board.rows]
    if len(same) > 1:
        lines.append(({"row": "chance"}, chance, "majority"))
    alike = f", chance {100 * max(same):.1f}" if len(same) == 1 else ""
    matrix = Sheet(
        title=f"{where}: UAR by training and tested set{alike}",
        columns=[Column("row", "row"), Column("trained_on", "trained on"), *heads, *axes],
        rows=[
            Entry({**own, "trained_on": t, **{s: of.get((t, s)) for s in board.sets}}, role)
            for own, of, role in lines
            for t in board.trained_on
        ],
        shared=board.shared,
        notes=[board.note, *label_notes(board), *board.notes],
        facts={"experiment": board.experiment},
    )
    others = "all others" if any(row.others for row in board.rows) else None
    means = Sheet(
        title=f"{where}: means",
        columns=[
            Column("row", "row"),
            Column("mean", "mean UAR", percent, True, "over all pairs of two sets"),
            Column("others", others, percent, True, "trained on all other sets", 1),
            Column("within", "within", percent, True, "trained within the tested set", 2),
            Column("to_control", "mean to best control", right=True),
            Column("seeds", "seeds", right=True, order=3),
            *axes,
        ],
        rows=[
            Entry(
                {
                    **{name: getattr(row, name) for name in ("seeds", "mean", "others", "within")},
                    **row.axes,
                    "row": row.name,
                    "to_control": row.gap and Shown(row.gap.difference, gap_text(row.gap)),
                },
                _role(row),
            )
            for row in board.rows
        ],
        notes=[
            "mean UAR: over all pairs of two sets; to best control: paired by speaker; in "
            "brackets: 95 % intervals over seeds × speakers of all tested sets"
        ],
        facts=matrix.facts,
    )
    return [matrix, means]


def label_notes(board: MatrixBoard) -> list[str]:
    """Returns the common labels, with their pairs where these differ."""
    pairs: dict[tuple[str, ...], list[str]] = {}
    for (trained_on, tested), labels in board.labels.items():
        pairs.setdefault(labels, []).append(f"{trained_on} → {tested}")
    if len(pairs) == 1:
        return [f"labels: {', '.join(*pairs)}"]
    return [f"labels {', '.join(labels)}: {'; '.join(of)}" for labels, of in pairs.items()]


def _role(row: MatrixRow) -> str:
    return "" if row.control is None else "control"


def gap_text(gap: Gap | None) -> str:
    """Returns a difference to a control with the control's name."""
    return "–" if gap is None else f"{percent(gap.difference, sign=True)}, {gap.control}"


def heat_lines(board: MatrixBoard) -> list[tuple[str, list[dict[str, Any]]]]:
    """Returns lines of a heat map: a row and a training set against the tested sets."""
    main = [row for row in board.rows if row.control is None]
    controls = [row for row in board.rows if row.control is not None]
    return [
        (f"{row.name}, trained on {t}", [_heat(board, row, t, tested) for tested in board.sets])
        for row in (*main[:HEAT_ROWS], *controls[:1])
        for t in board.trained_on
    ]


def _heat(board: MatrixBoard, row: MatrixRow, trained_on: str, tested: str) -> dict[str, Any]:
    score = row.scores.get((trained_on, tested))
    if score is None:
        return {"text": "–", "side": "none", "strength": 0, "sure": False, "title": "no score"}
    of = {pair[1]: labels for pair, labels in board.labels.items()}  # of the last line
    chance = 1 / len(board.labels.get((trained_on, tested), of[tested]))
    made = score.interval
    return {
        "text": f"{100 * score.value:.1f}",
        "side": "pos" if score.value > chance else "neg",
        "strength": round(abs(score.value - chance) / max(chance, 1 - chance) * 45),
        "sure": made is not None and not made.low <= chance <= made.high,
        "title": f"UAR {percent(score)}, chance {100 * chance:.1f}"
        + (", heads of the set itself" if trained_on == tested else ""),
    }

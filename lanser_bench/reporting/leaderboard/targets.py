"""The leaderboard's table of probe targets: each row's score and its difference to the controls."""

from __future__ import annotations

from ...numbers import decimal, percent
from ..tables.sheet import Column, Entry, Sheet, Shown, axis_columns
from .boards import Board
from .rows import Row

TARGET_NOTE = (
    "R²: share of variance; UAR: of classes, in percent. To best control: the difference to the "
    "control that is best at the target, paired by speaker; only this difference supports a claim"
)
TO_CONTROL = "to best control"


def target_sheet(board: Board) -> Sheet:
    """Returns the table of probe targets: scores, and differences to the best control."""
    rows = [*board.main, *board.controls]
    columns = [Column("target", "target"), Column("score", "score")]
    for n, row in enumerate(rows):
        key = f"{row.experiment}/{row.name}"
        columns.append(Column(key, row.title, right=True, order=n or None))
        if row.gaps:
            columns.append(
                Column(f"{key} {TO_CONTROL}", TO_CONTROL, right=True, order=n, beside=True)
            )
    targets = dict.fromkeys(target for row in rows for target in row.targets)
    return Sheet(
        title=f"{board.title}: probe targets",
        columns=columns,
        rows=[Entry(_values(target, rows)) for target in targets],
        notes=[TARGET_NOTE],
        facts={"dataset": board.dataset, "split": board.split_hash},
    )


def _values(target: str, rows: list[Row]) -> dict[str, object]:
    chance = next((row.chance[target] for row in rows if target in row.chance), None)
    show = decimal if chance is None else percent
    score = "R²" if chance is None else f"UAR, chance {100 * chance:.1f}"
    values: dict[str, object] = {"target": target, "score": score}
    for row in rows:
        key = f"{row.experiment}/{row.name}"
        metric, gap = row.targets.get(target), row.gaps.get(target)
        values[key] = Shown(metric, show(metric))
        if gap is not None:
            values[f"{key} {TO_CONTROL}"] = Shown(
                gap.difference, f"{show(gap.difference, sign=True)}, {gap.control}"
            )
    return values


def target_rows(board: Board) -> Sheet:
    """Returns the same with a line per target and row, for CSV and data frames."""
    rows = [*board.main, *board.controls]
    keys = ("target", "row", "name", "role", "control", "score", "chance", "gap", "rival")
    return Sheet(
        title=f"{board.title}: probe targets",
        columns=[*(Column(key, key) for key in keys), *axis_columns(row.axes for row in rows)],
        rows=[
            Entry(
                {
                    **row.axes,
                    "target": target,
                    "row": row.name,
                    "name": row.title,
                    "role": row.role,
                    "control": row.control,
                    "score": score,
                    "chance": row.chance.get(target),
                    "gap": gap and gap.difference,
                    "rival": gap and gap.control,
                }
            )
            for row in rows
            for target, score in row.targets.items()
            for gap in [row.gaps.get(target)]
        ],
        facts={"dataset": board.dataset, "split": board.split_hash},
    )

"""The leaderboard in other forms: CSV and HTML, and boards by an axis in all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...numbers import percent
from ..tables.sheet import Sheet, csv_text, markdown_cell
from .boards import Board
from .by_axis import AxisBoard
from .table import METRIC_HEADS, cells, columns, header, majority_cells, notes, place, to_best_text

if TYPE_CHECKING:
    from rich.table import Table


def sheet(board: Board) -> Sheet:
    """Returns the texts of a board."""
    return Sheet(
        header(board),
        columns(board),
        [cells(board, row, place(row, i)) for i, row in enumerate(board.main, start=1)],
        [*(cells(board, row, "") for row in board.controls), majority_cells(board)],
        notes(board),
    )


def axis_sheet(board: AxisBoard) -> Sheet:
    """Returns the texts of a board by an axis."""
    name = METRIC_HEADS[board.metric]
    rows = [
        [
            row.standing.text,
            row.value,
            str(row.cells),
            str(row.records),
            percent(row.score),
            to_best_text(row.standing),
        ]
        for row in board.rows
    ]
    said = [
        f"mean over the cells that every {board.axis} has; 95 % intervals over seeds × speakers",
        f"#: ranks that a row may have; to best: paired by utterance, p by Holm over the "
        f"{len(rows)} rows",
    ]
    if not all(row.standing.seeds_known for row in board.rows):
        said.append("* from one training seed: how much seeds vary is not in it")
    if board.left_out:
        said.append(f"left out, since not every {board.axis} has them: {', '.join(board.left_out)}")
    title = f"{board.dataset} by {board.axis}: {board.n_speakers} speakers"
    heads = ["#", board.axis, "cells", "records", name, f"{name} to best"]
    return Sheet(title, heads, rows, [], said)


def terminal(found: Sheet) -> Table:
    """Returns a terminal table."""
    from rich.markup import escape as shown
    from rich.table import Table

    table = Table(
        title=shown(found.title),
        caption=shown(" · ".join(found.notes)),
        title_justify="left",
        caption_justify="left",
    )
    for head in found.heads:
        table.add_column(shown(head), overflow="fold")
    for row in found.rows:
        table.add_row(*map(shown, row))
    return table


def markdown_table(found: Sheet) -> str:
    """Returns a heading, a table and its notes."""
    heads = " | ".join(map(markdown_cell, found.heads))
    lines = [
        f"## {markdown_cell(found.title)}",
        "",
        f"| {heads} |",
        "|" + " --- |" * len(found.heads),
    ]
    lines += [
        "| " + " | ".join(map(markdown_cell, row)) + " |" for row in [*found.rows, *found.controls]
    ]
    return "\n".join([*lines, "", *(f"- {markdown_cell(note)}" for note in found.notes), ""])


def comma_separated(boards: Sequence[Board]) -> str:
    """Returns numbers, not texts: a line per row of every board; scores are shares."""
    lines = []
    for board in boards:
        for row in (*board.main, *board.controls):
            line: dict[str, Any] = {
                "dataset": board.dataset,
                "split": board.split_hash,
                "budget": board.budget,
                "experiment": row.experiment,
                "row": row.name,
                "role": row.role,
                "control": row.control,
                "asr": row.asr,
                "labeler": row.labeler,
                "taxonomy": row.taxonomy,
                "encoder": row.encoder,
                "seeds": row.n_seeds,
            }
            for name in METRIC_HEADS:
                score = getattr(row, name)
                line |= {name: score.value, f"{name}_low": None, f"{name}_high": None}
                if score.interval is not None:
                    line |= {f"{name}_low": score.interval.low, f"{name}_high": score.interval.high}
            standing = row.standing
            line["rank_best"] = standing.best if standing else None
            line["rank_worst"] = standing.worst if standing else None
            line["to_best"] = standing.behind.value if standing and standing.behind else None
            line["p"] = standing.p_value if standing else None
            lines.append(line)
    return csv_text(lines)


def axis_json(board: AxisBoard) -> dict[str, Any]:
    """Returns a board by an axis as plain JSON values."""

    def plain(value: Any) -> Any:
        return value.model_dump(mode="json") if hasattr(value, "model_dump") else value

    content = asdict(board)
    for row, made in zip(board.rows, content["rows"], strict=True):
        made["score"] = plain(row.score)
        made["standing"] = {k: plain(v) for k, v in vars(row.standing).items()}
    return content


def axis_csv(boards: Sequence[AxisBoard]) -> str:
    """Returns boards by an axis as comma-separated lines."""
    lines = [
        {
            "dataset": board.dataset,
            "split": board.split_hash,
            board.axis: row.value,
            "cells": row.cells,
            board.metric: row.score.value,
            "low": row.score.interval.low if row.score.interval else None,
            "high": row.score.interval.high if row.score.interval else None,
            "rank_best": row.standing.best,
            "rank_worst": row.standing.worst,
            "to_best": row.standing.behind.value if row.standing.behind else None,
            "p": row.standing.p_value,
        }
        for board in boards
        for row in board.rows
    ]
    return csv_text(lines)

"""The summary of an experiment that trackers show: boards, differences to controls, the report."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...records.headline import metric_name, with_interval
from ...records.reading import load_records
from ..leaderboard.boards import Board
from ..leaderboard.rows import Row
from ..leaderboard.table import sheet
from ..tables.pictures import save_picture
from ..tables.sheet import csv_lines
from .data import Records, board_anchor
from .finding import paired
from .pictures import pictures_of
from .report import render


@dataclass(frozen=True)
class GridBoard:
    """One leaderboard."""

    title: str
    rows: list[dict[str, Any]]
    """Plain values, main rows best first. ``group`` is the cell's group; ``minus_CONTROL`` is its
    UAR minus that of its own control, paired by speaker, with ``_low`` and ``_high``."""
    pictures: dict[str, Path]
    """Name, such as ``label-efficiency`` or ``confusions-1`` of the best row → PNG file."""
    csv: str
    """The rows as CSV."""


@dataclass(frozen=True)
class GridSummary:
    """Summary of an experiment."""

    experiment: str
    cells: list[tuple[str, str, str]]
    """Name, group and key of every record."""
    boards: list[GridBoard]
    report: Path
    """The HTML report."""

    @property
    def headline(self) -> dict[str, float]:
        """Number of cells, and of each board the best row's UAR and differences to controls."""
        numbers: dict[str, float] = {"cells": len(self.cells)}
        for board in self.boards:
            for name, value in board.rows[0].items():
                if isinstance(value, float) and name.startswith(("uar", "minus_")):
                    numbers[metric_name(f"{board.title}/best/{name}")] = value
        return numbers


def grid_summary(results: Path, folder: Path) -> GridSummary:
    """Summarises the records of an experiment, as `Tracker.log_grid` gets them.

    Writes its report and the folder ``pictures`` into `folder`.

    Raises:
        DataError: the records cannot be read.
    """
    folder = folder.absolute()
    with chdir(results.parent):  # the report names its files, here without the machine's folders
        records = Records(load_records([Path(results.name)]))
        page = render(records.files)
        boards = [_grid_board(records, board, folder) for board in records.boards]
    report = folder / "report.html"
    report.write_text(page, encoding="utf-8")
    cells = [record for _, record in records.files]
    return GridSummary(
        experiment=cells[0].experiment,
        cells=[(cell.name, cell.group, cell.key) for cell in cells],
        boards=boards,
        report=report,
    )


def _grid_board(records: Records, board: Board, folder: Path) -> GridBoard:
    rows = [*board.main, *board.controls]
    pictures = {}
    for name, draw in pictures_of(records, board):
        pictures[name] = folder / "pictures" / f"{board_anchor(board)}-{name}.png"
        save_picture(draw(), pictures[name])
    values = [
        {"group": row.name} | found | dict(_differences(records, board, row))
        for found, row in zip(sheet(board).records(), rows, strict=False)
    ]
    empty = {key for key in values[0] if all(line.get(key) is None for line in values)}
    values = [{k: v for k, v in line.items() if k not in empty} for line in values]
    return GridBoard(title=board.title, rows=values, csv=csv_lines(values), pictures=pictures)


def _differences(records: Records, board: Board, row: Row) -> Iterator[tuple[str, float]]:
    for control in records.controls_of(board, row) if row.role == "main" else ():
        yield from with_interval(f"minus_{control.control}", paired(records, row, control))

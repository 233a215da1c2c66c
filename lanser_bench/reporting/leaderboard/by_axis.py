"""Leaderboards by an axis: ranks labelers, taxonomies, encoders or recognisers over a grid.

A row is one value of the axis: the mean over the cells that all values share, so that no value
profits from better companions. Other cells are left out and named.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..._face import Tabled
from ...errors import DataError, SettingsError
from ...evaluation.families import MetricName
from ...evaluation.results import Metric
from ...numbers import percent
from ...records.names import Names
from ...records.record import ResultRecord
from ..groups import Group, axes_of, axis_named, by_place, company, grouped, shared_text
from ..tables.sheet import ONE_SEED, Column, Entry, Sheet, Shown, verdict
from .ranking import Standing, mean, standings
from .table import METRIC_HEADS, to_best_text


@dataclass(frozen=True)
class AxisRow:
    """One value of the axis."""

    value: str
    cells: int
    records: int
    score: Metric
    standing: Standing


@dataclass(frozen=True)
class AxisBoard(Tabled):
    """The values of an axis on one labelled set and split."""

    axis: str
    metric: MetricName
    dataset: str
    split_hash: str
    n_speakers: int
    n_labels: int
    rows: list[AxisRow]
    left_out: list[str]
    """Cells that some value lacks."""
    shared: str = ""
    faults: list[str] = field(default_factory=list)
    """Cells without usable predictions."""


def rank_by(
    axis: str, records: Sequence[tuple[Path, ResultRecord]], *, metric: MetricName = "uar"
) -> list[AxisBoard]:
    """Ranks the values of an axis on each labelled set; controls are ignored.

    Raises:
        SettingsError: the records have no such axis.
        DataError: no two values share a cell on any labelled set.
    """
    groups = [g for g in grouped(list(records)).values() if g.first.role == "main"]
    axis = axis_named(axis, groups)
    with_axis = [g for g in groups if axis in axes_of(g.first)]
    if not with_axis:
        known = sorted({name for g in groups for name in axes_of(g.first)} - {"role", "group"})
        raise SettingsError(f"No record has the axis '{axis}'. Choose one of: {', '.join(known)}.")
    boards = [board for place in by_place(with_axis) if (board := _board(axis, place, metric))]
    if not boards:
        raise DataError(
            f"The values of '{axis}' cannot be ranked: no two of them share a cell that has "
            "predictions."
        )
    return boards


def _board(axis: str, groups: Sequence[Group], metric: MetricName) -> AxisBoard | None:
    names = Names(group.first for group in groups)
    table: dict[str, dict[tuple[str, ...], Group]] = defaultdict(dict)
    faults = []
    for group in groups:
        if group.fault is None:
            value = names.shown(group.first).get(axis, axes_of(group.first)[axis])
            table[value][company(group.first, axis)] = group
        else:
            why = group.fault if group.has_predictions else "no predictions"
            faults.append(f"left out: {names.name(group.first)}: {why}")
    common = set.intersection(*(set(cells) for cells in table.values())) if table else set()
    if len(table) < 2 or not common:
        return None
    left_out = [
        names.name(group.first)
        for cells in table.values()
        for company, group in cells.items()
        if company not in common
    ]
    shared, weight = sorted(common), 1 / len(common)
    values = {v: [(weight, cells[c].side(metric)) for c in shared] for v, cells in table.items()}
    order = sorted(values, key=lambda value: (-mean(values[value]).value, value))
    found = standings([values[value] for value in order])
    rows = [
        AxisRow(
            value=value,
            cells=len(common),
            records=sum(len(table[value][c].members) for c in common),
            score=mean(values[value]).metric(),
            standing=standing,
        )
        for value, standing in zip(order, found, strict=True)
    ]
    first = groups[0]
    return AxisBoard(
        axis,
        metric,
        first.cell.dataset,
        first.evaluation.split_hash,
        first.evaluation.n_speakers,
        len(first.evaluation.labels),
        rows,
        sorted(left_out),
        shared_text(groups),
        sorted(faults),
    )


def axis_sheet(board: AxisBoard) -> Sheet:
    """Returns a board by an axis as a table."""
    name, cells = METRIC_HEADS[board.metric], board.rows[0].cells
    chance = f"chance {100 / board.n_labels:.1f} % UAR"
    notes = [
        f"mean over {cells} cell{'s' * (cells > 1)} that every {board.axis} has; "
        "95 % intervals over seeds × speakers",
        f"#: plausible ranks (95 %); to best: paired by utterance, p by Holm over the "
        f"{len(board.rows)} rows",
    ]
    if not all(row.standing.seeds_known for row in board.rows):
        notes.append(ONE_SEED)
    if board.left_out:
        n = len(board.left_out)
        notes.append(
            f"left out, since not every {board.axis} has them: {n} cell{'s' * (n > 1)}: "
            f"{'; '.join(board.left_out)}"
        )
    return Sheet(
        title=f"{board.dataset} by {board.axis}: {board.n_speakers} speakers, {chance}",
        columns=[
            Column("rank_best", "#", right=True),
            Column("rank_worst", None),
            Column(board.axis, board.axis),
            Column(board.metric, name, right=True),
            Column("low", None),
            Column("high", None),
            Column("to_best", f"{name} to best", right=True, judged=True),
            Column("p", None),
            Column("records", None),
            Column("cells", None),
        ],
        rows=[_entry(board, row) for row in board.rows],
        shared=board.shared,
        faults=board.faults,
        notes=notes,
        facts={"dataset": board.dataset, "split": board.split_hash},
    )


def _entry(board: AxisBoard, row: AxisRow) -> Entry:
    standing, made = row.standing, row.score.interval
    return Entry(
        {
            "rank_best": Shown(standing.best, standing.text),
            "rank_worst": standing.worst,
            board.axis: row.value,
            "cells": row.cells,
            "records": row.records,
            board.metric: Shown(row.score.value, percent(row.score)),
            "low": made and made.low,
            "high": made and made.high,
            "to_best": Shown(standing.behind and standing.behind.value, to_best_text(standing)),
            "p": standing.p_value,
        },
        verdict=verdict(standing.behind, standing.p_value),
    )

"""Probe scores of a row against its best control.

R² (or UAR) of an embedding alone supports no claim: a random network predicts loudness and duration
well, and words predict much of the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ...evaluation.contrast import Side, difference
from ...evaluation.results import Metric
from ..groups import same_speakers
from ..leaderboard.boards import CEILINGS, PLAIN, Board
from ..leaderboard.rows import Gap, Row
from .data import Records


class ProbeGaps:
    """Differences to the best control, paired by speaker, mean over seeds.

    The best control is chosen per target, which is conservative. Rows that learnt from human labels
    are upper bounds and not among the controls. Without the records' sums over speakers, a
    difference has no interval.
    """

    def __init__(self, records: Records, board: Board) -> None:
        """Takes a board; files are read once."""
        self.records, self.board = records, board
        self._read: dict[str, Mapping[str, Side]] = {}

    def of(self, row: Row, scale: str | None = None) -> dict[str, Gap]:
        """Returns a main row's differences by target, on one or all scales, if it has controls."""
        every = self.records.controls_of(self.board, row)
        controls = [control for control in every if control.control not in CEILINGS]
        gaps = {}
        for name, metric in row.targets.items():
            rivals = [c for c in controls if name in c.targets]
            if rivals and (scale is None or name.endswith(f"({scale})")):
                best = max(rivals, key=lambda c: c.targets[name].value)
                plain = Metric(value=metric.value - best.targets[name].value)
                exact = self._paired(row, best, name)
                gaps[name] = Gap(exact or plain, PLAIN.get(best.control or "", best.name))
        return gaps

    def _paired(self, row: Row, control: Row, name: str) -> Metric | None:
        ours, theirs = (self._sides(one).get(name) for one in (row, control))
        if ours is None or theirs is None or not same_speakers(ours, theirs):
            return None
        return difference(ours, theirs).metric()

    def _sides(self, row: Row) -> Mapping[str, Side]:
        name = f"{row.experiment}/{row.name}"
        if name not in self._read:
            group = self.records.exact(row)
            self._read[name] = {} if group is None else group.probes()
        return self._read[name]


def with_gaps(board: Board, records: Records) -> Board:
    """Returns a board whose main rows have their differences to the best control."""
    gaps = ProbeGaps(records, board)
    return replace(board, main=[replace(row, gaps=gaps.of(row)) for row in board.main])

"""What a row's embedding holds beyond its best control: the one probe number that says something.

R² (or UAR) of an embedding alone supports no claim: a random network already predicts loudness and
duration well, and words tell a good part of the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ..evaluation.contrast import Contrast, Side, difference
from ..evaluation.results import Metric
from ..evaluation.statistics import Statistic
from .attached import Place, hit_statistics, probe_statistics
from .boards import CEILINGS, PLAIN, Board, Gap, Row
from .groups import Group
from .report_data import Found, Records, attached_table, datasets_of

Sums = Mapping[Place, Statistic]


class ProbeGaps:
    """Differences to the best control, paired by speaker, mean over seeds.

    The best control is chosen per target, which is hard on the row; rows that learnt from human
    labels are ceilings and none of them. Without the records' sums over speakers a difference has
    no interval.
    """

    def __init__(self, records: Records, board: Board) -> None:
        """Takes a board; files are read once."""
        self.records, self.board = records, board
        self._read: dict[str, list[Sums]] = {}

    def of(self, row: Row, scale: str | None = None) -> dict[str, Gap]:
        """Returns a row's differences by target; empty where it has no control.

        Args:
            row: a main row.
            scale: ``raw`` or ``speaker``; both if left out.
        """
        every = self.records.controls_of(self.board, row)
        controls = [control for control in every if control.control not in CEILINGS]
        found = {}
        for name, metric in row.targets.items():
            rivals = [c for c in controls if name in c.targets]
            if rivals and (scale is None or name.endswith(f"({scale})")):
                best = max(rivals, key=lambda c: c.targets[name].value)
                plain = Metric(value=metric.value - best.targets[name].value)
                exact = self._paired(row, best, name)
                found[name] = Gap(exact or plain, PLAIN.get(best.control or "", best.name))
        return found

    def _paired(self, row: Row, control: Row, name: str) -> Metric | None:
        probe, _, rest = name.partition(".")
        target, _, scale = rest.rpartition(" ")
        place = probe, target, scale.strip("()")
        ours, theirs = (
            [sums[place] for sums in self._sums(side) if place in sums] for side in (row, control)
        )
        if not ours or not theirs or len({len(s.sums) for s in (*ours, *theirs)}) > 1:
            return None
        return difference(Side(ours), Side(theirs)).metric()

    def _sums(self, row: Row) -> list[Sums]:
        name = f"{row.experiment}/{row.name}"
        if name not in self._read:
            found = [read_scores(member, self.board.dataset) for member in self.records.of(row)]
            self._read[name] = [sums for sums in found if sums]
        return self._read[name]


def read_scores(found: Found, dataset: str) -> Sums:
    """Returns (probe, target, scale) → score on one set as sums over speakers, sorted.

    It is R² of numbers and UAR of classes; empty where a record has no such files beside it.
    """
    path, record = found
    place = datasets_of(record).index(dataset)
    scores: dict[Place, Statistic] = {}
    numbers = attached_table(path, record, "probe_sums")
    if numbers is not None:
        scores |= probe_statistics(numbers, place)
    classes = attached_table(path, record, "probe_hits")
    if classes is not None:
        scores |= hit_statistics(classes, place)
    return scores


def probe_contrasts(a: Group, b: Group) -> dict[str, Contrast]:
    """Returns ``probe.target (scale)`` → score of `a` minus that of `b`, paired by speaker.

    Targets that only one of them has, or on other speakers, are left out.
    """
    read = [
        [read_scores(found, group.cell.dataset) for found in group.members.values()]
        for group in (a, b)
    ]
    shared = [place for place in read[0][0] if all(place in s for side in read for s in side)]
    found = {}
    for place in shared:
        ours, theirs = ([scores[place] for scores in side] for side in read)
        if len({len(s.sums) for s in (*ours, *theirs)}) == 1:
            probe, target, scale = place
            sides = Side(ours, drawn=a.drawn), Side(theirs, drawn=b.drawn)
            found[f"{probe}.{target} ({scale})"] = difference(*sides)
    return found


def with_gaps(board: Board, records: Records) -> Board:
    """Returns a board whose main rows have their differences to the best control."""
    gaps = ProbeGaps(records, board)
    return replace(board, main=[replace(row, gaps=gaps.of(row)) for row in board.main])

"""The gate against a history: is a candidate worse than the median of the last commits?

The baseline of a cell is the commit whose score is the median of the last N (of two middle ones the
lower). It is one real commit, so the candidate is compared with it by the paired test of `gate`. A
single commit that was lucky in its seeds does not become the baseline, as it would with N = 1.
`tests/benchmarks/gate_simulation.py` prints false alarms and power.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import DataError
from ...evaluation.contrast import difference
from ...evaluation.families import MetricName
from ...measurements.metrics import CLASS_METRICS
from ...records.reading import Found, read_records
from ..groups import CellId, Group, cell_titles, checked_metric
from ..selection import Selection
from .gate import GateResult, NotCompared
from .history import CELL, HISTORY, Line, design, read_history, side_of, sums_of
from .verdicts import ScoreTest, compared


@dataclass(frozen=True)
class Past:
    """The commits that a candidate is compared with."""

    history: Path = HISTORY
    """Written by `add_history`."""
    last: int = 10
    """Number of commits; fewer are taken if the history has fewer."""
    commit: str | None = None
    """The candidate's revision, which takes no part; that of its records if left out."""

    def lines(self, records: Sequence[Found]) -> dict[CellId, list[Line]]:
        """Returns the lines of each cell, without those with uncommitted changes."""
        revisions = {record.commit.revision for _, record in records if record.commit}
        own = {self.commit} if self.commit else revisions
        past: dict[CellId, list[Line]] = {}
        for line in read_history(self.history):
            if line["commit"] not in own and not line["with_changes"]:
                past.setdefault(CellId(*(line[name] for name in CELL)), []).append(line)
        return past


def gate_against_last(
    candidate: Sequence[Path], past: Past, *, metric: str | None = None, tolerance: float = 0.01
) -> GateResult:
    """Compares all cells of a candidate with the median of the last commits of a history.

    Verdicts are those of `gate`.

    Args:
        candidate: folders of the new records.
        past: the commits to compare with.
        metric: the only score to compare: ``uar``, ``wa``, ``macro_f1`` or ``area``; UAR and area
            if left out.
        tolerance: largest negligible difference, as a share (0.01 is one point).

    Raises:
        SettingsError: unknown metric.
        DataError: damaged records, no history, or it has none of the candidate's cells.
    """
    scores: list[MetricName] = ["uar", "area"] if metric is None else [checked_metric(metric)]
    reading = read_records(candidate)
    if reading.damaged:
        raise DataError("\n".join(["A damaged record may hide a regression:", *reading.damaged]))
    groups = Selection(reading.records).groups
    known = past.lines(reading.records)
    if not known.keys() & groups.keys():
        raise DataError(f"{past.history} has no earlier commit with a cell of the candidate.")
    found = GateResult(metric, tolerance, ignored=reading.left_out, titles=cell_titles(groups))
    found.add_failed(reading.failed)
    tests = []
    ran = {cell.experiment for cell in groups}
    for cell, lines in known.items():
        if cell.experiment not in ran:
            continue
        alike = _alike(lines, groups.get(cell))
        if isinstance(alike, str):
            found.not_compared.append(NotCompared(cell, alike))
            continue
        for score in scores:
            line = median_line(alike[-past.last :], score)
            # Both from the same kind of sums, so that equal results are equal to the bit.
            ours = side_of(sums_of(groups[cell], score), drawn=groups[cell].drawn)
            theirs = side_of(line[f"{score}_sums"], drawn=line["drawn"])
            if len({seed.sums.shape for seed in (*ours.seeds, *theirs.seeds)}) > 1:
                found.not_compared.append(NotCompared(cell, "different speakers"))
                break
            tests.append(ScoreTest.of((cell, score), difference(ours, theirs)))
            commit = f"{line['commit'][:10]} of {line['date'][:10]}"
            found.baselines.append(f"{found.title(cell)} ({score}): {commit}")
    for cell in groups.keys() - known.keys():
        found.not_compared.append(NotCompared(cell, "not in the history", new=True))
    found.not_compared.sort(key=lambda lost: (lost.new, lost.cell))
    found.compared = compared(tests, tolerance)
    return found


def _alike(lines: Sequence[Line], group: Group | None) -> list[Line] | str:
    """Returns the lines that a cell can be compared with, or why there are none."""
    if group is None:
        return "missing in the candidate"
    if group.fault or not group.has_predictions:
        return group.fault or "no predictions beside some of the records"
    now = design(group)
    alike = [line for line in lines if all(line[name] == now[name] for name in now)]
    if not alike:
        return next(f"different {name}" for name in now if lines[-1][name] != now[name])
    names = [f"{name}{end}" for name in CLASS_METRICS for end in ("", "_sums")]
    measured = [line for line in alike if not any(line.get(name) is None for name in names)]
    return measured or "no predictions in the history"


def median_line(lines: Sequence[Line], score: str) -> Line:
    """Returns the line with the median score; of two middle ones, the lower."""
    return sorted(lines, key=lambda line: float(line[score]))[(len(lines) - 1) // 2]

"""The gate against a history: is a candidate worse than the median of the last commits?

The baseline of a cell is the commit whose score is the median of the last N (of two middle ones the
lower). It is one real commit, so the candidate is compared with it by the paired test of `gate`. A
single commit that was lucky in its seeds does not become the baseline, as it would with N = 1.
`tests/benchmarks/gate_simulation.py` prints false alarms and power.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ...errors import DataError
from ...evaluation.contrast import Contrast, difference
from ...evaluation.families import MetricName
from ...records.reading import Found, read_records
from ..groups import CellId, Group, cell_titles, checked_metric
from ..selection import Selection
from .gate import GateResult, NotCompared
from .history import CELL, HISTORY, Line, design, read_history, side_of, sums_of
from .verdicts import EQUAL, Score, judged

ALIKE = {
    "labels": "other labels",
    "budgets": "other label budgets",
    "split": "another split",
    "taxonomy": "another taxonomy",
}
"""Columns in which a line must be like the candidate → what to call a difference."""


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
    candidate: Sequence[Path], past: Past, *, metric: str = "uar", tolerance: float = 0.01
) -> GateResult:
    """Compares all cells of a candidate with the median of the last commits of a history.

    Verdicts are those of `gate`.

    Args:
        candidate: folders of the new records.
        past: the commits to compare with.
        metric: ``uar``, ``wa``, ``macro_f1`` or ``area``.
        tolerance: largest negligible difference, as a share (0.01 is one point).

    Raises:
        SettingsError: unknown metric.
        DataError: damaged records, no history, or it has none of the candidate's cells.
    """
    score = checked_metric(metric)
    reading = read_records(candidate)
    if reading.damaged:
        raise DataError("\n".join(["A damaged record may hide a regression:", *reading.damaged]))
    groups = Selection(reading.records).groups
    known = past.lines(reading.records)
    if not known.keys() & groups.keys():
        raise DataError(f"{past.history} has no earlier commit with a cell of the candidate.")
    titles = {f"{c.experiment}: {c}": name for c, name in cell_titles(groups).items()}
    found = GateResult(metric, tolerance, ignored=reading.left_out, titles=titles)
    found.add_failed(reading.failed)
    contrasts: dict[Score, Contrast] = {}
    equal: set[CellId] = set()
    ran = {cell.experiment for cell in groups}
    for cell, lines in known.items():
        if cell.experiment not in ran:
            continue
        middle = _middle(lines, groups.get(cell), score, past.last)
        if isinstance(middle, str):
            found.not_compared.append(NotCompared(cell, middle))
        else:
            contrasts[cell, score] = difference(groups[cell].side(score), side_of(middle, score))
            found.baselines.append(
                f"{found.title(cell)}: {middle['commit'][:10]} of {middle['date'][:10]}"
            )
            if _equal(groups[cell], middle, score):
                equal.add(cell)
    found.not_compared += [
        NotCompared(cell, "not in the history", new=True) for cell in groups.keys() - known.keys()
    ]
    found.not_compared.sort(key=lambda lost: (lost.new, lost.cell))
    found.compared = [
        replace(row, verdict="same", why=EQUAL) if row.cell in equal else row
        for row in judged(contrasts, tolerance)
    ]
    return found


def _equal(group: Group, line: Line, score: MetricName) -> bool:
    sums: object = line[f"{score}_sums"]
    return line["seeds"] == list(group.members) and sums == sums_of(group, score)


def _middle(lines: Sequence[Line], group: Group | None, score: str, last: int) -> Line | str:
    """Returns the line with the median score, or why there is none."""
    if group is None:
        return "missing in the candidate"
    if group.fault or not group.has_predictions:
        return group.fault or "no predictions beside some of the records"
    now = design(group)
    reasons = [next((n for n in ALIKE if line[n] != now[n]), None) for line in lines]
    alike = [line for line, why in zip(lines, reasons, strict=True) if why is None]
    alike = [line for line in alike if line.get(f"{score}_sums")][-last:]
    if not alike:
        return ALIKE.get(reasons[-1] or "", "no predictions in the history")
    return median_line(alike, score)


def median_line(lines: Sequence[Line], score: str) -> Line:
    """Returns the line with the median score; of two middle ones, the lower."""
    return sorted(lines, key=lambda line: float(line[score]))[(len(lines) - 1) // 2]

"""The gate: is a candidate worse than a baseline, by more than speakers and seeds vary?

Cells are compared utterance by utterance, clustered by speaker, over the training seeds of both
sides, and their p-values are adjusted by Holm's method over all cells. Cells that
cannot be compared are named with the reason: missing, another split, another taxonomy, another
schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from ...errors import DataError
from ...evaluation.contrast import Contrast, difference, holm
from ...evaluation.results import Interval
from ...evaluation.statistics import LEVEL
from ...records.reading import read_content, read_records
from ..groups import CellId, Group, cell_titles
from ..selection import Selection
from .responses import Response

Verdict = Literal["better", "same", "worse", "undecided"]
ALPHA = 1 - LEVEL
EQUAL = "every speaker's counts are equal, seed by seed"


@dataclass(frozen=True)
class Compared:
    """A cell of both the baseline and the candidate."""

    cell: CellId
    verdict: Verdict
    why: str
    """Reason for the verdict."""
    baseline: float
    candidate: float
    difference: float
    """Candidate minus baseline."""
    interval: Interval | None
    p_value: float | None
    """Adjusted by Holm's method over all compared cells."""
    detectable: float | None
    """Smallest difference that is detected with 90 % power at the family's level."""
    seeds: tuple[int, int]
    """Training seeds of the baseline and of the candidate."""
    n_speakers: int


@dataclass(frozen=True)
class NotCompared:
    """A cell without a verdict."""

    cell: CellId
    why: str
    new: bool = False
    """True for a cell that only the candidate has; it does not fail the gate."""


@dataclass
class GateResult:
    """All verdicts of the gate."""

    metric: str
    tolerance: float
    """In shares, not in points."""
    compared: list[Compared] = field(default_factory=list)
    not_compared: list[NotCompared] = field(default_factory=list)
    ignored: list[str] = field(default_factory=list)
    """Sentences on files that are not records."""
    baselines: list[str] = field(default_factory=list)
    """The commit that each cell was compared with, where a history is the baseline."""
    titles: dict[str, str] = field(default_factory=dict)
    """Experiment and cell → its name in tables."""

    def title(self, cell: CellId) -> str:
        """Returns a cell's name among the others of the gate."""
        return self.titles.get(f"{cell.experiment}: {cell}", str(cell))

    def of(self, verdict: Verdict) -> list[Compared]:
        """Cells with one verdict."""
        return [cell for cell in self.compared if cell.verdict == verdict]

    @property
    def lost(self) -> list[NotCompared]:
        """Cells of the baseline that could not be compared."""
        return [cell for cell in self.not_compared if not cell.new]

    def passed(self, *, strict: bool = False, allow_changes: bool = False) -> bool:
        """Whether the candidate passes.

        Args:
            strict: an undecided cell fails too.
            allow_changes: cells of the baseline that could not be compared do not fail.
        """
        stopped = self.of("worse") or (strict and self.of("undecided"))
        return not stopped and (allow_changes or not self.lost)


def gate(
    baseline: Sequence[Path],
    candidate: Sequence[Path],
    *,
    metric: str = "uar",
    tolerance: float = 0.01,
) -> GateResult:
    """Compares all cells of a candidate with those of a baseline.

    A cell is *worse* or *better* if its difference is significant at 5 % after Holm's adjustment
    and larger than the tolerance; *same* if its 95 % interval lies within the tolerance, or it is
    significant but within it; else *undecided*. A cell whose training draws from a single seed is
    undecided too, because the variation between seeds is unknown.

    Args:
        baseline: folders of the reference records.
        candidate: folders of the new records.
        metric: the score to compare, as `Response.metric`, at the largest label budget.
        tolerance: largest negligible difference, as a share (0.01 is one point).

    Raises:
        SettingsError: unknown metric.
        DataError: a folder has no records or a damaged one, or the two share no cell.
    """
    response = Response(metric)
    readings = read_records(baseline), read_records(candidate)
    damaged = [sentence for reading in readings for sentence in reading.damaged]
    if damaged:
        raise DataError("\n".join(["A damaged record may hide a regression:", *damaged]))
    old, new = (Selection(reading.records).groups for reading in readings)
    if not old.keys() & new.keys():
        raise DataError(
            f"Baseline and candidate have no cell in common: the baseline has {_named(old)}, the "
            f"candidate {_named(new)}. Cells are matched by experiment, name and labelled set."
        )
    ignored = [sentence for reading in readings for sentence in reading.left_out]
    titles = {f"{c.experiment}: {c}": name for c, name in cell_titles({**old, **new}).items()}
    found = GateResult(metric, tolerance, ignored=ignored, titles=titles)
    contrasts: dict[CellId, Contrast] = {}
    for cell, group in old.items():
        why = _hindrance(group, new.get(cell), response)
        if why is not None:
            found.not_compared.append(NotCompared(cell, why))
            continue
        contrasts[cell] = difference(response.side(new[cell]), response.side(group))
    for cell in new.keys() - old.keys():
        found.not_compared.append(NotCompared(cell, "only in the candidate", new=True))
    found.not_compared.sort(key=lambda cell: (cell.new, cell.cell))
    for row in judged(contrasts, tolerance, lower_is_better=response.lower_is_better):
        cell = row.cell
        if _equal(old[cell], new[cell], contrasts[cell]):
            row = replace(row, verdict="same", why=EQUAL)
        found.compared.append(row)
    return found


def _hindrance(old: Group, new: Group | None, response: Response) -> str | None:
    if new is None:
        return "missing in the candidate"
    schemas = {_written_schema(group) for group in (old, new)}
    if len(schemas) > 1:
        return f"another schema: versions {' and '.join(map(str, sorted(schemas)))}"
    hashes = {group.first.taxonomy_hash for group in (old, new)}
    if len(hashes) > 1:
        return f"another taxonomy: the content of {old.first.taxonomy} has changed"
    return response.unlike(old, new)


def _equal(old: Group, new: Group, contrast: Contrast) -> bool:
    """Whether both have equal counts, seed by seed: then nothing has changed."""
    a, b = contrast.sides
    return list(new.members) == list(old.members) and all(
        np.array_equal(x.sums, y.sums) for x, y in zip(a.seeds, b.seeds, strict=True)
    )


def _written_schema(group: Group) -> int:
    """The version in the file; loading upgrades every record to the current one."""
    path, _ = next(iter(group.members.values()))
    return int(read_content(path)["schema_version"])


def judged(
    contrasts: Mapping[CellId, Contrast], tolerance: float, *, lower_is_better: bool = False
) -> list[Compared]:
    """Returns the verdict on every cell of one family.

    Args:
        contrasts: candidate minus baseline.
        tolerance: largest negligible difference.
        lower_is_better: whether a decrease is an improvement.
    """
    p_values = {cell: contrast.p_value() for cell, contrast in contrasts.items()}
    tested = [cell for cell, p in p_values.items() if p is not None]
    adjusted = dict(zip(tested, holm([p_values[c] or 0.0 for c in tested]), strict=True))
    rows = [
        _judged(cell, contrast, adjusted.get(cell), tolerance, len(contrasts))
        for cell, contrast in contrasts.items()
    ]
    if not lower_is_better:
        return rows
    turned: dict[Verdict, Verdict] = {"better": "worse", "worse": "better"}
    return [replace(row, verdict=turned.get(row.verdict, row.verdict)) for row in rows]


def _judged(
    cell: CellId, contrast: Contrast, p: float | None, tolerance: float, family: int
) -> Compared:
    made = contrast.metric()
    verdict, why = verdict_of(contrast, made.interval, p, tolerance)
    sides = [Contrast([side], [1.0]).value for side in contrast.sides]
    return Compared(
        cell=cell,
        verdict=verdict,
        why=why,
        baseline=sides[1],
        candidate=sides[0],
        difference=made.value,
        interval=made.interval,
        p_value=p,
        detectable=contrast.detectable(alpha=ALPHA / family),
        seeds=(len(contrast.sides[1].seeds), len(contrast.sides[0].seeds)),
        n_speakers=contrast.n_speakers,
    )


def verdict_of(
    contrast: Contrast, interval: Interval | None, p: float | None, tolerance: float
) -> tuple[Verdict, str]:
    """Returns the verdict on one cell and its reason.

    Args:
        contrast: candidate minus baseline.
        interval: its 95 % interval.
        p: its p-value, adjusted over the family.
        tolerance: largest negligible difference.
    """
    value = contrast.value
    if p is None or interval is None:
        return "undecided", f"{contrast.n_speakers} speakers are too few for a test"
    if max(abs(interval.low), abs(interval.high)) <= tolerance and contrast.seeds_known:
        return "same", "the interval lies within the tolerance"
    if not contrast.seeds_known:
        return "undecided", "one training seed: variation between seeds is unknown"
    if p <= ALPHA and abs(value) > tolerance:
        return ("better" if value > 0 else "worse"), "significant and beyond the tolerance"
    if p <= ALPHA:
        return "same", "significant, but within the tolerance"
    return "undecided", "not significant, and the interval exceeds the tolerance"


def _named(groups: dict[CellId, Group]) -> str:
    names = [f"'{cell}' of {cell.experiment}" for cell in list(groups)[:3]]
    return ", ".join(names) + (" …" if len(groups) > 3 else "")

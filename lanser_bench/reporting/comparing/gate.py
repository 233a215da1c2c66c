"""The gate: is a candidate worse than a baseline, by more than speakers and seeds vary?

Every stage is compared by its own quality: weak labels and transcripts once for each pair of
stages, and cells by every score that both have. All are paired by speaker, cells over the training
seeds of both sides, and p-values are adjusted by Holm's method over all that differs. What cannot
be compared is named with the reason: missing, failed, another split, another taxonomy, another
schema.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..._face import Tabled
from ...errors import DataError
from ...evaluation.contrast import difference
from ...evaluation.results import ProbeResult
from ...measurements.metrics import CLASSES, IDENTITY, MEASURED, R2
from ...records.failed import FailedCell
from ...records.reading import load_record, read_content, read_records
from ..groups import CellId, Group, cell_titles
from ..selection import Selection
from .changes import group_changes, group_seconds, slower
from .gate_stages import stage_pairs
from .responses import Response
from .verdicts import Compared, ScoreTest, Verdict, compared

SLOWER = 2.0
"""Times as long as the baseline's stage that a stage may take without a warning."""
Pairs = Sequence[tuple[Group, Group]]
"""Cells of the baseline and of the candidate."""


@dataclass(frozen=True)
class NotCompared:
    """A cell, or a score of it, without a verdict."""

    cell: CellId
    why: str
    new: bool = False
    """True for a cell that only the candidate has; it does not fail the gate."""
    failed: bool = False
    """True for a cell of the candidate that failed; it fails the gate in any case."""


@dataclass
class GateResult(Tabled):
    """All verdicts of the gate."""

    metric: str | None
    """None if every score is compared."""
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

    changes: list[str] = field(default_factory=list)
    """What differs between baseline and candidate: plugins, settings, versions."""
    warnings: list[str] = field(default_factory=list)
    """Stages that have become slower; they do not fail the gate."""

    def of(self, verdict: Verdict) -> list[Compared]:
        """Cells with one verdict."""
        return [cell for cell in self.compared if cell.verdict == verdict]

    def add_failed(self, failed: Iterable[FailedCell]) -> None:
        """Adds the candidate's cells that failed."""
        for one in failed:
            cell = CellId(one.experiment, one.cell, "every set", 0)
            why = f"failed in the candidate ({one.stage}): {one.error}"
            self.not_compared.append(NotCompared(cell, why, failed=True))
            self.ignored = [sentence for sentence in self.ignored if sentence != str(one)]

    @property
    def lost(self) -> list[NotCompared]:
        """What could not be compared, though the baseline has it or the candidate failed."""
        return [cell for cell in self.not_compared if not cell.new]

    def passed(self, *, strict: bool = False, allow_changes: bool = False) -> bool:
        """Whether the candidate passes.

        If `strict`, an undecided score fails too. With `allow_changes`, cells of the baseline that
        could not be compared do not fail, unless they failed in the candidate.
        """
        stopped = self.of("worse") or (strict and self.of("undecided"))
        lost = [one for one in self.lost if one.failed or not allow_changes]
        return not stopped and not lost


def gate(
    baseline: Sequence[Path],
    candidate: Sequence[Path],
    *,
    metric: str | None = None,
    tolerance: float = 0.01,
    slower_by: float = SLOWER,
) -> GateResult:
    """Compares all cells of a candidate, and the stages before them, with those of a baseline.

    A score is *worse* or *better* if its difference is significant at 5 % after Holm's adjustment
    and larger than the tolerance; *same* if its 95 % interval lies within the tolerance, or it is
    significant but within it; else *undecided*. A cell whose training draws from a single seed is
    undecided too, because the variation between seeds is unknown. Scores that are equal, speaker by
    speaker and seed by seed, are no tests.

    Args:
        baseline: folders of the reference records.
        candidate: folders of the new records.
        metric: the only score to compare, as `Response.metric`, at the largest label budget; if
            left out, UAR, the area, every score of the measurements, the mean R² of the probes, the
            UAR of their classes, and the quality of weak labels and transcripts.
        tolerance: largest negligible difference, as a share (0.01 is one point).
        slower_by: ratio of times above which a stage is called slower.

    Raises:
        SettingsError: unknown metric.
        DataError: a folder has no records or a damaged one, or the two share no cell.
    """
    if metric is not None:
        Response(metric)
    readings = [read_records(places, outlines=True) for places in (baseline, candidate)]
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
    pairs = [(group, new[cell]) for cell, group in old.items() if cell in new]
    found = GateResult(metric, tolerance, ignored=ignored, titles=cell_titles({**old, **new}))
    found.changes = group_changes(pairs)
    found.warnings = _slower(pairs, slower_by)
    tests = [] if metric else list(_of_stages(pairs, found))
    tests += _of_cells(pairs, metric, found)
    found.add_failed(readings[1].failed)
    for cell in old.keys() - new.keys():
        found.not_compared.append(NotCompared(cell, "missing in the candidate"))
    for cell in new.keys() - old.keys():
        found.not_compared.append(NotCompared(cell, "only in the candidate", new=True))
    found.not_compared.sort(key=lambda cell: (cell.new, cell.cell))
    found.compared = compared(tests, tolerance)
    return found


def _of_cells(pairs: Pairs, metric: str | None, found: GateResult) -> Iterator[ScoreTest]:
    for pair in pairs:
        first, cell = Response(metric or "uar"), pair[0].cell
        old, new = map(_whole, pair)
        why = _hindrance(old, new, first)
        if why is not None:
            found.not_compared.append(NotCompared(cell, why))
            continue
        for response in [first] if metric else _responses(old):
            why = None if metric else response.unmeasured(old, new)
            if why is not None:
                found.not_compared.append(NotCompared(cell, f"{response.title}: {why}"))
            else:
                contrast = difference(response.side(new), response.side(old))
                yield ScoreTest.of((cell, response.metric), contrast)


def _whole(group: Group) -> Group:
    """Returns a cell with its scores: `gate` keeps none, as those of all cells take gigabytes."""
    members = {seed: (path, load_record(path)) for seed, (path, _) in group.members.items()}
    return Group(group.cell, members)


def _responses(group: Group) -> Iterator[Response]:
    """Yields every score that a cell of the baseline has."""
    yield Response("uar")
    if sum(budget.fraction is not None for budget in group.evaluation.budgets) > 1:
        yield Response("area")
    probes: list[ProbeResult] = vars(group.first.datasets[group.cell.target])["probes"]
    classes = {
        (IDENTITY if probe.held_out == "sentences" else CLASSES) + target.target
        for probe in probes
        for target in probe.classes
    }
    for response in map(Response, (*MEASURED, R2, *sorted(classes))):
        if response.lacking(group) is None:
            yield response


def _of_stages(pairs: Pairs, found: GateResult) -> Iterator[ScoreTest]:
    for stage in stage_pairs(pairs):
        if stage.old is None:
            if stage.new is not None and stage.measured:
                found.ignored.append(
                    f"{stage.cell}: no quality of {stage.what} beside the baseline's records. Make "
                    "the baseline again to compare it."
                )
        elif stage.why is not None:
            found.not_compared.append(NotCompared(stage.cell, f"{stage.what}: {stage.why}"))
        else:
            for name, contrast in stage.contrasts().items():
                yield ScoreTest.of((stage.cell, name), contrast)


def _slower(pairs: Pairs, ratio: float) -> list[str]:
    hosts = {tuple(sorted(group.first.host.items())) for pair in pairs for group in pair}
    before, after = (group_seconds(pair[side] for pair in pairs) for side in (0, 1))
    return slower(before, after, ratio, " on another kind of machine" if len(hosts) > 1 else "")


def _hindrance(old: Group, new: Group, response: Response) -> str | None:
    schemas = {_written_schema(group) for group in (old, new)}
    if len(schemas) > 1:
        return f"another schema: versions {' and '.join(map(str, sorted(schemas)))}"
    hashes = {group.first.taxonomy_hash for group in (old, new)}
    if len(hashes) > 1:
        return f"another taxonomy: the content of {old.first.taxonomy} has changed"
    return response.unlike(old, new)


def _written_schema(group: Group) -> int:
    """The version in the file; loading upgrades every record to the current one."""
    path, _ = next(iter(group.members.values()))
    return int(read_content(path)["schema_version"])


def _named(groups: dict[CellId, Group]) -> str:
    names = [f"'{cell}' of {cell.experiment}" for cell in list(groups)[:3]]
    return ", ".join(names) + (" …" if len(groups) > 3 else "")

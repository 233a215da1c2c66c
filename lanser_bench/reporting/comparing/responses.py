"""Scores of cells as sums over speakers: of classes, of a measurement, or R² of a probe."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from ...errors import DataError, SettingsError, did_you_mean
from ...evaluation.contrast import Side
from ...evaluation.results import Metric
from ...evaluation.statistics import Statistic, combine
from ...measurements.base import WHOLE
from ...measurements.metrics import CLASSES, IDENTITY, MEASURED, R2, Measured, check_metric
from ...numbers import decimal, detectable_text, percent
from ...records.attachments import read_attached
from ...records.record import Attached
from ...records.score_sums import SpeakerScore, speaker_scores
from ..groups import Group, checked_metric, place_statistics, unlike


@dataclass(frozen=True)
class Response:
    """A score of cells."""

    metric: str = "uar"
    """``uar``, ``wa``, ``macro_f1``, ``area``; the name of a measurement's score; ``r2`` is the
    mean R² over all probe targets, and ``r2:NAME`` that of one; ``uar:NAME`` and ``identity:NAME``
    are the UAR of a probe target of classes."""
    budget: str | None = None
    """Label budget; the largest, or that of the measurement, if left out."""
    scale: str = "speaker"
    """Scale of R²: ``speaker`` or ``raw``."""

    def __post_init__(self) -> None:
        """Refuses an unknown score."""
        if self.scale not in ("speaker", "raw"):
            raise SettingsError(f"Unknown scale '{self.scale}'. Choose speaker or raw.")
        check_metric(self.metric)

    @property
    def probed(self) -> bool:
        """Whether it is a probe's R²."""
        return self.metric.partition(":")[0] == R2

    @property
    def classes(self) -> bool:
        """Whether it is the UAR of a probe target of classes."""
        return self.metric.startswith((CLASSES, IDENTITY))

    @property
    def measured(self) -> Measured | None:
        """The measurement and the column that declare it; None for other scores."""
        return MEASURED.get(self.metric)

    @property
    def points(self) -> bool:
        """Whether tables show it in points of percent."""
        return self.measured.column.points if self.measured else not self.probed

    @property
    def lower_is_better(self) -> bool:
        """Whether a decrease is an improvement."""
        leak = self.metric.startswith(IDENTITY)
        return leak or (self.measured is not None and self.measured.column.lower_is_better)

    @property
    def title(self) -> str:
        """Its name in tables."""
        if self.probed:
            target = self.metric.partition(":")[2]
            return f"R² of {target or 'all probe targets'} ({self.scale})"
        if self.classes:
            return f"UAR of {self.metric.partition(':')[2]} (probe)"
        name = self.measured.column.head if self.measured else self.metric.replace("_", "-")
        return name + (f" at {self.budget}" if self.budget else "")

    def text(self, metric: Metric | None, *, sign: bool = False) -> str:
        """Returns a score or a difference as tables show it."""
        if self.points:
            return percent(metric, sign=sign)
        return decimal(metric, digits=3 if sign else 2, sign=sign)

    def size_text(self, size: float | None) -> str:
        """Returns a detectable difference as tables show it."""
        return detectable_text(size, points=self.points)

    def lacking(self, group: Group) -> str | None:
        """Returns what a cell lacks for it; None if nothing."""
        if self.measured or self.classes:
            try:
                found = self._measured(group) if self.measured else self._of_classes(group)
            except DataError as error:
                return str(error)
            return None if all(found) else f"no sums of {self.title} beside the record"
        if self.probed:
            kept = all(record.probe_sums is not None for _, record in group.members.values())
            return group.probe_fault if kept else "no probe sums beside the record"
        return group.fault if group.has_predictions else "no predictions beside the record"

    def hindrance(self, a: Group, b: Group) -> str | None:
        """Returns why two cells cannot be paired by speaker; None if they can.

        A damaged file affects only its own pairs.
        """
        faults = [group.fault for group in (a, b) if group.has_predictions and group.fault]
        return faults[0] if faults else self.unlike(a, b)

    def unlike(self, a: Group, b: Group) -> str | None:
        """Returns the same; damaged predictions are a `DataError`."""
        return unlike(a, b) or self.unmeasured(a, b)

    def unmeasured(self, a: Group, b: Group) -> str | None:
        """Returns why a measurement's score cannot be paired in cells that are alike."""
        why = None
        if self.measured or self.probed or self.classes:
            why = self.lacking(a) or self.lacking(b)
        if why is None and self.classes:
            shapes = {s.sums.shape for group in (a, b) for s in self._of_classes(group) if s}
            why = "other speakers or classes were probed" if len(shapes) > 1 else None
        if why is None and self.measured:
            cells = [cell for group in (a, b) for cell in self._measured(group)]
            alike = {
                tuple((b, tuple(s.speakers), s.statistic.sums.shape[1]) for b, s in cell.items())
                for cell in cells
            }
            why = "other speakers or labels were measured" if len(alike) > 1 else None
        return why

    def side(self, group: Group) -> Side:
        """Returns a cell's score per training seed.

        Raises:
            DataError: the files beside its records are damaged, or have no such budget or target.
        """
        if self.measured:
            found = [self._at_budget(group, scores) for scores in self._measured(group)]
        elif self.probed:
            found = [self._r2(group, seed) for seed in group.members]
        elif self.classes:
            found = [score for score in self._of_classes(group) if score]
        else:
            return group.side(checked_metric(self.metric), self.budget)
        return Side(found, drawn=group.drawn)

    def _measured(self, group: Group) -> list[dict[str, SpeakerScore]]:
        """Returns budget → score for each training seed; empty where it was not measured."""
        target = group.cell.target
        return [
            _scores(path, record.score_sums, target, self.metric)
            for path, record in group.members.values()
        ]

    def _at_budget(self, group: Group, scores: dict[str, SpeakerScore]) -> Statistic:
        budget = self.budget or WHOLE
        if budget not in scores:
            known = ", ".join(name for name in scores if name != WHOLE) or "none"
            raise DataError(
                f"{group.cell}: {self.title} was not measured. Its label budgets are: {known}."
            )
        return scores[budget].statistic

    def _of_classes(self, group: Group) -> list[Statistic | None]:
        """Returns a probe's UAR for each training seed, on the wanted scale if it has it."""
        name, target = self.metric.partition(":")[2], group.cell.target
        found: list[Statistic | None] = []
        for path, record in group.members.values():
            every = place_statistics(path, record.probe_hits, target)
            scales = {scale: s for (_, one, scale), s in every.items() if one == name}
            found.append(scales.get(self.scale, next(iter(scales.values()), None)))
        return found

    def _r2(self, group: Group, seed: int | None) -> Statistic:
        path, record = group.members[seed]
        every = place_statistics(path, record.probe_sums, group.cell.target)
        wanted = self.metric.partition(":")[2]
        names = {name for _, name, scale in every if scale == self.scale}
        if not names or (wanted and wanted not in names):
            raise DataError(
                f"{path} has no probe target '{wanted}' on the scale '{self.scale}'."
                f"{did_you_mean(wanted, names)}"
            )
        kept = [
            s
            for (_, name, scale), s in sorted(every.items())
            if scale == self.scale and wanted in ("", name)
        ]
        return combine(kept, [1 / len(kept)] * len(kept)) if len(kept) > 1 else kept[0]


@lru_cache(maxsize=2048)
def _scores(
    path: Path, attached: Attached | None, target: int, metric: str
) -> dict[str, SpeakerScore]:
    if attached is None:
        return {}
    return speaker_scores(read_attached(path, attached), target, MEASURED[metric].column)

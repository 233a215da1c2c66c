"""Scores of cells as sums over speakers: a classification score, or R² of a probe."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import DataError, SettingsError, did_you_mean
from ...evaluation.contrast import Side
from ...evaluation.statistics import Statistic, combine
from ...records.attachments import probe_statistics, read_attached
from ..groups import Group, checked_metric

R2 = "r2"


@dataclass(frozen=True)
class Response:
    """A score of cells."""

    metric: str = "uar"
    """``uar``, ``wa``, ``macro_f1``, ``area``; ``r2`` is the mean R² over all probe targets, and
    ``r2:NAME`` that of one."""
    budget: str | None = None
    """Label budget of a classification score; the largest if left out."""
    scale: str = "speaker"
    """Scale of R²: ``speaker`` or ``raw``."""

    def __post_init__(self) -> None:
        """Refuses an unknown score."""
        if self.scale not in ("speaker", "raw"):
            raise SettingsError(f"Unknown scale '{self.scale}'. Choose speaker or raw.")
        if not self.probed:
            checked_metric(self.metric)

    @property
    def probed(self) -> bool:
        """Whether it is a probe's R²."""
        return self.metric.partition(":")[0] == R2

    @property
    def title(self) -> str:
        """Its name in tables."""
        if not self.probed:
            return self.metric.replace("_", "-") + (f" at {self.budget}" if self.budget else "")
        target = self.metric.partition(":")[2]
        return f"R² of {target or 'all probe targets'} ({self.scale})"

    def lacking(self, group: Group) -> str | None:
        """Returns what a cell lacks for it; None if nothing."""
        if self.probed:
            kept = all(record.probe_sums is not None for _, record in group.members.values())
            return group.probe_fault if kept else "no probe sums beside it"
        return group.fault if group.has_predictions else "no predictions beside it"

    def side(self, group: Group) -> Side:
        """Returns a cell's score per training seed.

        Raises:
            DataError: the files beside its records are damaged, or have no such budget or target.
        """
        if not self.probed:
            return group.side(checked_metric(self.metric), self.budget)
        found = [self._r2(group, seed) for seed in group.members]
        return Side(found, drawn=group.drawn)

    def _r2(self, group: Group, seed: int | None) -> Statistic:
        path, record = group.members[seed]
        assert record.probe_sums is not None
        table = read_attached(path, record.probe_sums)
        every = probe_statistics(table, group.cell.target)
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

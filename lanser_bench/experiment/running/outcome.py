"""Outcome of a run, and of a dry run."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..._face import Tabled
from ..planning.plan import Node, Plan
from .scheduler import Failure
from .timings import Estimate


@dataclass(repr=False)
class RunOutcome(Tabled):
    """Outcome of a run."""

    plan: Plan
    run_id: str
    log: Path
    """The run's event log."""
    records: list[Path] = field(default_factory=list)
    """Record of every finished cell."""
    written: list[Path] = field(default_factory=list)
    """Records that this run wrote; the others existed before."""
    failures: list[Failure] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)
    """Keys of the stages that ran."""
    notes: list[str] = field(default_factory=list)
    views: dict[str, str] = field(default_factory=dict)
    """Tracker that received cells → command that shows or uploads them."""

    @property
    def ok(self) -> bool:
        """True if no cell failed."""
        return not self.failures

    def __repr__(self) -> str:
        """One line, and one for each failure, for a notebook."""
        head = (
            f"<RunOutcome of '{self.plan.experiment.name}': {len(self.records)} cells done, "
            f"{len(self.failures)} failed, {len(self.executed)} stages run>"
        )
        return "\n".join([head, *map(repr, self.failures)])


@dataclass(frozen=True, repr=False)
class DryRun(Tabled):
    """Stages that a run would execute."""

    plan: Plan
    to_run: dict[str, Node]
    reasons: dict[str, str]
    """Key of each stage to run → why."""
    estimate: Estimate = field(default_factory=Estimate)
    """Estimated time, from equal stages of earlier runs."""

    def __repr__(self) -> str:
        """One line for a notebook."""
        total, to_run = len(self.plan.nodes), len(self.to_run)
        name = self.plan.experiment.name
        return f"<DryRun of '{name}': {to_run} stages to run, {total - to_run} to reuse>"

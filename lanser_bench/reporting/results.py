"""What a run leaves for people: tables, finding, pictures and report."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from .._face import Tabled
from ..experiment.running.outcome import RunOutcome
from ..records.reading import load_records
from .comparing.declared import declared_lines, declared_sheet
from .leaderboard.boards import Board
from .leaderboard.table import sheets
from .report.data import Records
from .tables.sheet import Sheet


@dataclass(frozen=True, repr=False)
class Results(Tabled):
    """A run with its tables and files."""

    outcome: RunOutcome
    boards: list[Board] = field(default_factory=list)
    """The leaderboard, a table per labelled set."""
    sheets: list[Sheet] = field(default_factory=list)
    """The leaderboard and the comparisons that the experiment declared, as shown."""
    findings: list[str] = field(default_factory=list)
    pictures: list[Path] = field(default_factory=list)
    report: Path | None = None
    """The HTML page; None if the run has no record."""

    @property
    def ok(self) -> bool:
        """True if no cell failed."""
        return self.outcome.ok

    def __repr__(self) -> str:
        """The outcome, the findings and the report's path."""
        findings = [f"Finding: {finding}." for finding in self.findings]
        report = [f"Report: {self.report}"] if self.report else []
        return "\n".join([repr(self.outcome), *findings, *report])

    def _repr_html_(self) -> str:
        lines = [*repr(self).splitlines(), *(f"Note: {note}" for note in self.outcome.notes)]
        return "".join(f"<p>{escape(line)}</p>" for line in lines) + super()._repr_html_()


def write_results(outcome: RunOutcome) -> Results:
    """Writes the pictures and the report of a run beside its records, if these are new."""
    files = list(dict.fromkeys(outcome.records))
    if not files:
        return Results(outcome)
    from .report.pictures import save_curves
    from .report.report import findings, write_report

    experiment = outcome.plan.experiment
    records = Records(load_records(files))
    shown = list(sheets(records.boards))
    if experiment.comparisons and (lines := declared_lines(records.selection)):
        shown.append(declared_sheet(lines))
    folder = experiment.paths.results / experiment.name
    page = folder / "report.html"
    # Drawing loads matplotlib: a run that changed nothing leaves pictures and report as they are.
    if outcome.written or not page.exists():
        save_curves(records.boards, folder)
        write_report(files, page, store=experiment.paths.store)
    pictures = sorted(folder.glob("*.png"))
    return Results(outcome, records.boards, shown, findings(records), pictures, page)

"""Shows a run: progress bars on a terminal, single lines elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ..experiment.planning.plan import Cell, Node, Plan
from ..experiment.running.scheduler import Failure, Listener
from ..kinds.executor import StageReport


class RateColumn(ProgressColumn):
    """Units per second."""

    def render(self, task: Task) -> Text:
        """Returns the rate, once it is known."""
        unit = task.fields.get("unit", "")
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {unit}/s" if speed else "", style="progress.data.speed")


class Display(Listener):
    """A listener that prints to stderr; use it as a context."""

    def __init__(self) -> None:
        """Chooses bars or lines by whether stderr is a terminal."""
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.store: Path | None = None
        self._waited: dict[str, str] = {}
        self._total = self._done = 0
        self._bars: Progress | None = None
        self._tasks: dict[str, Any] = {}
        self._reading: Any = None
        if self.console.is_terminal:
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                MofNCompleteColumn(),
                RateColumn(),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=self.console,
                transient=True,
            )

    def __enter__(self) -> Display:
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def reading(self, done: int, total: int, unit: str) -> None:
        """Progress of reading recordings for the first time, while the plan is made."""
        if self._bars is None:
            return
        if self._reading is None:
            self._reading = self._bars.add_task("checking recordings", total=total, unit=unit)
        self._bars.update(self._reading, completed=done, total=total)

    def planned(self, plan: Plan, to_run: Mapping[str, Node]) -> None:
        """Says how much there is to do."""
        if self._bars is not None and self._reading is not None:
            self._bars.remove_task(self._reading)
        self._total = len(to_run)
        self.store = plan.experiment.paths.store
        cells = f"{len(plan.cells)} cells, " if plan.cells else ""
        self._line(
            f"{plan.experiment.name}: {cells}{len(plan.nodes)} distinct stages, {len(to_run)} to "
            "run"
        )

    def expected(self, sentence: str) -> None:
        """Says how long it will take."""
        self._line(sentence)

    def stage_started(self, node: Node) -> None:
        """Adds a bar, or prints a line."""
        if self._bars is None:
            self._line(f"  start {node.stage}: {node.title}")
            return
        self._tasks[node.key] = self._bars.add_task(
            escape(f"{node.stage}: {node.title}"), total=None, unit=""
        )

    def stage_ended(self, node: Node, report: StageReport) -> None:
        """Prints one line with time and counts."""
        self._done += 1
        self._drop(node)
        counts = ", ".join(
            f"{value} {name.replace('_', ' ')}"
            for name, value in report.counts.items()
            if isinstance(value, int) and value
        )
        seconds = "made by another run" if report.reused else f"{report.seconds:.1f} s"
        place = f"[{self._done}/{self._total}]"
        more = f" ({counts})" if counts else ""
        self._line(f"  {place} {node.stage}: {node.title}: {seconds}{more}")

    def stage_retried(self, node: Node, error: BaseException, attempt: int) -> None:
        """Says that a stage is tried again, and why."""
        self._drop(node)
        what = str(error) or type(error).__name__
        self._line(f"! {node.stage}: {node.title}: try {attempt} failed, again: {what}", "yellow")

    def stage_failed(self, node: Node, error: BaseException) -> None:
        """Drops the bar; `cell_failed` says what happened."""
        self._drop(node)

    def cell_failed(self, failure: Failure) -> None:
        """Shows the failure at once."""
        self._line(f"✗ {failure.cell.name} failed in {failure.stage}: {failure.sentence}", "red")
        shown = ", ".join(f"{name}: {value}" for name, value in failure.settings.items())
        if shown:
            self._line(f"  settings: {shown}", "red")

    def cell_done(self, cell: Cell, path: str | None) -> None:
        """Prints the cell, unless its record was there before."""
        if path is not None:
            self._line(f"✓ {cell.name} → {path}", "green")

    def tick(self, running: Mapping[str, Node]) -> None:
        """Reads what the stages in work have reported."""
        for key, node in running.items() if self.store is not None else ():
            assert self.store is not None
            try:
                path = self.store / "progress" / f"{key}.json"
                now = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            task = self._tasks.get(key)
            if "waits_for" in now:
                self._waits(node, now["waits_for"])
            elif self._bars is not None and task is not None:
                self._bars.update(task, completed=now["done"], total=now["total"], unit=now["unit"])

    def _waits(self, node: Node, owner: str) -> None:
        """Says once that another run has a stage in work."""
        if self._waited.get(node.key) != owner:
            self._waited[node.key] = owner
            self._line(f"  {node.stage}: {node.title}: waits for {owner}, which has it in work")

    def note(self, sentence: str) -> None:
        """Prints a warning."""
        self._line(f"! {sentence}", "yellow")

    def _drop(self, node: Node) -> None:
        task = self._tasks.pop(node.key, None)
        if self._bars is not None and task is not None:
            self._bars.remove_task(task)

    def _line(self, text: str, style: str | None = None) -> None:
        console = self._bars.console if self._bars is not None else self.console
        console.print(Text(text, style=style or ""))

"""Shows a run: progress bars on a terminal, single lines elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import typer
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
from ._interrupt import stoppable


class RateColumn(ProgressColumn):
    """Units per second."""

    def render(self, task: Task) -> Text:
        """Returns the rate; empty until it is known."""
        unit = task.fields.get("unit", "")
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {unit}/s" if speed else "", style="progress.data.speed")


class Display(Listener):
    """A listener that prints to stderr; use it as a context."""

    def __init__(self) -> None:
        """Shows bars if stderr is a terminal, else lines."""
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
        """Shows the progress of reading recordings for the first time."""
        if self._bars is None:
            return
        if self._reading is None:
            self._reading = self._bars.add_task("checking recordings", total=total, unit=unit)
        self._bars.update(self._reading, completed=done, total=total)

    def planned(self, plan: Plan, to_run: Mapping[str, Node]) -> None:
        """Prints how many stages will run."""
        if self._bars is not None and self._reading is not None:
            self._bars.remove_task(self._reading)
        self._total = len(to_run)
        self.store = plan.experiment.paths.store
        cells = f"{len(plan.cells)} cells, " if plan.cells else ""
        stages = f"{len(plan.nodes)} distinct stages, {len(to_run)} to run"
        self._line(f"{plan.experiment.name}: {cells}{stages}")

    def expected(self, sentence: str) -> None:
        """Prints the expected duration."""
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
        """Prints that a stage is tried again, and why."""
        self._drop(node)
        reason = str(error) or type(error).__name__
        line = f"! {node.stage}: {node.title}: attempt {attempt} failed, trying again: {reason}"
        self._line(line, "yellow")

    def stage_failed(self, node: Node, error: BaseException) -> None:
        """Removes the bar; `cell_failed` prints the error."""
        self._drop(node)

    def cell_failed(self, failure: Failure) -> None:
        """Prints the failure immediately."""
        self._line(f"✗ {failure.cell.name} failed in {failure.stage}: {failure.sentence}", "red")
        shown = ", ".join(f"{name}: {value}" for name, value in failure.settings.items())
        if shown:
            self._line(f"  settings: {shown}", "red")

    def cell_done(self, cell: Cell, path: str | None) -> None:
        """Prints the cell if its record is new."""
        if path is not None:
            self._line(f"✓ {cell.name} → {path}", "green")

    def tick(self, running: Mapping[str, Node]) -> None:
        """Reads the progress files of running stages."""
        if self.store is None:
            return
        for key, node in running.items():
            path = self.store / "progress" / f"{key}.json"
            try:
                now = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            task = self._tasks.get(key)
            if "waits_for" in now:
                self._waits(node, now["waits_for"])
            elif self._bars is not None and task is not None:
                self._bars.update(task, completed=now["done"], total=now["total"], unit=now["unit"])

    def _waits(self, node: Node, owner: str) -> None:
        """Prints once that another run is computing a stage."""
        if self._waited.get(node.key) != owner:
            self._waited[node.key] = owner
            self._line(f"  {node.stage}: {node.title}: waits for {owner}, which is computing it")

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


@contextmanager
def displayed_run() -> Iterator[Display]:
    """Shows a run; Ctrl-C prints how to continue it and exits with 130."""
    with Display() as display, stoppable():
        try:
            yield display
        except KeyboardInterrupt:
            display.note("Stopped. Finished stages are kept; run the same command to continue.")
            raise typer.Exit(130) from None

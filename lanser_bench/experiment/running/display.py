"""Shows a run: progress bars on a terminal and in a notebook, single lines elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from ...console import Console
from ...kinds.executor import StageReport
from ..planning.plan import Cell, Node, Plan
from .scheduler import Failure, Listener
from .timings import Estimate, duration

READING, ALL = "reading", "all"
"""Names of the bars of recordings that are read and of all stages; the others are named by keys."""
SURE = 0.05
"""Share of the expected work after which the time left follows from the time so far."""


class RateColumn(ProgressColumn):
    """Units per second."""

    def render(self, task: Task) -> Text:
        """Returns the rate; empty until it is known."""
        unit = task.fields.get("unit", "")
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f} {unit}/s" if speed else "", style="progress.data.speed")


class LeftColumn(TimeRemainingColumn):
    """Time left: of a bar that gives it itself, or from the bar's rate."""

    def render(self, task: Task) -> Text:
        """Returns the time left."""
        left = task.fields.get("left")
        return super().render(task) if left is None else Text(left, style="progress.remaining")


class Display(Listener):
    """A listener that prints to stderr; use it as a context."""

    def __init__(self) -> None:
        """Shows bars if stderr is a terminal or a notebook, else lines."""
        self.console = Console(stderr=True, highlight=False, soft_wrap=True)
        self.store: Path | None = None
        self._waited: dict[str, str] = {}
        self._total = self._done = 0
        self._began = time.monotonic()
        self._wall_s = 0.0
        self._work: dict[str, float] = {}
        self._worked = 0.0
        self._refused: dict[str, str] = {}
        self._tasks: dict[str, TaskID] = {}
        self._bars = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            RateColumn(),
            TimeElapsedColumn(),
            LeftColumn(),
            console=self.console,
            transient=True,
            disable=not (self.console.is_terminal or _has_widgets(self.console)),
        )

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *error: object) -> None:
        self._bars.stop()

    def reading(self, done: int, total: int, unit: str) -> None:
        """Shows the progress of reading recordings for the first time."""
        if READING not in self._tasks:
            self._add(READING, "checking recordings", unit=unit)
        self._bars.update(self._tasks[READING], completed=done, total=total)
        if done >= total:
            self._drop(READING)

    def planned(self, plan: Plan, to_run: Mapping[str, Node]) -> None:
        """Prints how many stages will run."""
        self._drop(READING)
        self._total = len(to_run)
        self.store = plan.experiment.paths.store
        cells = f"{len(plan.cells)} cells, " if plan.cells else ""
        stages = f"{len(plan.nodes)} distinct stages, {len(to_run)} to run"
        self._line(f"{plan.experiment.name}: {cells}{stages}")
        self._work = dict.fromkeys(to_run, 1.0)

    def expected(self, estimate: Estimate) -> None:
        """Prints the expected duration, and adds a bar for all stages."""
        if estimate.sentence:
            self._line(estimate.sentence)
        self._began, self._wall_s = time.monotonic(), estimate.wall_s
        # Stages without a timing count like the average of the others.
        mean = estimate.seconds / estimate.known if estimate.seconds else 1.0
        self._work = {key: estimate.each.get(key, mean) for key in self._work}
        if self._total > 1:
            self._add(ALL, "all stages", total=self._total, unit="", left="")

    def stage_started(self, node: Node) -> None:
        """Adds a bar, or prints a line."""
        name = f"{node.stage}: {node.title}"
        self._add(node.key, escape(name), total=None, unit="")
        if self._bars.disable:
            self._line(f"  start {name}")

    def workers_changed(self, node: Node, workers: int, report: StageReport | None = None) -> None:
        """Shows how many workers a stage has, unless it has just ended."""
        if node.key in self._tasks:
            name = f"{node.stage}: {node.title}" + (f" ({workers} workers)" if workers > 1 else "")
            self._bars.update(self._tasks[node.key], description=escape(name))

    def stage_ended(self, node: Node, report: StageReport) -> None:
        """Prints one line with time and counts."""
        self._done += 1
        self._end(node)
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
        self._drop(node.key)
        reason = str(error) or type(error).__name__
        line = f"! {node.stage}: {node.title}: attempt {attempt} failed, trying again: {reason}"
        self._line(line, "yellow")

    def stage_failed(self, node: Node, error: BaseException) -> None:
        """Removes the bar; `cell_failed` prints the error."""
        self._end(node)

    def _end(self, node: Node) -> None:
        self._drop(node.key)
        self._worked += self._work.get(node.key, 0.0)
        if ALL in self._tasks:
            self._bars.update(self._tasks[ALL], completed=self._done)

    def cell_failed(self, failure: Failure) -> None:
        """Prints the failure immediately; one with the same cause in a line without it."""
        begin = f"✗ {failure.cell.name} failed in {failure.stage}"
        first = self._refused.setdefault(failure.sentence, failure.cell.name)
        if first != failure.cell.name:
            self._line(f"{begin}, like {first}", "red")
            return
        self._line(f"{begin}: {failure.sentence}", "red")
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
        worked = self._worked
        for key, node in running.items():
            path = self.store / "progress" / f"{key}.json"
            try:
                now = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if "waits_for" in now:
                self._waits(node, now["waits_for"])
            elif key in self._tasks:
                worked += self._work.get(key, 0.0) * now["done"] / max(now["total"], 1)
                now = {"completed": now["done"], "total": now["total"], "unit": now["unit"]}
                self._bars.update(self._tasks[key], **now)
        if ALL in self._tasks:
            self._bars.update(self._tasks[ALL], left=self._left(worked))

    def _left(self, worked: float) -> str:
        """Returns the time left of the run, from its pace so far or from earlier runs."""
        share = worked / max(sum(self._work.values()), 1e-9)
        spent = time.monotonic() - self._began
        left = spent * (1 - share) / share if share > SURE else self._wall_s - spent
        return f"{duration(left)} left" if left > 0 else ""

    def _waits(self, node: Node, owner: str) -> None:
        """Prints once that another run is computing a stage."""
        if self._waited.get(node.key) != owner:
            self._waited[node.key] = owner
            self._line(f"  {node.stage}: {node.title}: waits for {owner}, which is computing it")

    def note(self, sentence: str) -> None:
        """Prints a warning."""
        self._line(f"! {sentence}", "yellow")

    def _add(self, key: str, name: str, **fields: Any) -> None:
        """Adds a bar. Without bars the terminal is free for those of downloads."""
        self._tasks[key] = self._bars.add_task(name, **fields)
        self._bars.start()

    def _drop(self, key: str) -> None:
        if key in self._tasks:
            self._bars.remove_task(self._tasks.pop(key))
            if not self._tasks:
                self._bars.stop()

    def _line(self, text: str, style: str = "") -> None:
        self.console.print(Text(text, style=style))


def _has_widgets(console: Console) -> bool:
    """Whether the console is a notebook that can redraw bars."""
    return console.is_jupyter and find_spec("ipywidgets") is not None

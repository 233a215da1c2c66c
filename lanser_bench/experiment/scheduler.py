"""Runs the stages of a plan as soon as what they need is there."""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass

from ..errors import LanserError, PluginError
from ..kinds.executor import Executor, StageReport
from ..store import Store
from .plan import Cell, Node, Plan

TICK_S = 0.2
"""How often listeners may look at progress while nothing ends, in seconds."""


@dataclass(frozen=True)
class Failure:
    """A cell that could not be finished."""

    cell: Cell
    stage: str
    """The stage that failed, with what it worked on."""
    key: str
    sentence: str
    traceback: str
    """Empty for an error the user can mend; a plugin's author wants to see where it failed."""


class Listener:
    """Hears what happens in a run and says nothing. Others may show it, never change it."""

    def planned(self, plan: Plan, to_run: Mapping[str, Node]) -> None:
        """The plan is made; `to_run` are the stages that are not in the store."""

    def stage_started(self, node: Node) -> None:
        """A stage was handed to the executor."""

    def stage_ended(self, node: Node, report: StageReport) -> None:
        """A stage is finished."""

    def stage_failed(self, node: Node, error: BaseException) -> None:
        """A stage has failed."""

    def cell_failed(self, failure: Failure) -> None:
        """A cell cannot be finished; the others go on."""

    def cell_done(self, cell: Cell, path: str | None) -> None:
        """All results of a cell are there; `path` is that of a record written just now."""

    def tick(self, running: Mapping[str, Node]) -> None:
        """Time has passed; `running` are the stages in work."""

    def note(self, sentence: str) -> None:
        """Something worth a line, such as a tracker that does not answer."""


class Scheduler:
    """Keeps the executor busy within its threads, parents before children."""

    def __init__(
        self,
        plan: Plan,
        to_run: Mapping[str, Node],
        executor: Executor,  # type: ignore[type-arg]
        store: Store,
        listener: Listener,
        *,
        fail_fast: bool = False,
    ) -> None:
        """Prepares the graph; `run` does the work."""
        self._plan, self._executor, self._store = plan, executor, store
        self._listener, self._fail_fast = listener, fail_fast
        self._waits = {k: {p for p in n.parents if p in to_run} for k, n in to_run.items()}
        self._children: dict[str, list[str]] = defaultdict(list)
        for key, parents in self._waits.items():
            for parent in parents:
                self._children[parent].append(key)
        self._nodes = dict(to_run)
        self._ready = [key for key, parents in self._waits.items() if not parents]
        self._running: dict[Future[StageReport], Node] = {}
        self._missing = {
            id(cell): {key for key in cell.leaves if key in to_run} for cell in plan.cells
        }
        self._failed_cells: set[int] = set()
        self._lost: set[str] = set()

    def run(self) -> None:
        """Runs everything that can be run.

        The listener hears of each end at once. Returns when all is done, failed or lost with what
        failed; with `fail_fast` as soon as one stage has failed.
        """
        for cell in self._plan.cells:
            if not self._missing[id(cell)]:
                self._listener.cell_done(cell, None)
        while self._ready or self._running:
            self._submit()
            done, _ = wait(self._running, timeout=TICK_S, return_when=FIRST_COMPLETED)
            self._listener.tick({node.key: node for node in self._running.values()})
            for future in done:
                self._end(future)
            if self._fail_fast and self._lost:
                return

    def _submit(self) -> None:
        total = self._executor.threads
        free = total - sum(min(node.threads, total) for node in self._running.values())
        for key in list(self._ready):
            node = self._nodes[key]
            if min(node.threads, total) > free:
                continue
            self._ready.remove(key)
            free -= min(node.threads, total)
            self._listener.stage_started(node)
            call = node.call(self._store, self._plan.plugin_dirs)
            self._running[self._executor.submit(call)] = node

    def _end(self, future: Future[StageReport]) -> None:
        node = self._running.pop(future)
        error = future.exception()
        if error is not None:
            self._fail(node, error)
            return
        self._listener.stage_ended(node, future.result())
        for child in self._children[node.key]:
            self._waits[child].discard(node.key)
            if not self._waits[child] and child not in self._lost:
                self._ready.append(child)
        for cell in self._plan.users.get(node.key, ()):
            missing = self._missing[id(cell)]
            if node.key in missing:
                missing.discard(node.key)
                if not missing:
                    self._listener.cell_done(cell, None)

    def _fail(self, node: Node, error: BaseException) -> None:
        self._listener.stage_failed(node, error)
        todo = [node.key]
        while todo:
            key = todo.pop()
            if key not in self._lost:
                self._lost.add(key)
                todo.extend(self._children[key])
        for cell in self._plan.cells:
            if id(cell) not in self._failed_cells and self._missing[id(cell)] & self._lost:
                self._failed_cells.add(id(cell))
                self._listener.cell_failed(failure(cell, node, error))


def failure(cell: Cell, node: Node, error: BaseException) -> Failure:
    """Describes why a cell failed: a sentence, and a traceback for a fault of a program."""
    said = isinstance(error, LanserError)
    sentence = str(error) if said else f"{type(error).__name__}: {error}"
    mendable = said and not isinstance(error, PluginError)
    trace = "" if mendable else "".join(traceback.format_exception(error))
    return Failure(cell, f"{node.stage} ({node.title})", node.key, sentence, trace)

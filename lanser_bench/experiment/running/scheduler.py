"""Runs the stages of a plan as soon as their parents are finished."""

from __future__ import annotations

import heapq
import traceback
from collections import Counter, defaultdict
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...errors import LanserError, PluginError, StoreError, WorkerError
from ...kinds.executor import Executor, StageCall, StageReport
from ...stages.base import TICKET
from ...stages.time_limit import explained, hang_files
from ...store import LostError, Store
from ..planning.plan import Cell, Node, Plan
from .helpers import Helpers
from .resources import Need, capacity, need_of
from .timings import Estimate

TICK_S = 0.2
"""How often listeners may show progress while no stage ends, in seconds."""
MAX_REPAIRS = 3
"""How often one stage may find damaged input before it fails."""


@dataclass(frozen=True, repr=False)
class Failure:
    """A cell that could not be finished."""

    cell: Cell
    stage: str
    """The stage that failed, with its title."""
    key: str
    sentence: str
    traceback: str
    """Empty for an error that users can fix; authors of plugins need it."""
    attempts: int = 1
    """Number of tries of the stage."""
    settings: dict[str, str] = field(default_factory=dict)
    """The cell's place in the grid and the plugins of the stage that failed, with their options."""

    def __repr__(self) -> str:
        """One line for a notebook, without the settings of the cell."""
        return f"<Failure: {self.cell.name}: {self.stage}: {self.sentence}>"


class Listener:
    """Receives the events of a run and ignores them; subclasses may show them."""

    def reading(self, done: int, total: int, unit: str) -> None:
        """Recordings are being read for the first time, before the plan is made."""

    def planned(self, plan: Plan, to_run: Mapping[str, Node]) -> None:
        """The plan is ready; `to_run` are the stages that are not in the store."""

    def expected(self, estimate: Estimate) -> None:
        """Estimated time of the run and of its stages."""

    def stage_started(self, node: Node) -> None:
        """A stage was handed to the executor."""

    def stage_ended(self, node: Node, report: StageReport) -> None:
        """A stage is finished."""

    def workers_changed(self, node: Node, workers: int, report: StageReport | None = None) -> None:
        """A running stage has `workers` now; `report` is that of one that has left."""

    def stage_retried(self, node: Node, error: BaseException, attempt: int) -> None:
        """A stage has failed for the `attempt`-th time and will be tried again."""

    def stage_failed(self, node: Node, error: BaseException) -> None:
        """A stage has failed."""

    def cell_failed(self, failure: Failure) -> None:
        """A cell cannot be finished; the others continue."""

    def cell_done(self, cell: Cell, path: str | None) -> None:
        """A cell has all its results; `path` is its record if it was written now."""

    def tick(self, running: Mapping[str, Node]) -> None:
        """Time has passed; `running` are the stages that run now."""

    def note(self, sentence: str) -> None:
        """A warning, such as a tracker that does not answer."""


class Scheduler:
    """Keeps the executor busy within its threads, GPU slots and memory, parents before children."""

    def __init__(
        self,
        plan: Plan,
        to_run: Mapping[str, Node],
        executor: Executor[Any],
        store: Store,
        listener: Listener,
        *,
        needs: Mapping[str, Need] | None = None,
        fail_fast: bool = False,
        max_retries: int = 0,
    ) -> None:
        """Prepares the graph of stages.

        Args:
            plan: the cells and their stages.
            to_run: the stages that are not in the store.
            executor: runs stages.
            store: has their artifacts.
            listener: receives events.
            needs: key → resources of a stage; by default its threads.
            fail_fast: stop at the first stage that fails.
            max_retries: how often a failed stage is tried again if the failure may be temporary.
        """
        self._plan, self._executor, self._store = plan, executor, store
        self._listener, self._fail_fast, self._max_retries = listener, fail_fast, max_retries
        self._needs = {key: need_of(node) for key, node in to_run.items()} | dict(needs or {})
        self._waits = {k: {p for p in n.parents if p in to_run} for k, n in to_run.items()}
        self._children: dict[str, list[str]] = defaultdict(list)
        for key, parents in self._waits.items():
            for parent in parents:
                self._children[parent].append(key)
        self._nodes = dict(to_run)
        self._place = {key: place for place, key in enumerate(to_run)}
        # By need: stages that do not fit are skipped at once, however many are waiting.
        self._ready: dict[Need, list[tuple[int, str]]] = defaultdict(list)
        for key, parents in self._waits.items():
            if not parents:
                self._wait_for_room(key)
        self._running: dict[Future[StageReport], Node] = {}
        self._helpers = Helpers(store, self._join)
        self._missing = {
            id(cell): {key for key in cell.leaves if key in to_run} for cell in plan.cells
        }
        self._attempts: Counter[str] = Counter()
        self._repairs: Counter[str] = Counter()
        self._finished: list[Cell] = []
        self._failed_cells: set[int] = set()
        self._lost: set[str] = set()

    def run(self) -> None:
        """Runs all stages; returns when each has finished, failed or lost a failed parent.

        With `fail_fast` it returns as soon as one stage has failed.
        """
        try:
            self._run()
        finally:
            self._helpers.dismiss()

    @property
    def is_idle(self) -> bool:
        """Whether no call runs any more. After the last stage a helper may still wait to start."""
        return not self._running and not self._helpers.calls

    def _run(self) -> None:
        for cell in self._plan.cells:
            if not self._missing[id(cell)]:
                self._listener.cell_done(cell, None)
        while any(self._ready.values()) or self._running:
            self._submit()
            calls = [*self._running, *self._helpers.calls]
            done, _ = wait(calls, timeout=TICK_S, return_when=FIRST_COMPLETED)
            self._listener.tick({node.key: node for node in self._running.values()})
            for future in done:
                if future in self._running:
                    self._end(future)
                else:
                    self._leave(future)
            if self._fail_fast and self._lost:
                self._tell_finished()
                return
            # Workers first: writing the records of finished cells takes time.
            self._submit()
            self._tell_finished()

    def _wait_for_room(self, key: str) -> None:
        heapq.heappush(self._ready[self._needs[key]], (self._place[key], key))

    def _submit(self) -> None:
        """Starts waiting stages in the plan's order as long as they fit beside the running ones."""
        free = total = capacity(self._executor)
        for node in self._running.values():
            free -= self._needs[node.key].within(total)
        alone = free
        for helper in self._helpers.calls.values():
            free -= helper.need
        while (need := self._fitting(total, free)) is not None:
            _, key = heapq.heappop(self._ready[need])
            self._start(self._nodes[key], need)
            free -= need.within(total)
            alone -= need.within(total)
        if (need := self._fitting(total, alone)) is not None:
            self._helpers.recall(need.within(total), free)
            return
        running = sorted(self._running.values(), key=lambda node: self._place[node.key])
        nodes = ((node, self._needs[node.key].within(total)) for node in running)
        for node in self._helpers.fill(nodes, free):
            self._listener.workers_changed(node, self._helpers.workers(node.key))

    def _fitting(self, total: Need, free: Need) -> Need | None:
        """Returns the need of the first waiting stage that fits."""
        fitting = [n for n, heap in self._ready.items() if heap and n.within(total).fits(free)]
        return min(fitting, key=lambda need: self._ready[need][0], default=None)

    def _start(self, node: Node, need: Need) -> None:
        self._listener.stage_started(node)
        self._attempts[node.key] += 1
        self._helpers.opened(node.key)
        for path in hang_files(self._store, node.key) if self._attempts[node.key] == 1 else ():
            path.unlink()  # of an earlier run
        self._running[self._executor.submit(self._call(node, need))] = node

    def _join(self, node: Node, ticket: Path) -> Future[StageReport]:
        call = self._call(node, self._needs[node.key])
        return self._executor.submit(replace(call, inputs={**call.inputs, TICKET: str(ticket)}))

    def _call(self, node: Node, need: Need) -> StageCall:
        call = node.call(self._store, self._plan.plugin_dirs)
        limit = self._plan.experiment.stage_timeout_s
        call = replace(call, threads=need.threads, gpus=need.gpus, memory_gib=need.memory_gib)
        return replace(call, timeout_s=limit)

    def _leave(self, future: Future[StageReport]) -> None:
        node, error = self._helpers.end(future), future.exception()
        if error is not None:
            name = f"{node.stage}: {node.title}"
            self._listener.note(f"{name}: the others continue without a worker: {error}")
        report = None if error else future.result()
        self._listener.workers_changed(node, self._helpers.workers(node.key), report)

    def _end(self, future: Future[StageReport]) -> None:
        node = self._running.pop(future)
        error = explained(future.exception(), self._store, node.key)
        if isinstance(error, LostError) and self._repair(node, error):
            return
        if error is not None:
            attempt = self._attempts[node.key]
            lost_one = isinstance(error, WorkerError) and self._helpers.started[node.key]
            retries = max(self._max_retries, MAX_REPAIRS if lost_one else 0)
            if may_pass(error) and attempt <= retries:
                self._listener.stage_retried(node, error, attempt)
                self._wait_for_room(node.key)
            else:
                self._fail(node, error)
            return
        self._listener.stage_ended(node, future.result())
        for child in self._children[node.key]:
            waited = node.key in self._waits[child]
            self._waits[child].discard(node.key)
            if waited and not self._waits[child] and child not in self._lost:
                self._wait_for_room(child)
        for cell in self._plan.users.get(node.key, ()):
            missing = self._missing[id(cell)]
            if node.key in missing:
                missing.discard(node.key)
                if not missing:
                    self._finished.append(cell)

    def _tell_finished(self) -> None:
        while self._finished:
            self._listener.cell_done(self._finished.pop(0), None)

    def _repair(self, node: Node, error: LostError) -> bool:
        """Schedules damaged input again, and after it the stage that reads it.

        Returns:
            False after too many tries.
        """
        again = self._plan.missing_below(node.key, self._store)
        self._repairs[node.key] += 1
        if self._repairs[node.key] > MAX_REPAIRS:
            return False
        self._listener.note(f"{node.stage}: {node.title}: {error}")
        for key, missing in {**again, node.key: node}.items():
            known = key in self._nodes and key != node.key
            if known and (self._waits[key] or key in self._running_keys or self._is_ready(key)):
                continue  # another stage has already reported it
            self._nodes[key] = missing
            self._needs.setdefault(key, need_of(missing))
            self._place.setdefault(key, len(self._place))
            self._waits[key] = {parent for parent in missing.parents if parent in again}
            for parent in self._waits[key]:
                self._children[parent].append(key)
            if not self._waits[key]:
                self._wait_for_room(key)
        return True

    @property
    def _running_keys(self) -> set[str]:
        return {node.key for node in self._running.values()}

    def _is_ready(self, key: str) -> bool:
        return any(key == other for heap in self._ready.values() for _, other in heap)

    def _fail(self, node: Node, error: BaseException) -> None:
        self._listener.stage_failed(node, error)
        self._helpers.dismiss(node.key)
        todo, lost = [node.key], []
        while todo:
            key = todo.pop()
            if key not in self._lost:
                self._lost.add(key)
                lost.append(key)
                todo.extend(self._children[key])
        hit = {id(cell): cell for key in lost for cell in self._plan.users.get(key, ())}
        for name, cell in hit.items():
            if name not in self._failed_cells and self._missing[name] & self._lost:
                self._failed_cells.add(name)
                described = failure(cell, node, error)
                self._listener.cell_failed(replace(described, attempts=self._attempts[node.key]))


def may_pass(error: BaseException) -> bool:
    """Whether the same stage may succeed if it is tried again.

    A dead worker, a full disk, a server that does not answer or a bug of a plugin may be temporary;
    wrong settings and data are not.
    """
    return isinstance(error, WorkerError | StoreError) or not isinstance(error, LanserError)


def failure(cell: Cell, node: Node, error: BaseException) -> Failure:
    """Describes why a cell failed: a sentence, and a traceback unless users can fix the error."""
    expected = isinstance(error, LanserError)
    # A stage notes the line of the plugin that raised; see `stages.base`.
    place = "".join(f" {note}" for note in getattr(error, "__notes__", ()))
    sentence = str(error) if expected else f"{type(error).__name__}: {error}{place}"
    users = expected and not isinstance(error, PluginError)
    trace = "" if users else "".join(traceback.format_exception(error))
    title = f"{node.stage} ({node.title})"
    return Failure(cell, title, node.key, sentence, trace, settings=settings_of(cell, node))


def settings_of(cell: Cell, node: Node) -> dict[str, str]:
    """Returns the axes of a cell, and the plugins of its failed stage with all their options."""
    shown = {axis: str(value) for axis, value in cell.axes.items()}
    for role, plugin in node.spec.plugins.items():
        options = ", ".join(f"{name}={value}" for name, value in plugin.options.items())
        shown[role] = f"{plugin.name}({options})" if options else plugin.name
    return shown

"""An executor in virtual time: calls take the seconds that their shards are given.

Only the work is simulated. The scheduler, its helpers and the files by which a stage describes its
shards are those of a run.
"""

from __future__ import annotations

import heapq
import json
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from lanser_bench import Executor, PluginOptions, StageCall, StageReport
from lanser_bench.experiment import Listener
from lanser_bench.experiment.planning.plan import Node
from lanser_bench.stages.base import TICKET, shards_file
from lanser_bench.store import Store


@dataclass
class Work:
    """What a stage takes: seconds of each shard, and of what only its first worker does."""

    shards: Sequence[float]
    before_s: float = 0.0
    after_s: float = 0.0
    load_s: float = 0.0
    """Each worker loads a model before its first shard."""


@dataclass
class _Stage:
    todo: deque[float]
    own: list[float] = field(default_factory=list)
    open: int = 0
    leader: Any = None


class VirtualExecutor(Executor[PluginOptions]):
    """Runs calls in virtual time; `step` proceeds to the next moment at which something ends."""

    version = "1"

    def __init__(self, threads: int, works: Mapping[str, Work], store: Store, start_s: float = 0.0):
        """`works` are those of keys; a call takes `start_s` to start."""
        super().__init__(PluginOptions())
        self._threads, self._works, self._store, self._start_s = threads, works, store, start_s
        self.now = self.useful_s = 0.0
        self.log: list[tuple[float, str, str]] = []
        """Virtual time, what happened, key."""
        self._events: list[tuple[float, int, Any]] = []
        self._ids = count()
        self._stages: dict[str, _Stage] = {}

    @property
    def threads(self) -> int:
        """Workers, if each call takes one thread."""
        return self._threads

    def submit(self, call: StageCall) -> Future[StageReport]:
        """Starts a call."""
        future: Future[StageReport] = Future()
        ticket = call.inputs.get(TICKET)
        work = self._works[call.key]
        self.log.append((self.now, "join" if ticket else "start", call.key))
        if ticket is None:
            self._stages[call.key] = _Stage(deque(work.shards))
            self._later(self._start_s + work.before_s, self._next, call, future, None, work.load_s)
        else:
            self._later(self._start_s, self._next, call, future, Path(ticket), work.load_s)
        return future

    def step(self) -> None:
        """Proceeds to the next event."""
        if self._events:
            self.now, _, (do, arguments) = heapq.heappop(self._events)
            do(*arguments)

    def _later(self, seconds: float, do: Any, *arguments: Any) -> None:
        heapq.heappush(self._events, (self.now + seconds, next(self._ids), (do, arguments)))

    def _next(
        self, call: StageCall, future: Future[StageReport], ticket: Path | None, load_s: float = 0.0
    ) -> None:
        """A worker takes its next shard, or ends."""
        stage = self._stages[call.key]
        if stage.todo and (ticket is None or ticket.exists()):
            seconds = stage.todo.popleft()
            stage.open += 1
            if ticket is None:
                self._describe(call.key, stage)
            self._later(load_s + seconds, self._computed, call, future, ticket, load_s, seconds)
        elif ticket is not None:
            self._end(call, future, "leave")
        else:
            stage.leader = future
            self._describe(call.key, stage)
            self._merge(call, stage)

    def _computed(
        self,
        call: StageCall,
        future: Future[StageReport],
        ticket: Path | None,
        load_s: float,
        seconds: float,
    ) -> None:
        stage = self._stages[call.key]
        self.useful_s += seconds
        stage.open -= 1
        if ticket is None:
            stage.own.append(load_s + seconds)
        self._next(call, future, ticket)
        self._merge(call, stage)

    def _merge(self, call: StageCall, stage: _Stage) -> None:
        """The first worker merges as soon as all shards are there."""
        if stage.leader is not None and not stage.open and not stage.todo:
            future, stage.leader = stage.leader, None
            work = self._works[call.key]
            self.useful_s += work.before_s + work.after_s
            self._later(work.after_s, self._end, call, future, "end")

    def _end(self, call: StageCall, future: Future[StageReport], what: str) -> None:
        self.log.append((self.now, what, call.key))
        future.set_result(StageReport(call.key, 0.0, counts={"shards": 0}))

    def _describe(self, key: str, stage: _Stage) -> None:
        own = stage.own
        mean = sum(own[1:]) / (len(own) - 1) if len(own) > 1 else None
        state = {"left": len(stage.todo), "first_s": own[0] if own else None, "mean_s": mean}
        path = shards_file(self._store, key)
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(state))


class Steps(Listener):
    """Lets virtual time pass whenever the scheduler waits."""

    def __init__(self, executor: VirtualExecutor) -> None:
        """Keeps the executor."""
        self.executor = executor

    def tick(self, running: Mapping[str, Node]) -> None:
        """One event."""
        self.executor.step()

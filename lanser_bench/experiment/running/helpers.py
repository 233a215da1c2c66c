"""Puts idle workers on the shards of map stages that already run.

A helper is a call that joins a stage (see `stages.maps.teamwork`). It gets only what no waiting
stage can use, and returns it after its current shard as soon as one can.
"""

from __future__ import annotations

import json
import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple

from ...kinds.executor import StageReport
from ...stages.base import shards_file
from ...store import Store
from ...store.lease import holder, is_dead
from ..planning.plan import Node
from .resources import Need

START_S = 3.0
"""Seconds until a new worker computes, without loading a model."""
MAX_LOST = 3
"""How many helpers of one stage may fail before it gets no more."""


class _Helper(NamedTuple):
    node: Node
    need: Need
    ticket: Path


class Helpers:
    """The helpers of a run."""

    def __init__(self, store: Store, submit: Callable[[Node, Path], Future[StageReport]]) -> None:
        """Starts without helpers; `submit` starts one with its ticket."""
        self._store, self._submit = store, submit
        self.calls: dict[Future[StageReport], _Helper] = {}
        self.started = Counter[str]()
        """Key of a stage → how many helpers it has had."""
        self._lost = Counter[str]()
        self._began: dict[str, float] = {}
        """Key of a stage → when its first shard was seen, on the monotonic clock."""
        self._closed: set[str] = set()

    def opened(self, key: str) -> None:
        """A stage starts: what a dead process has left of it is void."""
        held = holder(self._store.root / "locks", key)
        if held is None or is_dead(held.owner):  # else another run computes it, and can be joined
            shards_file(self._store, key).unlink(missing_ok=True)
        self._closed.discard(key)
        self._began.pop(key, None)

    def workers(self, key: str) -> int:
        """Returns how many workers a running stage has."""
        return 1 + sum(helper.node.key == key for helper in self.calls.values())

    def fill(self, nodes: Iterable[tuple[Node, Need]], free: Need) -> Iterable[Node]:
        """Starts helpers of running stages as far as they fit; yields the stage of each."""
        for node, need in nodes:
            while need.fits(free) and self._is_worth(node.key):
                ticket = shards_file(self._store, node.key).with_suffix(f".{secrets.token_hex(4)}")
                ticket.touch()
                self.calls[self._submit(node, ticket)] = _Helper(node, need, ticket)
                self.started[node.key] += 1
                free -= need
                yield node

    def recall(self, need: Need, free: Need) -> None:
        """Asks as many helpers to leave as a waiting stage needs; first those asked before."""
        for helper in sorted(self.calls.values(), key=lambda own: own.ticket.exists()):
            if need.fits(free):
                return
            helper.ticket.unlink(missing_ok=True)
            free += helper.need

    def dismiss(self, key: str | None = None) -> None:
        """Asks the helpers of a stage to leave, or all."""
        for helper in self.calls.values():
            if key in (None, helper.node.key):
                helper.ticket.unlink(missing_ok=True)

    def end(self, future: Future[StageReport]) -> Node:
        """Forgets a call that has ended; returns its stage."""
        node, _, ticket = self.calls.pop(future)
        if future.exception() is not None:
            self._lost[node.key] += 1
        elif ticket.exists():
            self._closed.add(node.key)  # no free shard is left
        ticket.unlink(missing_ok=True)
        return node

    def _is_worth(self, key: str) -> bool:
        if key in self._closed or self._lost[key] >= MAX_LOST:
            return False
        try:
            state = json.loads(shards_file(self._store, key).read_text())
        except (OSError, ValueError):
            return False
        if state["first_s"] is None:  # it takes at least as long as until now
            now = time.monotonic()
            state["first_s"] = now - self._began.setdefault(key, now)
        return is_worth(state, self.workers(key))


def is_worth(state: dict[str, Any], workers: int) -> bool:
    """Whether one more worker shortens a stage: the rest takes over twice as long as its start.

    The first shard of a stage includes the loading of its model. While it is the only one, nobody
    knows how long the others take, and the start counts as four of it.
    """
    first, mean = state["first_s"], state["mean_s"]
    if state["left"] < workers:
        return False
    start = START_S + (4 * first if mean is None else max(0.0, first - mean))
    return bool(state["left"] * (mean or first) / workers > 2 * start)

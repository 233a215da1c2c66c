"""Executors: run stage calls somewhere. Scheduling stays in the harness."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .base import OptionsT, Plugin


@dataclass(frozen=True, slots=True)
class StageCall(ABC):
    """One stage to run, as plain data for any process on any machine."""

    stage: str
    key: str
    spec: dict[str, Any]
    """The key's own content (`lanser_bench.store.Spec` as JSON values)."""
    store: Path
    layers: tuple[Path, ...] = ()
    """Read-only stores for artifacts that `store` does not have."""
    threads: int = 1
    gpus: int = 0
    memory_gib: float = 0.0
    """Main memory that it needs, in GiB."""
    timeout_s: float | None = None
    """Longest time it may compute, in seconds; then its process ends."""
    plugin_dirs: tuple[Path, ...] = ()
    inputs: dict[str, Any] = field(default_factory=dict)
    """Inputs that the key omits on purpose, such as the path of a dataset."""

    @abstractmethod
    def run(self) -> StageReport:
        """Runs the stage in this process. An executor calls it in the process of its choice.

        Raises:
            LanserError: a fault in the user's input; any other exception is a bug.
        """


@dataclass(frozen=True, slots=True)
class StageReport:
    """The outcome of a stage call."""

    key: str
    seconds: float
    reused: bool = False
    """True if another process had finished the same key first."""
    counts: dict[str, Any] = field(default_factory=dict)


class Executor(Plugin[OptionsT]):
    """Runs stage calls; its options set how many at a time and where."""

    @property
    @abstractmethod
    def threads(self) -> int:
        """CPU threads available; the scheduler keeps the sum over running calls within it."""

    @property
    def gpus(self) -> int:
        """GPU slots; a call has access to as many GPUs as it asks for, and to no others."""
        return 0

    @property
    def total_gib(self) -> float:
        """Main memory for all running calls, in GiB; infinite if it is not limited."""
        return math.inf

    @abstractmethod
    def submit(self, call: StageCall) -> Future[StageReport]:
        """Starts ``call.run()`` somewhere and returns at once.

        The future carries the stage's own exception, or a `WorkerError` if the worker died. The
        call is plain data and may be sent to another process or machine.
        """

    def close(self, *, cancel: bool = False) -> None:
        """Waits for running calls, or stops them if `cancel`, and frees the workers."""

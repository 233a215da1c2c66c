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
    """One stage to run, as plain data that any process on any machine can carry out."""

    stage: str
    key: str
    spec: dict[str, Any]
    """The key's own content (`lanser_bench.store.Spec` as JSON values)."""
    store: Path
    layers: tuple[Path, ...] = ()
    """Stores that are read where `store` has no artifact, and never written."""
    threads: int = 1
    gpus: int = 0
    memory_gib: float = 0.0
    """Main memory that it needs."""
    plugin_dirs: tuple[Path, ...] = ()
    inputs: dict[str, Any] = field(default_factory=dict)
    """What the stage needs and the key leaves out on purpose, such as the path of a dataset."""

    @abstractmethod
    def run(self) -> StageReport:
        """Carries the stage out in this process; what an executor calls wherever it wants it done.

        Raises:
            LanserError: what the stage found wrong; any other exception is a fault of the program.
        """


@dataclass(frozen=True, slots=True)
class StageReport:
    """What became of a stage call."""

    key: str
    seconds: float
    reused: bool = False
    """True if another process had finished the same key first."""
    counts: dict[str, Any] = field(default_factory=dict)


class Executor(Plugin[OptionsT]):
    """Runs stage calls; the options say how many at a time and where."""

    @property
    @abstractmethod
    def threads(self) -> int:
        """CPU threads that may be busy at once; the scheduler keeps the sum of calls below it."""

    @property
    def gpus(self) -> int:
        """GPU slots; a call that asks for one sees that GPU and no other."""
        return 0

    @property
    def total_gib(self) -> float:
        """Main memory that calls may fill together, in GiB; infinite if nobody counts it."""
        return math.inf

    @abstractmethod
    def submit(self, call: StageCall) -> Future[StageReport]:
        """Starts ``call.run()`` somewhere and returns at once.

        The future carries the stage's own exception; where a worker died, a `WorkerError` that
        says so. The call is plain data and may be sent to another process or machine.
        """

    def close(self, *, cancel: bool = False) -> None:
        """Waits for running calls, or stops them if `cancel`, and frees the workers."""

"""Runs stages on this machine, in worker processes that exist as long as the run."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from multiprocessing.connection import Connection

from pydantic import Field

from lanser_bench import (
    Executor,
    LanserError,
    PluginOptions,
    StageCall,
    StageReport,
    StoreError,
    WorkerError,
    keep_freed_memory,
)

from ._machine import available_gib, gpu_names
from ._worker import CancelledCallError, carry_out, log_folder


class LocalOptions(PluginOptions):
    """Options of `local`: how much of this machine a run may use."""

    threads: int = Field(default_factory=lambda: os.cpu_count() or 1, ge=1)
    """CPU threads that all stages may use together; by default all."""
    workers: int | None = Field(default=None, ge=1)
    """Most worker processes; by default one per thread. Each loads its own libraries."""
    memory_gib: float | None = Field(default=None, gt=0)
    """Main memory that all stages may use together; by default the memory available at start."""
    gpus: int | None = Field(default=None, ge=0)
    """GPU slots, each with one worker; by default one per GPU of this machine."""
    inline: bool = False
    """Run every stage in the calling process, one after another: slower, but easy to debug."""


class Local(Executor[LocalOptions]):
    """Spawned worker processes, each with its own pool.

    If a worker dies, only its own call is lost. Workers are spawned, not forked, because forking a
    process whose libraries have started threads may deadlock. They end as soon as the driver ends,
    even if it is killed: each waits on a pipe that the kernel then closes.
    """

    Options = LocalOptions
    version = "1"

    def __init__(self, options: LocalOptions) -> None:
        super().__init__(options)
        count = 1 if options.inline else min(options.workers or options.threads, options.threads)
        self._slots = [_Slot() for _ in range(count)]
        present = gpu_names()
        names = present or ["0"]
        wanted = len(present) if options.gpus is None else options.gpus
        # More slots than GPUs share them: for stages that use only a part of one.
        self._gpu_slots = [_Slot(names[slot % len(names)]) for slot in range(wanted)]
        self._joined: dict[str, _Slot] = {}
        self._memory = options.memory_gib or available_gib()

    @property
    def threads(self) -> int:
        """CPU threads that may be used at once; one call at a time if `inline`."""
        return 1 if self.options.inline else self.options.threads

    @property
    def gpus(self) -> int:
        """GPU slots; a worker always keeps its GPU, because CUDA cannot change it."""
        return len(self._gpu_slots)

    @property
    def total_gib(self) -> float:
        """Main memory in GiB."""
        return self._memory

    def submit(self, call: StageCall) -> Future[StageReport]:
        """Starts a call in the least busy worker; among equals in one that has started."""
        if self.options.inline:
            return _run_here(call)
        slots = self._gpu_slots if call.gpus else self._slots
        slots = sorted(slots, key=lambda slot: (slot.pending, slot.pool is None))
        if call.gpus > 1:
            return self._on_several(slots[: call.gpus], call)
        return slots[0].submit(call)

    def _on_several(self, slots: list[_Slot], call: StageCall) -> Future[StageReport]:
        """Starts a call in a worker that sees the GPUs of several slots, which it occupies."""
        gpus = ",".join(sorted(slot.gpu for slot in slots))
        future = self._joined.setdefault(gpus, _Slot(gpus)).submit(call)
        for slot in slots:
            slot.occupy(1)
            future.add_done_callback(partial(slot.occupy, -1))
        return future

    def close(self, *, cancel: bool = False) -> None:
        """Waits for running calls, or stops them if `cancel`, and ends the workers."""
        for slot in (*self._slots, *self._gpu_slots, *self._joined.values()):
            slot.close(cancel=cancel)


def _run_here(call: StageCall) -> Future[StageReport]:
    future: Future[StageReport] = Future()
    try:
        future.set_result(replace(call, timeout_s=None).run())  # it would end this process
    # A plugin may raise anything; the future passes it on, as a worker's would.
    except Exception as error:  # noqa: BLE001
        future.set_exception(error)
    return future


class _Slot:
    """One worker process, started at the first call and again after it died."""

    def __init__(self, gpu: str = "") -> None:
        self.pending = 0
        self.gpu = gpu
        self.pool: ProcessPoolExecutor | None = None
        self._lifeline: Connection | None = None
        self._closing = False
        self._lock = threading.Lock()

    def occupy(self, calls: int, _: object = None) -> None:
        with self._lock:
            self.pending += calls

    def submit(self, call: StageCall) -> Future[StageReport]:
        self.occupy(1)
        outer: Future[StageReport] = Future()
        outer.set_running_or_notify_cancel()
        self._begin(call, outer)
        return outer

    def _begin(self, call: StageCall, outer: Future[StageReport]) -> None:
        pool = self._start()
        try:
            inner = pool.submit(carry_out, call)
        except BrokenProcessPool:
            self._forget(pool)
            pool = self._start()
            inner = pool.submit(carry_out, call)
        inner.add_done_callback(lambda done: self._finish(call, pool, done, outer))

    def _start(self) -> ProcessPoolExecutor:
        if self.pool is None:
            context = get_context("spawn")
            ours, theirs = context.Pipe()
            self._lifeline = ours
            self.pool = ProcessPoolExecutor(
                1, mp_context=context, initializer=_become_worker, initargs=(theirs, self.gpu)
            )
        return self.pool

    def _finish(
        self,
        call: StageCall,
        pool: ProcessPoolExecutor,
        inner: Future[StageReport],
        outer: Future[StageReport],
    ) -> None:
        error = CancelledCallError() if inner.cancelled() else inner.exception()
        if isinstance(error, BrokenProcessPool):
            # Called in the order of the queue: only the first call had begun.
            was_running = self._forget(pool)
            if not was_running and not self._closing:
                self._begin(call, outer)
                return
            error = WorkerError(
                f"The worker process of stage {call.stage} ({call.key[:8]}) died. The usual cause "
                "is lack of memory: lower executor.workers or the stage's batch size. Its log is "
                f"in {log_folder(call)}. Finished stages are kept; run the same command again."
            )
        elif isinstance(error, StoreError) or not isinstance(error, LanserError | None):
            self._forget(pool)  # what failed may have left the process without files or memory
        self.occupy(-1)
        if error is None:
            outer.set_result(inner.result())
        else:
            outer.set_exception(error)

    def _forget(self, pool: ProcessPoolExecutor) -> bool:
        """Drops a pool whose worker is dead; returns whether this is its first report."""
        with self._lock:
            first, self.pool = self.pool is pool, None if self.pool is pool else self.pool
        if first:
            pool.shutdown(wait=False)
        return first

    def close(self, *, cancel: bool) -> None:
        self._closing = cancel
        if cancel and self._lifeline is not None:
            self._lifeline.close()  # the worker sees the end of the pipe and exits at once
        if self.pool is not None:
            self.pool.shutdown(wait=True, cancel_futures=cancel)
            self.pool = None
        if not cancel and self._lifeline is not None:
            self._lifeline.close()


def _become_worker(lifeline: Connection, gpu: str) -> None:
    """Ignores Ctrl-C, which the driver handles, and exits when the driver has ended.

    The kernel then closes the pipe `lifeline`. The worker sees only the GPUs that `gpu` names.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    keep_freed_memory()

    def watch() -> None:
        with suppress(EOFError, OSError):
            lifeline.recv()
        os._exit(1)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()

"""Broken executors."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Event
from typing import Any

from lanser_bench import Executor, PluginOptions, StageCall, StageReport

from . import caught

caught = partial(caught, "executor", patience_s=20.0)
FORM = "results have the declared form"


class Pool(Executor[PluginOptions]):
    """A good executor: two threads of this process."""

    version = "1"
    threads = 2

    def __init__(self, options: PluginOptions) -> None:
        super().__init__(options)
        self.pool = ThreadPoolExecutor(2)

    def submit(self, call: StageCall) -> Future[StageReport]:
        return self.pool.submit(self.run, call)

    def run(self, call: StageCall) -> Any:
        return call.run()

    def close(self, *, cancel: bool = False) -> None:
        self.pool.shutdown(cancel_futures=cancel)


@caught("each call runs once", "'good-0': 2")
class RunsTwice(Pool):
    def run(self, call):
        call.run()
        return call.run()


@caught("each call runs once", "'refuse-0': 2")
class Retries(Pool):
    def run(self, call):
        try:
            return call.run()
        except Exception:
            return call.run()


@caught("errors arrive as they are", "raised DataError has StageReport")
class HidesErrors(Pool):
    def run(self, call):
        try:
            return call.run()
        except Exception:
            return StageReport(call.key, 0.0)


@caught("errors arrive as they are", "has RuntimeError")
class WrapsErrors(Pool):
    def run(self, call):
        try:
            return call.run()
        except Exception as error:
            raise RuntimeError(str(error)) from error


@caught("every call ends", "No result within 0.3 s: good-2", patience_s=0.3)
class LosesACall(Pool):
    def submit(self, call):
        return Future() if call.key == "good-2" else super().submit(call)


@caught("each future has the report of its own call", "The future of good-1 has StageReport")
class Reorders(Pool):
    last: Any = None

    def submit(self, call):
        before, self.last = self.last, super().submit(call)
        return before if call.key == "good-1" else self.last


@caught("each future has the report of its own call", "counts={}")
class DropsCounts(Pool):
    def run(self, call):
        return StageReport(call.run().key, 0.25)


@caught("each future has the report of its own call", "'good-0'")
class ReturnsKeys(Pool):
    def run(self, call):
        return call.run().key


@caught("calls run at the same time", "the second waited for the first", patience_s=0.6)
class OneAtATime(Pool):
    def __init__(self, options):
        super().__init__(options)
        self.pool = ThreadPoolExecutor(1)


@caught("close waits for what was submitted", "close() lost late-")
class DropsAtClose(Pool):
    def close(self, *, cancel=False):
        self.pool.shutdown(wait=True, cancel_futures=True)


@caught("close waits for what was submitted", "close() lost late-")
class LeavesEarly(Pool):
    def close(self, *, cancel=False):
        self.pool.shutdown(wait=False)


@caught("close can cancel", "close(cancel=True) did not return", patience_s=0.6)
class HangsWhenCancelled(Pool):
    def close(self, *, cancel=False):
        if cancel:
            Event().wait(2)
        super().close(cancel=cancel)


@caught("close can cancel", "futures have no end", patience_s=0.6)
class ForgetsTheWaiting(Pool):
    def submit(self, call):
        future: Future[Any] = Future()
        self.pool.submit(self.carry, call, future)
        return future

    def carry(self, call, future):
        try:
            future.set_result(call.run())
        except Exception as error:
            future.set_exception(error)


@caught(FORM, "threads is 0")
class NoThreads(Pool):
    threads = 0


@caught(FORM, "total_gib is 0")
class NoMemory(Pool):
    total_gib = 0


@caught(FORM, "submit() returned StageReport")
class ReturnsReports(Pool):
    def submit(self, call):
        return call.run()

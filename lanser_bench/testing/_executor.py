"""Tests of the contract of an executor, with small calls instead of stages."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, ClassVar

from ..errors import DataError, WorkerError
from ..kinds.executor import StageCall, StageReport
from ._base import PluginSuite

GOOD = tuple(f"good-{number}" for number in range(5))
LATE = ("late-0", "late-1", "late-2")
STEP_S = 0.005


class SmallCall(StageCall):
    """Notes that it runs, then does what its key says: meet, nap, die, refuse, fail or return."""

    def run(self) -> StageReport:
        """Runs in a worker."""
        with (self.store / "ran").open("a") as file:
            file.write(f"{self.key}\n")
        act = self.key.partition("-")[0]
        until = time.monotonic() + float(self.inputs.get("seconds", 0))
        met = 0
        while time.monotonic() < until and met < 2:
            time.sleep(STEP_S)
            met = (self.store / "ran").read_text().count("meet-") if act == "meet" else 0
        if act == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if act == "refuse":
            raise DataError("the call refuses")
        if act == "fault":
            raise ZeroDivisionError("a fault of the call")
        return StageReport(self.key, 0.25, counts={"pid": os.getpid(), "met": met})


@dataclass
class Session:
    """What became of the calls that an executor got."""

    outcomes: dict[str, Any] = field(default_factory=dict)
    """Key → report or exception; None if it had none in time."""
    ran: Counter[str] = field(default_factory=Counter)
    closed: bool = False

    @property
    def elsewhere(self) -> bool:
        """Whether calls ran in other processes."""
        reports = [o for o in self.outcomes.values() if isinstance(o, StageReport)]
        return any(report.counts.get("pid", os.getpid()) != os.getpid() for report in reports)


class ExecutorSuite(PluginSuite):
    """Inherit and write `make`."""

    anchor: ClassVar[str] = "docs/plugins/executor.md#rules"
    patience_s: ClassVar[float] = 120.0
    """Seconds for a call to begin and end, with the start of a worker."""
    shares_process: ClassVar[bool] = False

    def use(self, plugin: Any) -> Session:
        """Gives an executor calls that return, refuse, fail and meet; then closes it."""
        session = Session()
        with TemporaryDirectory(prefix="lanser-executor-") as name:
            folder = Path(name)
            self._give(session, plugin, folder, [*GOOD, "refuse-0", "fault-0"])
            if plugin.threads > 1:
                self._give(session, plugin, folder, ["meet-0", "meet-1"], self.patience_s / 2)
            if session.elsewhere:
                self._give(session, plugin, folder, ["die-0"])
                self._give(session, plugin, folder, ["good-after"])
            late = {key: self._submit(plugin, folder, key, 0.02) for key in LATE}
            session.closed = self._closes(plugin, cancel=False)
            session.outcomes |= {key: _outcome(future, 0) for key, future in late.items()}
            session.ran = Counter((folder / "ran").read_text().split())
        return session

    def _give(
        self, session: Session, plugin: Any, folder: Path, keys: list[str], seconds: float = 0.0
    ) -> None:
        futures = {key: self._submit(plugin, folder, key, seconds) for key in keys}
        for key, future in futures.items():
            session.outcomes[key] = _outcome(future, self.patience_s)

    def _submit(self, plugin: Any, folder: Path, key: str, seconds: float) -> Any:
        call = SmallCall(stage="small", key=key, spec={}, store=folder, inputs={"seconds": seconds})
        future = plugin.submit(call)
        self.require(
            isinstance(future, Future),
            f"submit() returned {type(future).__name__}.",
            "Return a `concurrent.futures.Future` of the call's report.",
        )
        return future

    def _closes(self, plugin: Any, *, cancel: bool) -> bool:
        thread = Thread(target=plugin.close, kwargs={"cancel": cancel}, daemon=True)
        thread.start()
        thread.join(self.patience_s)
        return not thread.is_alive()

    def _session(self) -> Session:
        session: Session = self._first()
        return session

    def test_results_have_the_declared_form(self) -> None:
        """`threads`, `gpus` and `total_gib` say what there is, and `submit` returns a future."""
        threads, gpus, memory = self.plugin.threads, self.plugin.gpus, self.plugin.total_gib
        self.require(
            isinstance(threads, int) and threads > 0 and isinstance(gpus, int) and gpus >= 0,
            f"threads is {threads!r} and gpus is {gpus!r}.",
            "Return whole numbers, threads from 1 and gpus from 0.",
        )
        self.require(memory > 0, f"total_gib is {memory!r}.", "Return GiB, or infinity.")
        self._session()

    def test_every_call_ends(self) -> None:
        """Each future gets a result or an exception."""
        outcomes = self._session().outcomes
        lost = [key for key, got in outcomes.items() if got is None and key not in LATE]
        remedy = "Set a result or an exception on every future, also when a worker ends."
        self.require_none(lost, f"No result within {self.patience_s:g} s", remedy)

    def test_each_future_has_the_report_of_its_own_call(self) -> None:
        """A future carries the report that its own call returned, unchanged."""
        for key in GOOD:
            got = self._session().outcomes[key]
            good = isinstance(got, StageReport) and got.key == key and got.seconds == 0.25
            self.require(
                good and "pid" in got.counts,
                f"The future of {key} has {got!r}.",
                "Set on each future what `call.run()` of its own call returned.",
            )

    def test_errors_arrive_as_they_are(self) -> None:
        """A future carries the exception of its call, of the same class."""
        for key, kind in (("refuse-0", DataError), ("fault-0", ZeroDivisionError)):
            got = self._session().outcomes[key]
            self.require(
                isinstance(got, kind) and "the call" in str(got),
                f"A call that raised {kind.__name__} has {got!r}.",
                "Pass the exception to `future.set_exception` unchanged.",
            )

    def test_each_call_runs_once(self) -> None:
        """An executor runs each call exactly once; the harness decides what to repeat."""
        wrong = {key: self._session().ran[key] for key in self._session().outcomes}
        wrong = {key: n for key, n in wrong.items() if n != 1 and key not in (*LATE, "die-0")}
        self.require(
            not wrong,
            f"Calls ran so often: {wrong}.",
            "Call `call.run()` once per `submit`, and do not retry errors.",
        )

    def test_calls_run_at_the_same_time(self) -> None:
        """With two threads or more, two calls run at the same time."""
        got = [self._session().outcomes.get(key) for key in ("meet-0", "meet-1")]
        alone = any(isinstance(o, StageReport) and o.counts["met"] < 2 for o in got)
        self.require(
            not alone,
            f"threads is {self.plugin.threads}, but of two calls the second waited for the first.",
            "Return from `submit` at once, and use as many workers as `threads` says.",
        )

    def test_a_dead_worker_is_a_worker_error(self) -> None:
        """The death of a worker is a `WorkerError` of its own call; later calls run."""
        if self._session().elsewhere:
            dead, after = (self._session().outcomes[key] for key in ("die-0", "good-after"))
            self.require(
                isinstance(dead, WorkerError) and isinstance(after, StageReport),
                f"A killed call has {dead!r}, the next one {after!r}.",
                "Set `WorkerError` on the call of the dead worker, and start another worker.",
            )

    def test_close_waits_for_what_was_submitted(self) -> None:
        """`close` returns after all calls have ended, with their results."""
        lost = [k for k in LATE if not isinstance(self._session().outcomes[k], StageReport)]
        self.require(
            self._session().closed and not lost,
            f"close() lost {', '.join(lost)}." if lost else "close() did not return.",
            "Wait for running and for waiting calls, then end the workers.",
        )

    def test_close_can_cancel(self) -> None:
        """`close(cancel=True)` stops the workers soon and leaves no future without an end."""
        plugin = self.make()
        nap = 2 * self.patience_s if self._session().elsewhere else 4 * STEP_S
        keys = [f"nap-{number}" for number in range(min(plugin.threads, 3) + 2)]
        with TemporaryDirectory(prefix="lanser-executor-") as name:
            futures = [self._submit(plugin, Path(name), key, nap) for key in keys]
            closed = self._closes(plugin, cancel=True)
            until = time.monotonic() + min(self.patience_s, 5)
            while not all(f.done() for f in futures) and time.monotonic() < until:
                time.sleep(STEP_S)
        pending = sum(not future.done() for future in futures)
        self.require(
            closed and not pending,
            f"{pending} futures have no end." if closed else "close(cancel=True) did not return.",
            "Stop the workers and set an exception on the futures of what they had not finished.",
        )


def _outcome(future: Future[Any], patience_s: float) -> Any:
    """Returns a future's report or exception; None if it has neither in time."""
    try:
        return future.exception(patience_s) or future.result()
    except TimeoutError:
        return None
    except CancelledError:
        return "cancelled"

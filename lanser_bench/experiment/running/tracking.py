"""Feeds trackers from finished records, each in a separate process that never delays the run.

A tracker that fails, hangs or dies is reported once and gets nothing more in this run; the next
run or `lanser-bench track` sends the missing cells. At the end of a run, a tracker that waits for
another machine gets a small share of the run's time, unless it has been waiting for long.
"""

from __future__ import annotations

import json
import os
import queue
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

from ...kinds.tracker import Tracker
from ...plugins.discovery import Registry, registry
from ...records.attachments import attachments_of
from ...records.reading import newest, read_records
from ...store import Store, digest, write_atomic
from ..settings.model import PluginRef
from ..settings.privacy import scrubbed

Report = Callable[[str], None]
CAPACITY = 512
"""Most cells that wait for one tracker; the next run sends the others."""
GRACE_S, GRACE_SHARE = 2.0, 0.02
"""How long a finished run waits for remote trackers: seconds, or share of its time if longer."""
STUCK_S = 10.0
"""A remote tracker that has spent so many seconds on one cell at the end gets no grace."""
START_S = 600.0
"""How long a tracker may take to start; slow imports on a busy machine are no hang."""
NICENESS = 5
"""Trackers yield the processor to the run, but keep a share on a busy machine."""
GRID_TIMES = 10
"""A grid may take as long as so many cells: its report and pictures are computed."""
GRID_GRACE_S = 30.0
"""A remote tracker that has received all cells gets so long for the summary of the grid."""
Job = tuple[str, Path, list[dict[str, Any]]]
"""Name of the cell, its record, the events of its stages; for a grid its folder of records."""


class TrackerFeed:
    """All trackers of a run."""

    def __init__(
        self,
        refs: Sequence[PluginRef],
        plugins: Registry,
        store: Store,
        folder: Path,
        *,
        timeout_s: float,
        report: Report,
        again: bool = False,
    ) -> None:
        """Prepares a lane per tracker; processes start with the first cell.

        Args:
            refs: the trackers.
            plugins: the registry, already loaded.
            store: remembers the cells that each tracker has received.
            folder: the run's folder.
            timeout_s: longest time for one cell, in seconds.
            report: called once with a sentence for a tracker that fails.
            again: also sends cells that a tracker has already received.

        Raises:
            LanserError: an unknown tracker or option.
        """
        self._begin, self._again = time.monotonic(), again
        self._lanes = [
            _Lane(
                ref,
                plugins.create("tracker", ref.name, ref.options),
                plugins.plugin_dirs,
                store,
                folder,
                timeout_s,
                report,
            )
            for ref in refs
        ]

    def wants(self, record_key: str) -> bool:
        """Whether any tracker has not received a cell."""
        return self._again or any(not lane.has(record_key) for lane in self._lanes)

    def send(
        self,
        record_key: str,
        name: str,
        path: Path,
        events: list[dict[str, Any]],
        *,
        wait: bool = False,
    ) -> None:
        """Queues a finished cell for the trackers that have not received it.

        With `wait` it blocks while `CAPACITY` cells are waiting; a run never does.
        """
        for lane in self._lanes:
            if self._again or not lane.has(record_key):
                lane.send(record_key, (name, path, events), wait=wait)

    def send_grid(self, records: Path) -> None:
        """Queues the summary of an experiment, unless a tracker has received it.

        Args:
            records: the experiment's folder of records; their names contain their keys.
        """
        names = sorted(path.name for path in records.glob("*.json"))
        identity = digest(["grid", records.name, names])
        for lane in self._lanes:
            if lane.has_grids and (self._again or not lane.has(identity)):
                lane.send(identity, (records.name, records, []), wait=False)

    def close(self, *, cancel: bool = False, patient: bool = False) -> None:
        """Waits until all cells are sent, within the time-outs, or drops them if `cancel`.

        Remote trackers get `GRACE_S` or `GRACE_SHARE` of the run's time, unless `patient`.
        """
        grace = max(GRACE_S, GRACE_SHARE * (time.monotonic() - self._begin))
        until = time.monotonic() + grace
        for lane in self._lanes:
            lane.end(cancel=cancel, until=until if lane.remote and not patient else None)
        for lane in self._lanes:
            lane.join()

    def undelivered(self) -> int:
        """Number of cells that were queued and not received, over all trackers."""
        return sum(lane.left for lane in self._lanes)

    def views(self) -> dict[str, str]:
        """Returns tracker → command that shows what it received; only of those that did."""
        lanes = [lane for lane in self._lanes if lane.delivered]
        views = {lane.name: lane.tracker.view(lane.folder) for lane in lanes}
        return {name: command for name, command in views.items() if command is not None}


class _Lane:
    def __init__(
        self,
        ref: PluginRef,
        tracker: Tracker[Any],
        plugin_dirs: tuple[Path, ...],
        store: Store,
        folder: Path,
        timeout_s: float,
        report: Report,
    ) -> None:
        self.name, self.tracker, self.remote = ref.name, tracker, tracker.remote
        self.folder, self._timeout_s = folder / "trackers" / ref.name, timeout_s
        self.has_grids = type(tracker).log_grid is not Tracker.log_grid
        self.offered = self.delivered = 0
        self._until: float | None = None
        self._ref, self._plugin_dirs, self._report = ref, plugin_dirs, report
        self._sent = store.root / "tracked" / f"{ref.name}-{digest(ref.model_dump())[:12]}"
        self._queue: queue.Queue[tuple[str, Job]] = queue.Queue(CAPACITY)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._broken = threading.Event()

    @property
    def left(self) -> int:
        return self.offered - self.delivered

    def has(self, record_key: str) -> bool:
        return (self._sent / record_key).is_file()

    def send(self, record_key: str, job: Job, *, wait: bool) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._ref.name, daemon=True)
            self._thread.start()
        self.offered += not _is_grid(job)
        while not self._broken.is_set():
            try:
                self._queue.put((record_key, job), block=wait, timeout=0.1)
            except queue.Full:
                if wait:
                    continue
            return

    def end(self, *, cancel: bool, until: float | None) -> None:
        self._until = until
        if cancel:
            self._broken.set()
        self._over.set()

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while (item := self._next()) is not None:
            record_key, job = item
            problem = self._deliver(job)
            if problem is None:
                write_atomic(self._sent / record_key, job[0] + "\n")
                self.delivered += not _is_grid(job)
            elif not self._broken.is_set():
                self._broken.set()
                self._report(
                    f"Tracker '{self._ref.name}': {problem} Results are safe on disk; the "
                    "next run or `lanser-bench track` will send what is missing."
                )
        self._stop()

    def _next(self) -> tuple[str, Job] | None:
        """Returns the next cell; None if the tracker is broken, or the run is over."""
        while not self._broken.is_set():
            try:
                return self._queue.get(timeout=0.05)
            except queue.Empty:
                if self._over.is_set():
                    return None
        return None

    def _deliver(self, job: Job) -> str | None:
        """Sends a cell; returns the problem, or None."""
        try:
            if self._connection is None:
                self._connection = self._start()
                if (problem := self._answer(START_S)) is not None:
                    return problem
            self._connection.send(job)
            if _is_grid(job):
                return self._answer(GRID_TIMES * self._timeout_s, GRID_GRACE_S)
            return self._answer(self._timeout_s)
        except (EOFError, OSError):
            return f"its process died; see its log in {self.folder}."

    def _answer(self, limit_s: float, grace_s: float = 0.0) -> str | None:
        """Waits for the process, at least `grace_s`; returns the problem, or None."""
        assert self._connection is not None
        begin = time.monotonic()
        while not self._connection.poll(0.1):
            if self._broken.is_set():
                return "stopped."
            now = time.monotonic()
            until = self._until if now - begin > grace_s else None
            if until is not None and (now > until or now - begin > STUCK_S):
                what = f"{self.left} cells have" if self.left else "the grid's summary has"
                return f"the run is over and {what} not arrived yet."
            if now - begin > limit_s:
                return f"no answer within {limit_s:g} s."
        answer: str | None = self._connection.recv()
        return answer

    def _start(self) -> Connection:
        self.folder.mkdir(parents=True, exist_ok=True)
        context = get_context("spawn")
        connection, theirs = context.Pipe()
        self._process = context.Process(
            target=_track,
            args=(theirs, self._ref.name, self._ref.options, self._plugin_dirs, self.folder),
            daemon=True,
        )
        self._process.start()
        theirs.close()
        return connection

    def _stop(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            self._process.join(0 if self._broken.is_set() else 10)
            if self._process.is_alive():
                self._process.kill()
                self._process.join()


def _track(
    connection: Connection,
    name: str,
    options: dict[str, Any],
    plugin_dirs: tuple[Path, ...],
    folder: Path,
) -> None:
    """Runs in the tracker's process until the driver closes the connection or ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.nice(NICENESS)
    threading.Thread(target=_leave_with, args=(os.getppid(),), daemon=True).start()
    with (folder / "output.log").open("ab") as log:
        for stream, descriptor in ((sys.stdout, 1), (sys.stderr, 2)):
            stream.flush()
            os.dup2(log.fileno(), descriptor)
    with suppress(EOFError, OSError):
        try:
            tracker = registry(plugin_dirs).create("tracker", name, options)
            tracker.prepare()
        # The boundary of a third-party tracker, in its own process: the run must not fail.
        except Exception as error:  # noqa: BLE001
            connection.send(f"{type(error).__name__}: {str(error).rstrip('.')}.")
            return
        connection.send(None)
        while True:
            connection.send(_log(tracker, connection.recv(), folder))


def _is_grid(job: Job) -> bool:
    return job[1].is_dir()


def _log(tracker: Tracker[Any], job: Job, folder: Path) -> str | None:
    """Passes a cell or a grid to the tracker; returns what went wrong, or None."""
    _, path, events = job
    try:
        if _is_grid(job):
            tracker.log_grid(_scrubbed_copy(path, folder / "results" / path.name), folder)
        else:
            record = json.loads(path.read_text(encoding="utf-8-sig"))
            tracker.log_cell(scrubbed(record), scrubbed(events), folder)
    except Exception as error:  # noqa: BLE001
        return f"{type(error).__name__}: {str(error).rstrip('.')}."
    return None


def _scrubbed_copy(records: Path, copy: Path) -> Path:
    """Copies the newest records without secrets and paths, and the files beside them."""
    shutil.rmtree(copy, ignore_errors=True)
    copy.mkdir(parents=True)
    for path, record in newest(read_records([records]).records):
        content = scrubbed(record.model_dump(mode="json"))
        text = json.dumps(content, ensure_ascii=False)
        (copy / path.name).write_text(text, encoding="utf-8")
        for beside in attachments_of(record).values():
            with suppress(FileNotFoundError):  # what needs the file says that it is missing
                shutil.copyfile(path.with_name(beside.file), copy / beside.file)
    return copy


def _leave_with(parent: int) -> None:
    """Ends this process if its driver was killed, even if the tracker hangs."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)

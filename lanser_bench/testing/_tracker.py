"""Tests of the contract of a tracker, with two cells of an invented experiment."""

from __future__ import annotations

import gc
import json
import os
import signal
import threading
from collections.abc import Callable
from contextlib import chdir
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar
from unittest.mock import patch

from ..kinds.tracker import Tracker
from ..records.record import ResultRecord
from ._base import PluginSuite
from ._batches import difference

SECRET = "canary-of-the-suite-3f1c"
EVENTS = [
    {"event": "stage", "time": "2026-01-01T00:00:00Z", "stage": "pretrain", "key": "0" * 32},
    {"event": "stage", "time": "2026-01-01T00:01:00Z", "stage": "evaluate", "key": "1" * 32},
]
NEW_EVENT = {"event": "added-later", "time": "2026-01-01T00:02:00Z", "what": None}


def small_record(seed: int, *, control: bool = False) -> dict[str, Any]:
    """Returns the record of a cell with one labelled set and two budgets, as JSON values."""
    value = {"value": 0.5 + 0.01 * seed}
    scores: dict[str, Any] = dict.fromkeys(("uar", "wa", "macro_f1"), value)
    evaluation = {
        "protocol": "speakers",
        "labels": ["joy", "sadness"],
        "n_utterances": 80,
        "n_speakers": 4,
        "n_folds": 2,
        "split_hash": "0" * 16,
        "budgets": [
            scores | {"budget": f"{part:.0%}", "fraction": part, "n_labels": 60 * part, "folds": []}
            for part in (0.1, 1.0)
        ],
        "area": value,
        "area_axis": "log10(fraction of training labels) from 0.1 to 1",
        "majority": scores,
        "confusion": [[30, 10], [10, 30]],
    }
    name = f"encoder=cnn{', control=random_init' * control}"
    record: dict[str, Any] = {
        "experiment": "suite",
        "name": f"{name}, seed={seed}",
        "group": name,
        "key": f"suite-{seed}-{control:d}",
        "axes": {"encoder": "cnn"},
        "encoder": "cnn",
        "role": "main",
        "asr": "reference",
        "labeler": "lexicon",
        "taxonomy": "ekman-6",
        "seed": seed,
        "seeds": {},
        "commit": None,
        "created": EVENTS[0]["time"],
        **{key: {} for key in ("settings", "stages", "plugins", "versions", "host")},
        "datasets": [{"dataset": "toy", "evaluation": evaluation}],
    }
    if control:
        record |= {"role": "control", "control": "random_init"}
        record |= dict.fromkeys(("asr", "labeler", "taxonomy"))
    return ResultRecord.model_validate(record).model_dump(mode="json")


@dataclass
class Session:
    """What a tracker did with its cells."""

    errors: dict[str, str] = field(default_factory=dict)
    """Step → what it raised, or that it did not return."""
    changed: str = ""
    late: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    secret: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    threads: list[str] = field(default_factory=list)
    view: Any = None


class TrackerSuite(PluginSuite):
    """Inherit and write `make`; a tracker that sends to a server needs one for tests."""

    anchor: ClassVar[str] = "docs/plugins/tracker.md#rules"
    shares_process: ClassVar[bool] = False
    patience_s: ClassVar[float] = 120.0
    """Seconds for one cell, as `tracker_timeout_s` of a run."""

    def use(self, plugin: Any) -> Session:
        """Sends cells through two trackers, one after the other, as two runs do."""
        session = Session()
        with (
            TemporaryDirectory(prefix="lanser-tracker-") as name,
            TemporaryDirectory(prefix="lanser-elsewhere-") as elsewhere,
            chdir(elsewhere),
            patch.dict(os.environ, LANSER_SUITE_API_KEY=SECRET),
        ):
            folder = Path(name)
            before = {*threading.enumerate()}
            self._first_run(session, folder)
            if not session.errors:
                self._second_run(session, plugin, folder)
            alive = {t for t in threading.enumerate() if not t.daemon} - before
            session.threads = [thread.name for thread in alive]
            files = _files(folder).items()
            session.secret = [str(p) for p, content in files if SECRET.encode() in content]
            session.outside = sorted(str(p) for p in _files(Path(elsewhere)))
        return session

    def _first_run(self, session: Session, folder: Path) -> None:
        trackers = [self.make()]
        given = small_record(0), deepcopy(EVENTS)
        kept = deepcopy(given)
        self._step(session, "prepare", trackers[0].prepare)
        self._step(session, "cell", lambda: trackers[0].log_cell(*given, folder))
        session.changed = difference(json.dumps(kept), json.dumps(given))
        sent = _files(folder)
        trackers.clear()
        gc.collect()  # closes what the tracker left open
        now = _files(folder).items()
        session.late = sorted(str(path) for path, content in now if sent.get(path) != content)

    def _second_run(self, session: Session, tracker: Any, folder: Path) -> None:
        first = small_record(0)["key"].encode()
        had = [path for path, content in _files(folder).items() if first in content]
        tracker.prepare()
        self._step(session, "next", lambda: tracker.log_cell(small_record(1), EVENTS, folder))
        now = _files(folder)
        session.lost = [str(path) for path in had if first not in now.get(path, b"")]
        self._step(session, "again", lambda: tracker.log_cell(small_record(1), EVENTS, folder))
        control = small_record(2, control=True)
        self._step(session, "control", lambda: tracker.log_cell(control, [], folder))
        events = [*EVENTS, NEW_EVENT]
        self._step(session, "event", lambda: tracker.log_cell(small_record(3), events, folder))
        if type(tracker).log_grid is not Tracker.log_grid:
            results = folder / "results"
            results.mkdir()
            for cell in (small_record(0), small_record(1), control):
                (results / f"{cell['key']}.json").write_text(json.dumps(cell), encoding="utf-8")
            self._step(session, "grid", lambda: tracker.log_grid(results, folder))
        session.view = tracker.view(folder)

    def _step(self, session: Session, step: str, act: Callable[[], object]) -> None:
        """Acts for at most `patience_s`, in the main thread; notes what went wrong."""

        def stop(*_: object) -> None:
            raise _LateError

        main = threading.current_thread() is threading.main_thread()
        before = signal.signal(signal.SIGALRM, stop) if main else None
        try:
            if main:
                signal.setitimer(signal.ITIMER_REAL, self.patience_s)
            act()
        except _LateError:
            session.errors[step] = f"did not return within {self.patience_s:g} s"
        # A tracker may raise anything.
        except Exception as error:  # noqa: BLE001
            session.errors[step] = f"raised {type(error).__name__}: {error}"
        finally:
            if main:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, before)

    def _session(self) -> Session:
        session: Session = self._first()
        return session

    def _no_error(self, what: str, *steps: str) -> None:
        errors = [self._session().errors[step] for step in steps if step in self._session().errors]
        self.require(
            not errors,
            f"{what} {errors[0] if errors else ''}.",
            "The run continues without this tracker; make it accept every record and event, and "
            "give up by itself when a server does not answer.",
        )

    def test_results_have_the_declared_form(self) -> None:
        """A tracker sends a finished cell and returns."""
        self._no_error("log_cell", "prepare", "cell")
        view, remote = self._session().view, self.plugin.remote
        self.require(
            isinstance(view, str | None) and isinstance(remote, bool),
            f"view() gave {view!r} and remote is {remote!r}.",
            "Return a command or None from `view`, and True or False from `remote`.",
        )

    def test_it_keeps_its_input(self) -> None:
        """A tracker does not change the record or the events."""
        self.require(
            not self._session().changed,
            "The record or the events were changed in place.",
            "Work on a copy.",
        )

    def test_a_cell_is_sent_when_log_cell_returns(self) -> None:
        """What `log_cell` writes is complete when it returns, since the process may be killed."""
        remedy = "Flush and close files before you return, for instance in a `with` block."
        self.require_none(self._session().late, "Files change after log_cell returned", remedy)

    def test_a_later_run_keeps_what_was_sent(self) -> None:
        """A later run adds cells to those that it finds in its folder."""
        self._no_error("log_cell of a second run", "next")
        remedy = "Open files to append, or name them after the cell's `key`."
        self.require_none(self._session().lost, "The first cell is no longer in", remedy)

    def test_a_cell_may_be_sent_again(self) -> None:
        """A cell arrives again if a run was killed before it was noted."""
        self._no_error("log_cell of a cell that was sent before", "again")

    def test_controls_are_sent(self) -> None:
        """Rows of controls have no labeler, recogniser or taxonomy, and may have no events."""
        self._no_error("log_cell of a control", "control")

    def test_new_events_are_ignored(self) -> None:
        """Events that a tracker does not know are ignored: later versions add some."""
        self._no_error("log_cell with an unknown event", "event")

    def test_the_grid_is_summarised(self) -> None:
        """`log_grid` accepts a folder with records of results and controls."""
        self._no_error("log_grid", "grid")

    def test_it_sends_no_secrets(self) -> None:
        """A tracker sends only the record and the events: they are free of secrets."""
        secret, remedy = self._session().secret, "Do not send `os.environ`."
        self.require_none(secret, "An environment variable's secret is in", remedy)

    def test_it_writes_only_into_its_folder(self) -> None:
        """Files of a tracker are in `folder`."""
        outside, remedy = self._session().outside, "Put files into `folder`."
        self.require_none(outside, "It wrote elsewhere", remedy)

    def test_its_process_can_end(self) -> None:
        """No thread of a tracker keeps its process from ending."""
        remedy = "End threads before `log_cell` returns, or make them daemons."
        self.require_none(self._session().threads, "Threads are alive after the last cell", remedy)


class _LateError(BaseException):
    """The time is over; no tracker catches it."""


def _files(folder: Path) -> dict[Path, bytes]:
    """Relative path → content of the files in a folder."""
    files = (p for p in sorted(folder.rglob("*")) if p.is_file() and not p.is_symlink())
    return {path.relative_to(folder): path.read_bytes() for path in files}

"""One run: handles events of the scheduler, keeps the log, writes records, feeds trackers."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic_core import from_json

from ...data.manifest import BuiltManifest
from ...errors import LanserError
from ...kinds.executor import StageReport
from ...paths import read_whole
from ...plugins.discovery import Registry
from ...stages.label.spec import ODD_TEXTS
from ...stages.pretrain.spec import REPORT
from ...store import Store, digest
from ..planning.plan import Cell, Node, Plan
from .events import EventLog
from .failures import FailureFiles
from .outcome import RunOutcome
from .resources import check_gpus, needs
from .scheduler import Failure, Listener, Scheduler
from .timings import Timings
from .tracking import TrackerFeed


class Running(Listener):
    """Listens to the scheduler, keeps the log, writes records and feeds trackers."""

    def __init__(self, plan: Plan, plugins: Registry, store: Store, listener: Listener) -> None:
        settings = plan.experiment
        self.plan, self.plugins, self.store, self.listener = plan, plugins, store, listener
        wanted = settings.executor
        self.executor = plugins.create("executor", wanted.name, wanted.options)
        self.log = EventLog(store)
        self.outcome = RunOutcome(plan, self.log.run_id, self.log.folder / "events.jsonl")
        self.failures = FailureFiles(store, settings.name, settings.paths.results)
        self.timings = Timings(store)
        self.cancelled = True
        """Until the scheduler has finished: workers and trackers then drop their work."""
        self.idle = False  # calls that still run after the scheduler are needed by nothing
        self.trackers = TrackerFeed(
            settings.trackers,
            plugins,
            store,
            self.log.folder,
            timeout_s=settings.tracker_timeout_s,
            report=self.note,
        )

    def go(
        self, to_run: Mapping[str, Node], fail_fast: bool, max_retries: int, *, keep_plan: bool
    ) -> RunOutcome:
        """Runs the stages, always closes executor, trackers and log, and returns the outcome."""
        try:
            wanted = needs(self.plan, self.plugins, to_run.values())
            check_gpus(self.executor, self.plan, wanted)
            reasons = self.plan.reasons(self.store, to_run)
            if keep_plan:  # a part would replace the whole, whose reasons are needed later
                self.plan.save(self.store)
            with self.plan.at_work(self.store):
                self._announce(to_run, reasons)
                scheduler = Scheduler(
                    self.plan,
                    to_run,
                    self.executor,
                    self.store,
                    self,
                    needs=wanted,
                    fail_fast=fail_fast,
                    max_retries=max_retries,
                )
                scheduler.run()
                self.idle = scheduler.is_idle
                self.cancelled = fail_fast and not self.outcome.ok
        except KeyboardInterrupt:
            self.log.add("interrupted")
            raise
        finally:
            self._close()
        return self.outcome

    def _announce(self, to_run: Mapping[str, Node], reasons: Mapping[str, str]) -> None:
        """Logs and shows the stages to run, and notes on the data and the plan."""
        self.log.add(
            "run-start",
            experiment=self.plan.experiment.name,
            cells=len(self.plan.cells),
            stages=len(self.plan.nodes),
            to_run=len(to_run),
        )
        for key, reason in reasons.items():
            self.log.add("stage-planned", key=key, stage=self.plan.nodes[key].stage, why=reason)
        self.listener.planned(self.plan, to_run)
        self.listener.expected(self.timings.estimate(self.plan, to_run, self.executor.threads))
        of_data = (
            note for manifest in self.plan.manifests.values() for note in data_notes(manifest)
        )
        for note in (*of_data, *self.plan.notes):
            self.note(note)

    def _close(self) -> None:
        self.executor.close(cancel=self.cancelled or not self.idle)
        if self.outcome.records and not self.cancelled:
            self.trackers.send_grid(self.outcome.records[0].parent)
        self.trackers.close(cancel=self.cancelled)
        self.outcome.views = self.trackers.views()
        self.timings.save()
        self.log.add(
            "run-end",
            executed=len(self.outcome.executed),
            records=len(self.outcome.records),
            failed=len(self.outcome.failures),
        )
        self.log.close()

    # -- events of the scheduler ---------------------------------------------------------------

    def stage_started(self, node: Node) -> None:
        """Logs the start."""
        self._log("stage-start", node, title=node.title)
        self.listener.stage_started(node)

    def stage_ended(self, node: Node, report: StageReport) -> None:
        """Logs the end with its time and counts."""
        self._log(
            "stage-end",
            node,
            seconds=report.seconds,
            reused=report.reused,
            counts=report.counts,
        )
        self._note_new(stage_notes(node, report.counts))
        if not report.reused:
            self.outcome.executed.append(node.key)
            self.timings.add(self.plan, node, report.seconds)
        self.listener.stage_ended(node, report)

    def workers_changed(self, node: Node, workers: int, report: StageReport | None = None) -> None:
        """Logs that a worker has joined a stage, or left it and what it has done."""
        done = {"seconds": report.seconds, "counts": report.counts} if report else {}
        self._log("stage-workers", node, workers=workers, **done)
        self._note_new(stage_notes(node, report.counts if report else {}))
        self.listener.workers_changed(node, workers, report)

    def stage_retried(self, node: Node, error: BaseException, attempt: int) -> None:
        """Logs a failure that will be tried again."""
        self._log("stage-retried", node, attempt=attempt, error=f"{type(error).__name__}: {error}")
        self.listener.stage_retried(node, error, attempt)

    def stage_failed(self, node: Node, error: BaseException) -> None:
        """Logs the failure."""
        self._log("stage-failed", node, error=f"{type(error).__name__}: {error}")
        self.listener.stage_failed(node, error)

    def _note_new(self, sentences: Iterator[str]) -> None:
        for sentence in sentences:
            if sentence not in self.outcome.notes:
                self.note(sentence)

    def _log(self, event: str, node: Node, **values: Any) -> None:
        self.log.add(event, stage=node.stage, key=node.key, **values)

    def cell_failed(self, failure: Failure) -> None:
        """Logs the failure with its settings and keeps it for the list at the end."""
        self.outcome.failures.append(failure)
        self.log.add(
            "cell-failed",
            cell=failure.cell.name,
            stage=failure.stage,
            key=failure.key,
            error=failure.sentence,
            traceback=failure.traceback,
            axes=failure.cell.axes,
            settings=failure.settings,
            attempts=failure.attempts,
        )
        self.failures.write(failure, self.log.run_id)
        self.listener.cell_failed(failure)

    def cell_done(self, cell: Cell, path: str | None) -> None:
        """Writes the cell's record unless it exists, and sends it to the trackers."""
        from .cell_record import publish_record

        target = cell.settings.paths.results / cell.record_path
        written = None
        if not _is_record_of(target, cell):
            try:
                publish_record(self.plan, cell, self.store, target)
            except LanserError as error:
                node = self.plan.nodes[cell.leaves[-1]]
                self.cell_failed(Failure(cell, f"record ({node.title})", node.key, str(error), ""))
                return
            written = str(target)
            self.outcome.written.append(target)
            self.log.add("cell-done", cell=cell.name, key=cell.key, record=written)
        self.outcome.records.append(target)
        if written or self.failures.some:
            self.failures.forget(cell)
        identity = digest([cell.experiment, cell.name, cell.key])
        if self.trackers.wants(identity):
            events = (stage_event(place, key, self.store) for place, key in cell.stages.items())
            self.trackers.send(identity, cell.name, target, [event for event in events if event])
        self.listener.cell_done(cell, written)

    def tick(self, running: Mapping[str, Node]) -> None:
        """Passed on."""
        self.listener.tick(running)

    def note(self, sentence: str) -> None:
        """Logs and shows a warning."""
        self.log.add("warning", text=sentence)
        self.outcome.notes.append(sentence)
        self.listener.note(sentence)


def data_notes(manifest: BuiltManifest) -> Iterator[str]:
    """Yields notes on a dataset: skipped recordings, and odd ones."""
    name = manifest.artifact.spec.plugins["dataset"].name
    yield from (f"{name}: {sentence}" for sentence in manifest.notes)
    skipped = [problem for problem in manifest.problems if problem["kind"] == "bad audio"]
    if skipped:
        named = "; ".join(f"{p['utterance']} {p['problem'].rstrip('.')}" for p in skipped[:3])
        rest = f"; and {len(skipped) - 3} more" if len(skipped) > 3 else ""
        yield f"{name}: {len(skipped)} recordings skipped: {named}{rest}."
    counts = manifest.counts
    kinds = {
        "duplicates": "duplicate",
        "re_encoded": "re-encoded",
        "silent": "silent",
        "odd_channels": "odd-channel",
        "clipped": "clipped",
    }
    odd = [f"{counts[kind]} {word}" for kind, word in kinds.items() if counts.get(kind)]
    if odd:
        what = f"{', '.join(odd)} recordings, used unchanged"
        yield f"{name}: {what}; `lanser-bench data check` names them."
    yield from (f"{name}: {sentence}" for sentence in counts.get("warnings", []))


def stage_notes(node: Node, counts: Mapping[str, Any]) -> Iterator[str]:
    """Yields notes on what a plugin changed, and on the texts of a stage."""
    yield from counts.get("plugin_notes", ())
    if node.stage == "transcribe" and counts.get("truncated"):
        n = f"{counts['truncated']} of {counts['utterances']}"
        yield f"{node.title}: {n} transcripts stop before their end; cut the recordings shorter."
    if node.stage == "label":
        for what, words in ODD_TEXTS.items():
            if counts.get(what):
                yield f"{node.title}: {counts[what]} of {counts['utterances']} texts are {words}."


def _is_record_of(path: Path, cell: Cell) -> bool:
    """Whether a cell's record exists with its predictions and titles: then it stays."""
    from ...records.record import SCHEMA_VERSION

    try:
        content = dict(from_json(read_whole(path)))  # a third of the time of `json`
    except (OSError, TypeError, ValueError):
        return False
    identity = content.get("key"), content.get("name"), content.get("schema_version")
    titles = (content.get("settings") or {}).get("titles", {})
    beside = content.get("predictions") or {}
    whole = (path.parent / str(beside.get("file"))).is_file()
    wanted = cell.key, cell.name, SCHEMA_VERSION
    return whole and identity == wanted and titles == cell.settings.titles


def stage_event(place: str, key: str, store: Store) -> dict[str, Any] | None:
    """Returns the event of a finished stage that trackers get; None without its artifact.

    It has ``event`` (``"stage"``), ``time`` (when it was written), ``place``, ``stage``, ``key``,
    ``seconds`` and ``counts``; that of pre-training also ``training``, its report with the curve.
    """
    artifact = store.get(key)
    if artifact is None:
        return None
    meta = artifact.meta
    event = {
        "event": "stage",
        "time": meta["written"],
        "place": place,
        "key": key,
        "stage": meta["spec"]["stage"],
        "seconds": meta["seconds"],
        "counts": meta["counts"],
    }
    training = artifact.path / REPORT
    if event["stage"] == "pretrain" and training.is_file():
        event["training"] = json.loads(training.read_text(encoding="utf-8"))
    return event

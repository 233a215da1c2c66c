"""Runs an experiment: the Python twin of `lanser-bench run`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from ..errors import DataError, LanserError
from ..kinds.executor import StageReport
from ..manifest import BuiltManifest
from ..plugins import Registry, registry
from ..store import Store, digest, why_unwritable
from .events import EventLog
from .failures import FailureFiles, failed_part
from .files import ExperimentFile, read_experiment
from .grid import expand
from .kept import keep_experiment
from .parts import Progress
from .plan import Cell, Node, Plan
from .planner import make_plan
from .resources import Need, check_gpus, needs
from .scheduler import Failure, Listener, Scheduler
from .timings import Estimate, Timings
from .tracking import TrackerFeed


@dataclass(repr=False)
class RunOutcome:
    """What became of a run."""

    plan: Plan
    run_id: str
    log: Path
    """The run's event log."""
    records: list[Path] = field(default_factory=list)
    """Record of every finished cell."""
    written: list[Path] = field(default_factory=list)
    """Those of them that were written now; the others were there."""
    failures: list[Failure] = field(default_factory=list)
    executed: list[str] = field(default_factory=list)
    """Keys of the stages that ran."""
    notes: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """True if no cell failed."""
        return not self.failures

    def __repr__(self) -> str:
        """A line, and one for each failure, as a notebook shows it."""
        head = (
            f"<RunOutcome of '{self.plan.experiment.name}': {len(self.records)} cells done, "
            f"{len(self.failures)} failed, {len(self.executed)} stages run>"
        )
        return "\n".join([head, *map(repr, self.failures)])


@dataclass(frozen=True, repr=False)
class DryRun:
    """What a run would do."""

    plan: Plan
    to_run: dict[str, Node]
    reasons: dict[str, str]
    """Key of each stage to run → why."""
    estimate: Estimate = field(default_factory=Estimate)
    """How long it would take, as far as equal stages have run before."""

    def __repr__(self) -> str:
        """A line, as a notebook shows it."""
        total, to_run = len(self.plan.nodes), len(self.to_run)
        name = self.plan.experiment.name
        return f"<DryRun of '{name}': {to_run} stages to run, {total - to_run} to reuse>"


def plan_experiment(
    source: str | Path | Mapping[str, Any] | ExperimentFile,
    overrides: Sequence[str] = (),
    *,
    plugin_dirs: Iterable[Path] = (),
    progress: Progress | None = None,
) -> tuple[Plan, Registry, Store]:
    """Reads an experiment and plans it: manifests are built, nothing else is computed.

    Raises:
        LanserError: settings, plugins, taxonomies or datasets that cannot be used.
    """
    file = source if isinstance(source, ExperimentFile) else read_experiment(source, overrides)
    plugins = registry(tuple(Path(folder) for folder in plugin_dirs))
    points = expand(file)
    settings = points[0].settings
    # Not part of the plan, but a dry run must not promise what the run will refuse.
    plugins.create("executor", settings.executor.name, settings.executor.options)
    for tracker in settings.trackers:
        plugins.create("tracker", tracker.name, tracker.options)
    store = Store(settings.paths.store, settings.paths.shared)
    plan = make_plan(
        points, plugins, store, label=file.label, folder=file.folder, progress=progress
    )
    return plan, plugins, store


def dry_run(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    plugin_dirs: Iterable[Path] = (),
    progress: Progress | None = None,
) -> DryRun:
    """Says what a run would do, and why; the twin of `lanser-bench run --dry-run`."""
    plan, plugins, store = plan_experiment(
        source, overrides, plugin_dirs=plugin_dirs, progress=progress
    )
    to_run = plan.to_run(store)
    wanted = plan.experiment.executor
    executor = plugins.create("executor", wanted.name, wanted.options)
    check_gpus(executor, plan, needs(plan, plugins, to_run.values()))
    estimate = Timings(store).estimate(plan, to_run, executor.threads)
    return DryRun(plan, to_run, plan.reasons(store, to_run), estimate)


def run_experiment(
    source: str | Path | Mapping[str, Any] | ExperimentFile,
    overrides: Sequence[str] = (),
    *,
    plugin_dirs: Iterable[Path] = (),
    fail_fast: bool = False,
    max_retries: int = 0,
    retry_failed: bool = False,
    only: Callable[[Cell], bool] | None = None,
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> RunOutcome:
    """Runs an experiment or a grid; what is in the store already is not computed again.

    Stages run in spawned processes, so a script needs the usual ``if __name__ == "__main__":``.

    Args:
        source: an experiment file, the name of a shipped one, or its content as a mapping.
        overrides: ``key=value`` with dotted keys.
        plugin_dirs: folders of loose plugin files.
        fail_fast: stop at the first stage that fails.
        max_retries: how often a stage is tried again that failed by a dead worker, the system or
            an unexpected exception of a plugin; what settings or data are wrong fails at once.
        retry_failed: only the cells that failed when they were last tried; all others wait.
        only: runs the cells that it wants, and no others.
        listener: hears what happens.
        progress: called while recordings are read for the first time.

    Returns:
        The outcome; a failed cell does not raise, see `RunOutcome.failures`.

    Raises:
        LanserError: settings, plugins or datasets that cannot be used; nothing has run then.
        KeyboardInterrupt: stopped by the user; what is finished is kept.
    """
    folders = tuple(plugin_dirs)
    file = source if isinstance(source, ExperimentFile) else read_experiment(source, overrides)
    plan, plugins, store = plan_experiment(file, plugin_dirs=folders, progress=progress)
    results = plan.experiment.paths.results / plan.experiment.name
    keep_experiment(file, results, overrides, folders)
    if only is not None:
        plan = plan.part(only)
    if retry_failed:
        plan = failed_part(plan, store)
    to_run = plan.to_run(store)
    if to_run:
        require_writable(plan.experiment.paths.results)
    run = _Run(plan, plugins, store, listener or Listener())
    if retry_failed and not plan.cells:
        run.note(
            f"No cell of {plan.experiment.name} failed when it was last tried, so there is nothing "
            "to retry. Without --retry-failed the same command does what is left."
        )
    keep_plan = not retry_failed and only is None
    return run.go(to_run, fail_fast, max_retries, keep_plan=keep_plan)


class _Run(Listener):
    """Listens to the scheduler, keeps the log, writes records and feeds trackers."""

    def __init__(self, plan: Plan, plugins: Registry, store: Store, listener: Listener) -> None:
        settings = plan.experiment
        self.plan, self.plugins, self.store, self.listener = plan, plugins, store, listener
        self.executor = plugins.create(
            "executor", settings.executor.name, settings.executor.options
        )
        self.log = EventLog(store)
        self.outcome = RunOutcome(plan, self.log.run_id, self.log.folder / "events.jsonl")
        self.failures = FailureFiles(store, settings.name)
        self.timings = Timings(store)
        self.cancelled = True
        """Until the scheduler has come to its end: workers and trackers drop what they have."""
        self.trackers = TrackerFeed(
            settings.trackers, plugins, store, self.log.folder,
            timeout_s=settings.tracker_timeout_s, report=self.note,
        )  # fmt: skip

    def go(
        self, to_run: Mapping[str, Node], fail_fast: bool, max_retries: int, *, keep_plan: bool
    ) -> RunOutcome:
        try:
            wanted = needs(self.plan, self.plugins, to_run.values())
            check_gpus(self.executor, self.plan, wanted)
            reasons = self.plan.reasons(self.store, to_run)
            if keep_plan:  # a part of it would forget the others, whose reasons are asked for later
                self.plan.save(self.store)
            with self.plan.at_work(self.store):
                self._tell(to_run, reasons)
                self._schedule(to_run, wanted, fail_fast, max_retries)
        finally:
            self._close()
        return self.outcome

    def _tell(self, to_run: Mapping[str, Node], reasons: Mapping[str, str]) -> None:
        """Logs and shows what will run, and what a user must know beforehand."""
        self.log.add(
            "run-start", experiment=self.plan.experiment.name, cells=len(self.plan.cells),
            stages=len(self.plan.nodes), to_run=len(to_run),
        )  # fmt: skip
        for key, reason in reasons.items():
            self.log.add("stage-planned", key=key, stage=self.plan.nodes[key].stage, why=reason)
        self.listener.planned(self.plan, to_run)
        expected = self.timings.estimate(self.plan, to_run, self.executor.threads).sentence
        if expected:
            self.listener.expected(expected)
        for manifest in self.plan.manifests.values():
            for sentence in data_notes(manifest):
                self.note(sentence)
        for note in self.plan.notes:
            self.note(note)

    def _schedule(
        self,
        to_run: Mapping[str, Node],
        wanted: Mapping[str, Need],
        fail_fast: bool,
        max_retries: int,
    ) -> None:
        try:
            Scheduler(
                self.plan, to_run, self.executor, self.store, self, needs=wanted,
                fail_fast=fail_fast, max_retries=max_retries,
            ).run()  # fmt: skip
            self.cancelled = fail_fast and not self.outcome.ok
        except KeyboardInterrupt:
            self.log.add("interrupted")
            raise

    def _close(self) -> None:
        self.executor.close(cancel=self.cancelled)
        self.trackers.close(cancel=self.cancelled)
        self.timings.save()
        self.log.add(
            "run-end", executed=len(self.outcome.executed),
            records=len(self.outcome.records), failed=len(self.outcome.failures),
        )  # fmt: skip
        self.log.close()

    # -- what the scheduler tells --------------------------------------------------------------

    def stage_started(self, node: Node) -> None:
        """Logs the start."""
        self.log.add("stage-start", stage=node.stage, key=node.key, title=node.title)
        self.listener.stage_started(node)

    def stage_ended(self, node: Node, report: StageReport) -> None:
        """Logs the end with its time and counts."""
        self.log.add(
            "stage-end", stage=node.stage, key=node.key, seconds=report.seconds,
            reused=report.reused, counts=report.counts,
        )  # fmt: skip
        if not report.reused:
            self.outcome.executed.append(node.key)
            self.timings.add(self.plan, node, report.seconds)
        self.listener.stage_ended(node, report)

    def stage_retried(self, node: Node, error: BaseException, attempt: int) -> None:
        """Logs the failure that does not count yet."""
        self.log.add(
            "stage-retried", stage=node.stage, key=node.key, attempt=attempt,
            error=f"{type(error).__name__}: {error}",
        )  # fmt: skip
        self.listener.stage_retried(node, error, attempt)

    def stage_failed(self, node: Node, error: BaseException) -> None:
        """Logs the failure."""
        self.log.add(
            "stage-failed", stage=node.stage, key=node.key, error=f"{type(error).__name__}: {error}"
        )
        self.listener.stage_failed(node, error)

    def cell_failed(self, failure: Failure) -> None:
        """Logs the failure with its settings and keeps it for the list at the end."""
        self.outcome.failures.append(failure)
        self.log.add(
            "cell-failed", cell=failure.cell.name, stage=failure.stage, key=failure.key,
            error=failure.sentence, traceback=failure.traceback, axes=failure.cell.axes,
            settings=failure.settings, attempts=failure.attempts,
        )  # fmt: skip
        self.failures.write(failure, self.log.run_id)
        self.listener.cell_failed(failure)

    def cell_done(self, cell: Cell, path: str | None) -> None:
        """Writes the cell's record, unless it is there, and offers it to the trackers."""
        from ..reporting.build import publish_record

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
            self.log.add("cell-done", cell=cell.name, key=cell.key, record=str(target))
        self.outcome.records.append(target)
        self.failures.forget(cell)
        identity = digest([cell.experiment, cell.name, cell.key])
        if self.trackers.wants(identity):
            self.trackers.send(identity, cell.name, target, cell_events(cell, self.store))
        self.listener.cell_done(cell, written)

    def tick(self, running: Mapping[str, Node]) -> None:
        """Passed on."""
        self.listener.tick(running)

    def note(self, sentence: str) -> None:
        """Logs and shows a warning."""
        self.log.add("warning", text=sentence)
        self.outcome.notes.append(sentence)
        self.listener.note(sentence)


def require_writable(results: Path) -> None:
    """Tells before anything runs, not hours later, that records cannot be written.

    Raises:
        DataError: the folder cannot be made, or takes no file.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=results):
            pass
    except OSError as error:
        raise DataError(
            f"The results folder {results} cannot be written: {why_unwritable(error)}. "
            "Choose another with paths.results. Nothing has run."
        ) from None


def data_notes(manifest: BuiltManifest) -> Iterator[str]:
    """Yields what a user must know of a dataset: what was skipped, and what looks odd."""
    name = manifest.artifact.spec.plugins["dataset"].name
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
        "clipped": "clipped",
    }
    odd = [f"{counts[kind]} {word}" for kind, word in kinds.items() if counts.get(kind)]
    if odd:
        what = f"{', '.join(odd)} recordings, used as they are"
        yield f"{name}: {what}; `lanser-bench data check` names them."


def _is_record_of(path: Path, cell: Cell) -> bool:
    """Whether a cell's record is there: the first one written for a key stays."""
    from ..reporting.records import SCHEMA_VERSION

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    if not isinstance(content, dict):
        return False
    found = content.get("key"), content.get("name"), content.get("schema_version")
    beside = content.get("predictions") or {}
    whole = (path.parent / str(beside.get("file"))).is_file()
    return whole and found == (cell.key, cell.name, SCHEMA_VERSION)


def cell_events(cell: Cell, store: Store) -> list[dict[str, Any]]:
    """Returns one event per stage of a finished cell, as trackers get them.

    Each has ``event`` (``"stage"``), ``time`` (when it was written), ``place``, ``stage``, ``key``,
    ``seconds`` and ``counts``; that of pre-training also ``training``, its report with the curve.
    """
    events = []
    for place, key in cell.stages.items():
        artifact = store.get(key)
        if artifact is None:
            continue
        meta = artifact.meta
        event = {"event": "stage", "time": meta["written"], "place": place, "key": key,
                 "stage": meta["spec"]["stage"], "seconds": meta["seconds"],
                 "counts": meta["counts"]}  # fmt: skip
        training = artifact.path / "training.json"
        if event["stage"] == "pretrain" and training.is_file():
            event["training"] = json.loads(training.read_text(encoding="utf-8"))
        events.append(event)
    return events

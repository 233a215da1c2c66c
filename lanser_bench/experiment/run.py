"""Runs an experiment: the Python twin of `lanser-bench run`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from ..allocator import no_collection
from ..errors import DataError, PluginError, SettingsError, TaxonomyError
from ..plugins.discovery import Registry, registry
from ..store import Store, why_unwritable
from .planning.memo import Progress
from .planning.plan import Cell, Plan
from .planning.planner import make_plan
from .running.failures import failed_part
from .running.kept_experiment import keep_experiment
from .running.outcome import DryRun, RunOutcome
from .running.resources import check_gpus, needs
from .running.running import Running
from .running.scheduler import Listener
from .running.timings import Timings
from .settings.files import ExperimentFile, read_experiment
from .settings.grid import expand


def plan_experiment(
    source: str | Path | Mapping[str, Any] | ExperimentFile,
    overrides: Sequence[str] = (),
    *,
    plugin_dirs: Iterable[Path] = (),
    progress: Progress | None = None,
) -> tuple[Plan, Registry, Store]:
    """Reads an experiment and plans it; computes only manifests.

    Raises:
        LanserError: settings, plugins, taxonomies or datasets that cannot be used.
    """
    file = source if isinstance(source, ExperimentFile) else read_experiment(source, overrides)
    plugins = registry(plugin_dirs)
    with no_collection():
        return _planned(file, plugins, progress)


def _planned(
    file: ExperimentFile, plugins: Registry, progress: Progress | None
) -> tuple[Plan, Registry, Store]:
    points = expand(file)
    settings = points[0].settings
    try:
        # Not part of the plan, but a dry run must fail if the run would.
        plugins.create("executor", settings.executor.name, settings.executor.options)
        for tracker in settings.trackers:
            plugins.create("tracker", tracker.name, tracker.options)
        store = Store(settings.paths.store, settings.paths.shared)
        plan = make_plan(
            points, plugins, store, label=file.label, folder=file.folder, progress=progress
        )
    except (SettingsError, TaxonomyError, PluginError) as error:
        if file.label not in str(error):
            error.args = (f"{file.label}: {error}",)
        raise
    return plan, plugins, store


def dry_run(
    source: str | Path | Mapping[str, Any],
    overrides: Sequence[str] = (),
    *,
    plugin_dirs: Iterable[Path] = (),
    progress: Progress | None = None,
) -> DryRun:
    """Returns what a run would do, and why: the Python twin of `lanser-bench run --dry-run`."""
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
) -> RunOutcome:
    """Runs an experiment or a grid; cached results are reused.

    Stages run in spawned processes, so a script needs the usual ``if __name__ == "__main__":``.

    Args:
        source: an experiment file, the name of a shipped one, or its content as a mapping.
        overrides: ``key=value`` with dotted keys.
        plugin_dirs: folders of loose plugin files.
        fail_fast: stop at the first stage that fails.
        max_retries: how often a stage is tried again after a dead worker, a system error or an
            unexpected exception of a plugin; wrong settings or data fail at once.
        retry_failed: run only the cells whose last try failed.
        only: selects the cells to run.
        listener: receives the events of the run.

    Returns:
        The outcome; a failed cell does not raise, see `RunOutcome.failures`.

    Raises:
        LanserError: settings, plugins or datasets that cannot be used; nothing has run then.
        KeyboardInterrupt: stopped by the user; finished stages are kept.
    """
    folders, listener = tuple(plugin_dirs), listener or Listener()
    file = source if isinstance(source, ExperimentFile) else read_experiment(source, overrides)
    plan, plugins, store = plan_experiment(file, plugin_dirs=folders, progress=listener.reading)
    results = plan.experiment.paths.results / plan.experiment.name
    keep_experiment(file, results, overrides, folders)
    if only is not None:
        plan = plan.part(only)
    if retry_failed:
        plan = failed_part(plan, store)
    to_run = plan.to_run(store)
    if to_run:
        require_writable(plan.experiment.paths.results)
    run = Running(plan, plugins, store, listener)
    if retry_failed and not plan.cells:
        run.note(
            f"No cell of {plan.experiment.name} failed in its last try, so there is nothing to "
            "retry. Run the same command without --retry-failed to finish the rest."
        )
    keep_plan = not retry_failed and only is None
    return run.go(to_run, fail_fast, max_retries, keep_plan=keep_plan)


def require_writable(results: Path) -> None:
    """Checks before anything runs that records can be written.

    Raises:
        DataError: the folder cannot be created, or not written.
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

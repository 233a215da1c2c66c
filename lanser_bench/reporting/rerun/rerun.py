"""Runs the cell of a result record again and compares: the Python twin of `lanser-bench rerun`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import LanserError, SettingsError
from ...evaluation.results import Interval, Metric
from ...experiment import Listener, RunOutcome, read_experiment, run_experiment
from ...experiment.planning.spec_diff import plugin_differences
from ...experiment.settings.files import ExperimentFile
from ...measurements import MEASUREMENTS
from ...plugins.discovery import registry
from ...plugins.identity import check_installed
from ...records.reading import load_record
from ...records.record import ResultRecord
from ...store import PluginIdentity
from ..comparing.changes import environment_changes, environment_of

HIDDEN = "…/"
"""Start of an absolute path in a record; only its last part follows."""


@dataclass(frozen=True)
class Compared:
    """One number of the record and of the rerun."""

    metric: str
    then: float
    now: float
    interval: Interval | None
    """Interval of the number in the record."""

    @property
    def difference(self) -> float:
        """Now minus then."""
        return self.now - self.then

    @property
    def is_inside(self) -> bool:
        """Whether the new number is in the interval of the old one."""
        return self.interval is not None and self.interval.low <= self.now <= self.interval.high


@dataclass(frozen=True)
class Rerun:
    """A record, the rerun of its cell, and the differences."""

    then: ResultRecord
    now: ResultRecord
    outcome: RunOutcome
    numbers: list[Compared]
    missing: list[str]
    """Numbers of the record that the rerun does not have, such as those of another dataset."""
    environment: list[str]
    """Differences of versions, commit and kind of machine."""
    keys: list[str]
    """Stages whose key changed, with the reason if the record shows it."""

    def is_equal(self, tolerance: float, *, within_interval: bool = False) -> bool:
        """Whether every number exists and is within the tolerance or, if allowed, its interval."""
        return not self.missing and all(
            abs(n.difference) <= tolerance or (within_interval and n.is_inside)
            for n in self.numbers
        )


class CellFailedError(LanserError):
    """The rerun of a cell failed."""


def rerun(
    record: ResultRecord | Path,
    overrides: Sequence[str] = (),
    *,
    store: Path,
    results: Path,
    roots: Mapping[str, Path] | None = None,
    data: Path | None = None,
    plugin_dirs: Iterable[Path] = (),
    listener: Listener | None = None,
) -> Rerun:
    """Recreates the experiment of a record, runs its cell and compares.

    Args:
        record: the record, or its file.
        overrides: ``key=value`` with dotted keys, applied to the record's settings.
        store: folder of artifacts; cached ones are reused.
        results: folder of the new record.
        roots: a dataset's name, or a place such as ``targets.0``, → its folder on this machine.
        data: folder that contains the folders of datasets by their names.
        plugin_dirs: folders of loose plugin files.
        listener: receives the events of the run.

    Raises:
        SettingsError: the record hides a path, or its settings are of another version.
        CellFailedError: a stage failed.
        LanserError: plugins or datasets that cannot be used.
    """
    old = load_record(record) if isinstance(record, Path) else record
    # Plugins of the overrides are checked like those of every experiment.
    changed = {text.partition("=")[0] for text in overrides}
    kept = (one for one in old.plugins.values() if one.kind not in changed)
    check_installed(registry(plugin_dirs), kept)
    experiment = recreated(old, overrides, roots or {}, data, store, results)
    outcome = run_experiment(
        experiment,
        plugin_dirs=plugin_dirs,
        listener=listener,
        only=lambda cell: (cell.control, cell.seed) == (old.control, old.seed),
    )
    if outcome.failures:
        failure = outcome.failures[0]
        raise CellFailedError(f"{old.name} failed in {failure.stage}: {failure.sentence}")
    if len(outcome.records) != 1:
        raise SettingsError(
            f"The settings of {old.name} give {len(outcome.records)} matching cells, not one: this "
            "version plans controls differently."
        )
    new = load_record(outcome.records[0])
    numbers = list(compared(old, new))
    missing = sorted(dict(_metrics(old)).keys() - {number.metric for number in numbers})
    machines = (environment_of(r.versions, r.commit, r.host) for r in (old, new))
    keys = list(changed_keys(old, new, outcome))
    return Rerun(old, new, outcome, numbers, missing, list(environment_changes(*machines)), keys)


def recreated(
    record: ResultRecord,
    overrides: Sequence[str],
    roots: Mapping[str, Path],
    data: Path | None,
    store: Path,
    results: Path,
) -> ExperimentFile:
    """Returns the experiment of a record's cell with paths of this machine.

    Raises:
        SettingsError: the record is external, a root names no dataset of it, or a path is unknown.
    """
    if record.external:
        raise SettingsError(
            f"{record.name} of {record.experiment} is external: its predictions were made "
            "elsewhere, so nothing can be run again. `lanser-bench predictions import` scores a "
            "table."
        )
    settings = deepcopy(record.settings)
    if record.seed is not None:
        settings.setdefault("pretrain", {})["seeds"] = [record.seed]
    settings["trackers"] = ["jsonl"]
    settings["paths"] = {"store": str(store), "results": str(results)}
    _place_roots(settings, roots)
    file = read_experiment(settings, overrides, f"Settings of the record {record.name}")
    if data is not None:
        _look_in(file.settings, data)
    hidden = [f"{place} ({value})" for place, value in _hidden(file.settings)]
    if hidden:
        raise SettingsError(
            f"A record hides paths. Give the paths on this machine: {', '.join(hidden)}. For "
            "folders of datasets use --data DIR or --root NAME=DIR; for anything else key=VALUE."
        )
    return file


def _datasets(settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Returns place, such as ``targets.0``, → dataset of the settings."""
    parts = ((part, settings.get(part, [])) for part in ("corpora", "targets"))
    return {f"{part}.{index}": ref for part, refs in parts for index, ref in enumerate(refs)}


def _place_roots(settings: dict[str, Any], roots: Mapping[str, Path]) -> None:
    refs = _datasets(settings)
    for name, folder in roots.items():
        meant = [ref for place, ref in refs.items() if name in (place, ref.get("dataset"))]
        if not meant:
            known = ", ".join(f"{place} ({ref.get('dataset')})" for place, ref in refs.items())
            raise SettingsError(f"The record has no dataset '{name}'. Its datasets: {known}.")
        for ref in meant:
            ref["root"] = str(folder)


def _look_in(settings: dict[str, Any], data: Path) -> None:
    for ref in _datasets(settings).values():
        root = ref.get("root")
        if isinstance(root, str) and root.startswith(HIDDEN):
            folder = data / root.removeprefix(HIDDEN)
            ref["root"] = str(folder) if folder.exists() else root


def _hidden(value: Any, place: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and value.startswith(HIDDEN):
        yield place, value
    pairs: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        pairs = value.items()
    elif isinstance(value, list | tuple):
        pairs = enumerate(value)
    for key, inner in pairs:
        yield from _hidden(inner, f"{place}.{key}" if place else str(key))


def compared(old: ResultRecord, new: ResultRecord) -> Iterator[Compared]:
    """Yields the numbers that both records have."""
    now = dict(_metrics(new))
    for name, metric in _metrics(old):
        if name in now:
            yield Compared(name, metric.value, now[name].value, metric.interval)


def _metrics(record: ResultRecord) -> Iterator[tuple[str, Metric]]:
    for index, result in enumerate(record.datasets):
        name = result.dataset if len(record.datasets) == 1 else f"{index} {result.dataset}"
        for budget in result.evaluation.budgets:
            for score in ("uar", "wa", "macro_f1"):
                yield f"{name} {score} {budget.budget}", getattr(budget, score)
        yield f"{name} area", result.evaluation.area
        for measurement in MEASUREMENTS:
            for measured in result.of(measurement):
                for score, metric in measurement.numbers(measured):
                    yield f"{name} {score}", metric


def changed_keys(old: ResultRecord, new: ResultRecord, outcome: RunOutcome) -> Iterator[str]:
    """Yields the stages whose key changed, with the reason if the record shows it."""
    places = {use.key: place for place, use in new.stages.items()}
    changed = {
        p for p, use in new.stages.items() if p in old.stages and use.key != old.stages[p].key
    }
    for place, use in new.stages.items():
        if place not in old.stages:
            yield f"{place} is new: {use.key[:8]}"
        elif place in changed:
            why = [*_plugins_of(place, old.plugins, new.plugins)]
            node = outcome.plan.nodes.get(use.key)
            above = [places.get(k, "") for k in node.spec.parents.values()] if node else []
            above = [parent for parent in above if parent in changed]
            if not why and above:
                why = [f"it reads {', '.join(above)}"]
            elif not why and use.stage == "manifest":
                why = ["other recordings, labels or speakers"]
            reason = "; ".join(why) or "the stage's version or settings"
            yield f"{place} {old.stages[place].key[:8]} → {use.key[:8]}: {reason}"
    for place in old.stages.keys() - new.stages.keys():
        yield f"{place} is gone"


def _plugins_of(
    place: str, old: Mapping[str, PluginIdentity], new: Mapping[str, PluginIdentity]
) -> Iterator[str]:
    for name in sorted(old.keys() | new.keys()):
        at, _, role = name.partition(": ")
        if at == place:
            yield from plugin_differences(role, old.get(name), new.get(name))

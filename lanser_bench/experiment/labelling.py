"""Weak labels of a corpus, without training.

`label_corpus` is the Python twin of ``lanser-bench label corpus``, `transcribe_corpus` is its part
before the labels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data.manifest import BuiltManifest
from ..errors import SettingsError
from ..kinds.executor import StageReport
from ..plugins.discovery import registry
from ..store import Store
from ..taxonomy import Taxonomy
from .planning.corpus_steps import Prepared, Steps, look_up_labeler
from .planning.memo import Parts
from .planning.plan import Node, Plan
from .running.running import data_notes
from .running.scheduler import Listener, Scheduler
from .settings.files import read_experiment
from .settings.grid import expand
from .settings.model import Experiment

PluginWords = str | Mapping[str, Any]
"""A plugin as in an experiment: its name, or a mapping of its name and its options."""
PLACE = "corpora.0"


@dataclass(frozen=True)
class LabelledCorpus:
    """Keys of the weak labels of a corpus, and the parts that made them."""

    store: Store
    dataset: str
    """The dataset plugin's name."""
    manifest: BuiltManifest
    utterances: str
    """Key of the manifest, or of its segmentation."""
    transcripts: str | None
    """Key of the transcripts; None if the labeler reads no text."""
    labels: str
    """Key of the weak labels."""
    labeler: str
    asr: str
    taxonomy: Taxonomy
    gold_taxonomy: Taxonomy | None
    """Taxonomy of the dataset's human labels; None without any."""
    executed: list[str] = field(default_factory=list)
    """Keys of the stages that ran; the others were cached."""


@dataclass(frozen=True)
class TranscribedCorpus:
    """Keys of the transcripts of a corpus."""

    store: Store
    utterances: str
    """Key of the manifest, or of its segmentation."""
    transcripts: str


def label_corpus(
    dataset: str | Mapping[str, Any],
    labeler: PluginWords | Sequence[PluginWords],
    taxonomies: str | Sequence[str],
    *,
    overrides: Sequence[str] = (),
    plugin_dirs: Iterable[Path] = (),
    listener: Listener | None = None,
) -> list[LabelledCorpus]:
    """Labels a corpus by one or several taxonomies: manifest, transcripts and label stage.

    The store has everything under the keys of an experiment, so neither another call nor a later
    ``lanser-bench run`` with the same settings computes it again.

    Args:
        dataset: a dataset as in an experiment: its name, or a mapping with ``dataset``, ``root``,
            ``limit``, ``on_bad_audio`` and its options.
        labeler: the labeler as in an experiment, or several.
        taxonomies: a name or the path of a YAML file, or several.
        overrides: ``key=value`` of an experiment, such as ``asr=faster-whisper``,
            ``label.temperature=2`` or ``paths.store=/tmp/store``. Transcripts come from `reference`
            unless ``asr`` is set.
        plugin_dirs: folders of loose plugin files.
        listener: receives the events.

    Returns:
        One per labeler and taxonomy, in their order. Several labelers run one after another, so
        that their times can be compared.

    Raises:
        LanserError: settings, plugins, taxonomies or datasets that cannot be used, or a stage that
            failed.
    """
    labelers = [labeler] if isinstance(labeler, str | Mapping) else list(labeler)
    names = [taxonomies] if isinstance(taxonomies, str) else list(taxonomies)
    alone = len(labelers) > 1
    # One labeler is no axis, so that an override may change it.
    grid: dict[str, list[Any]] = {"taxonomy": names}
    if alone:
        grid = {"labeler": labelers, **grid}
    settings = {**_settings(dataset, grid), "labeler": labelers[0]}

    def add(steps: Steps) -> Prepared:
        # Before recordings are read, which takes long.
        look_up_labeler(steps.parts, steps.settings)
        prepared = steps.prepare(PLACE, steps.settings.corpora[0])
        steps.labels(PLACE, prepared)
        return prepared

    steps, executed = _computed(settings, overrides, plugin_dirs, listener, add, alone=alone)
    return [_labelled(each, prepared, executed) for each, prepared in steps]


def transcribe_corpus(
    dataset: str | Mapping[str, Any],
    recognisers: Sequence[PluginWords],
    *,
    overrides: Sequence[str] = (),
    plugin_dirs: Iterable[Path] = (),
    listener: Listener | None = None,
) -> list[TranscribedCorpus]:
    """Transcribes a corpus by several recognisers, one after another; see `label_corpus`."""

    def add(steps: Steps) -> Prepared:
        steps.parts.plugin("asr", steps.settings.asr)
        prepared = steps.prepare(PLACE, steps.settings.corpora[0])
        steps.transcripts(PLACE, prepared)
        return prepared

    settings = {**_settings(dataset, {"asr": list(recognisers)}), "name": "transcribe"}
    steps, _ = _computed(settings, overrides, plugin_dirs, listener, add, alone=True)
    return [
        TranscribedCorpus(each.parts.store, prepared.utterances, each.stages[f"transcribe {PLACE}"])
        for each, prepared in steps
    ]


def _computed(
    settings: dict[str, Any],
    overrides: Sequence[str],
    plugin_dirs: Iterable[Path],
    listener: Listener | None,
    add: Callable[[Steps], Prepared],
    *,
    alone: bool,
) -> tuple[list[tuple[Steps, Prepared]], list[str]]:
    """Adds and runs the stages of every point; returns them and the keys of what ran.

    With `alone` the points run one after another.
    """
    points = expand(read_experiment(settings, overrides))
    listener = listener or Listener()
    paths = points[0].settings.paths
    parts = Parts(
        registry(plugin_dirs),
        Store(paths.store, paths.shared),
        "lanser-bench label",
        None,
        listener.reading,
    )
    steps = [Steps(parts, point) for point in points]
    planned = [(each, add(each)) for each in steps]
    for manifest in parts.manifests.values():
        for sentence in data_notes(manifest):
            listener.note(sentence)
    turns = [set(each.stages.values()) for each in steps] if alone else [set(parts.nodes)]
    return planned, _run(points[0].settings, parts, listener, turns)


def _settings(dataset: str | Mapping[str, Any], grid: dict[str, list[Any]]) -> dict[str, Any]:
    """Returns an experiment, whose unused parts are never looked up."""
    if isinstance(dataset, Mapping) and "parts" in dataset:
        raise SettingsError("'parts' belongs in an experiment. Remove it to label all at once.")
    return {
        "name": "label",
        "corpora": [dataset],
        "targets": [dataset],
        "labeler": "unused",
        "taxonomy": "unused",
        "encoder": "unused",
        "trackers": [],
        "grid": grid,
    }


def _labelled(steps: Steps, prepared: Prepared, executed: list[str]) -> LabelledCorpus:
    settings, gold, parts = steps.settings, prepared.dataset.card.taxonomy, steps.parts
    return LabelledCorpus(
        store=parts.store,
        dataset=prepared.name,
        manifest=prepared.manifest,
        utterances=prepared.utterances,
        transcripts=steps.stages.get(f"transcribe {PLACE}"),
        labels=steps.stages[f"label {PLACE}"],
        labeler=settings.labeler.name,
        asr=settings.asr.name,
        taxonomy=parts.taxonomy(settings.taxonomy),
        gold_taxonomy=None if gold is None else parts.taxonomy(gold),
        executed=[key for key in executed if key in steps.stages.values()],
    )


class _Stops(Listener):
    """Passes events on and keeps the first failure."""

    def __init__(self, listener: Listener) -> None:
        self.executed: list[str] = []
        self.error: BaseException | None = None
        self.listener = listener
        for name in ("stage_started", "stage_retried", "workers_changed", "tick", "note"):
            setattr(self, name, getattr(listener, name))

    def stage_ended(self, node: Node, report: StageReport) -> None:
        if not report.reused:
            self.executed.append(node.key)
        self.listener.stage_ended(node, report)

    def stage_failed(self, node: Node, error: BaseException) -> None:
        self.error = self.error or error
        self.listener.stage_failed(node, error)


def _run(
    experiment: Experiment, parts: Parts, listener: Listener, turns: Sequence[set[str]]
) -> list[str]:
    """Runs the stages that are not in the store, turn by turn, and returns their keys."""
    store = parts.store
    plan = Plan(experiment, [], dict(parts.nodes), parts.manifests, parts.registry.plugin_dirs)
    to_run = {key: node for key, node in plan.nodes.items() if key not in store}
    listener.planned(plan, to_run)
    if not to_run:
        return []
    ref = experiment.executor
    executor = parts.registry.create("executor", ref.name, ref.options)
    stops, finished = _Stops(listener), False
    try:
        for turn in turns:
            todo = {k: to_run[k] for k in to_run if k in turn and k not in stops.executed}
            scheduler = Scheduler(plan, todo, executor, store, stops, fail_fast=True)
            scheduler.run()
            if stops.error is not None:
                raise stops.error
        finished = scheduler.is_idle
    finally:
        executor.close(cancel=not finished)
    return stops.executed

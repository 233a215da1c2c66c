"""Weak labels of a corpus or of single texts, without training anything.

`label_corpus` and `label_texts` are the Python twins of ``lanser-bench label``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..data.manifest import BuiltManifest
from ..errors import SettingsError
from ..kinds import Labeler
from ..kinds.executor import StageReport
from ..kinds.labeler import TextRecord
from ..plugins.discovery import Registry, registry
from ..store import Store
from ..taxonomy import Taxonomy
from .planning.chain import Chain
from .planning.corpus_steps import Prepared
from .planning.memo import Parts, Progress
from .planning.plan import Node, Plan
from .running.running import data_notes
from .running.scheduler import Listener, Scheduler
from .settings.files import read_experiment
from .settings.grid import expand
from .settings.model import DatasetRef

PLACE = "corpora.0"


@dataclass(frozen=True)
class LabelledCorpus:
    """Where the weak labels of a corpus lie, and what they were made with."""

    store: Store
    dataset: str
    """The dataset plugin's name."""
    manifest: BuiltManifest
    utterances: str
    """Key of the manifest, or of its segmentation."""
    transcripts: str | None
    """Key of the transcripts; None where the labeler reads no text."""
    labels: str
    """Key of the weak labels."""
    labeler: str
    asr: str
    taxonomy: Taxonomy
    gold_taxonomy: Taxonomy | None
    """Of the dataset's human labels; None if it has none."""
    executed: list[str] = field(default_factory=list)
    """Keys of the stages that ran; the others were in the store."""


def label_corpus(
    dataset: str | Mapping[str, Any],
    labeler: str | Mapping[str, Any],
    taxonomies: str | Sequence[str],
    *,
    overrides: Sequence[str] = (),
    plugin_dirs: Iterable[Path] = (),
    listener: Listener | None = None,
    progress: Progress | None = None,
) -> list[LabelledCorpus]:
    """Labels a corpus by one or several taxonomies through manifest, transcripts and label stage.

    Everything is kept in the store under the keys that an experiment would use, so nothing is
    computed twice: not here, nor in a later ``lanser-bench run`` with the same settings.

    Args:
        dataset: a dataset as in an experiment: its name, or a mapping with ``dataset``, ``root``,
            ``limit``, ``on_bad_audio`` and its options.
        labeler: the labeler as in an experiment.
        taxonomies: a name or the path of a YAML file, or several.
        overrides: ``key=value`` of an experiment, such as ``asr=faster-whisper``,
            ``label.temperature=2`` or ``paths.store=/tmp/store``. Transcripts come from `reference`
            unless ``asr`` says otherwise.
        plugin_dirs: folders of loose plugin files.
        listener: hears what happens.
        progress: called while recordings are read for the first time.

    Returns:
        One per taxonomy.

    Raises:
        LanserError: settings, plugins, taxonomies or datasets that cannot be used, or a stage that
            failed with a sentence of its own.
    """
    wanted = [taxonomies] if isinstance(taxonomies, str) else list(taxonomies)
    settings = {
        "name": "label",
        "corpora": [dataset],
        "targets": [dataset],
        "labeler": labeler,
        "taxonomy": wanted[0],
        "encoder": "logmel-stats",
        "trackers": [],
    }
    plugins = registry(tuple(Path(folder) for folder in plugin_dirs))
    file = read_experiment(settings | {"grid": {"taxonomy": wanted}}, overrides)
    points = expand(file)
    experiment = points[0].settings
    store = Store(experiment.paths.store, experiment.paths.shared)
    parts = Parts(plugins, store, "lanser-bench label", None, progress)
    chains = [(Chain(parts, point), dict[str, str]()) for point in points]
    prepared = [
        chain.labelled(PLACE, point.settings.corpora[0], stages)
        for (chain, stages), point in zip(chains, points, strict=True)
    ]
    nodes = dict(parts.nodes)
    plan = Plan(experiment, [], nodes, parts.manifests, plugins.plugin_dirs)
    listener = listener or Listener()
    for manifest in parts.manifests.values():
        for sentence in data_notes(manifest):
            listener.note(sentence)
    executed = _run(plan, plugins, store, listener)
    return [
        _labelled(parts, chain, stages, one, executed)
        for (chain, stages), one in zip(chains, prepared, strict=True)
    ]


def _labelled(
    parts: Parts, chain: Chain, stages: dict[str, str], prepared: Prepared, executed: list[str]
) -> LabelledCorpus:
    settings, gold = chain.settings, prepared.dataset.card.taxonomy
    return LabelledCorpus(
        store=parts.store,
        dataset=prepared.name,
        manifest=prepared.manifest,
        utterances=prepared.utterances,
        transcripts=stages.get(f"transcribe {PLACE}"),
        labels=stages[f"label {PLACE}"],
        labeler=settings.labeler.name,
        asr=settings.asr.name,
        taxonomy=parts.taxonomy(settings.taxonomy),
        gold_taxonomy=None if gold is None else parts.taxonomy(gold),
        executed=[key for key in executed if key in stages.values()],
    )


class _Stops(Listener):
    """Passes on what happens and keeps the first failure."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.executed: list[str] = []
        self.error: BaseException | None = None

    def stage_started(self, node: Node) -> None:
        self.listener.stage_started(node)

    def stage_ended(self, node: Node, report: StageReport) -> None:
        if not report.reused:
            self.executed.append(node.key)
        self.listener.stage_ended(node, report)

    def stage_failed(self, node: Node, error: BaseException) -> None:
        self.error = self.error or error
        self.listener.stage_failed(node, error)

    def tick(self, running: Mapping[str, Node]) -> None:
        self.listener.tick(running)


def _run(plan: Plan, plugins: Registry, store: Store, listener: Listener) -> list[str]:
    """Runs the stages that are not in the store and returns their keys."""
    to_run = {key: node for key, node in plan.nodes.items() if key not in store}
    listener.planned(plan, to_run)
    if not to_run:
        return []
    ref = plan.experiment.executor
    executor = plugins.create("executor", ref.name, ref.options)
    stops, finished = _Stops(listener), False
    try:
        Scheduler(plan, to_run, executor, store, stops, fail_fast=True).run()
        finished = stops.error is None
    finally:
        executor.close(cancel=not finished)
    if stops.error is not None:
        raise stops.error
    return stops.executed


def label_texts(
    plugin: Labeler[Any], name: str, texts: Sequence[str], taxonomy: Taxonomy
) -> list[dict[str, Any]]:
    """Labels texts at once, as the label stage would with its default settings.

    Args:
        plugin: the labeler.
        name: its name, for messages.
        texts: n texts.
        taxonomy: the labels.

    Returns:
        Per text: text, label (None if it abstained), confidence, scores by label in the taxonomy's
        order, abstained, reason (None if there is a label), truncated (whether the labeler read a
        part of it only).

    Raises:
        PluginError: the labeler breaks its contract.
        SettingsError: it reads human labels, which a bare text does not have.
    """
    import numpy as np

    from ..stages.label.decision import checked_scores, decide
    from ..stages.label.records import blanked, checked_reads
    from ..stages.label.spec import Params

    reads = checked_reads(plugin, name)
    if "gold" in reads:
        raise SettingsError(
            f"labeler '{name}' reads human labels, and a bare sentence has none. Use it in an "
            "experiment on a labelled dataset."
        )
    records = [TextRecord(id=text, text=text.strip()) for text in texts]
    scores = checked_scores(plugin, name, [blanked(r, reads, r.id) for r in records], taxonomy)
    # As in the stage: whoever does not read the text is not stopped by its absence.
    empty = np.array([not record.text for record in records]) if "text" in reads else None
    decision = decide(scores.values, scores.kind, scores.abstained, taxonomy, Params(), empty=empty)
    return [
        {
            "text": text,
            "label": taxonomy.names[index] if index >= 0 else None,
            "confidence": round(confidence, 6),
            "scores": {n: round(v, 6) for n, v in zip(taxonomy.names, row, strict=True)},
            "abstained": index < 0,
            "reason": reason,
            "truncated": truncated,
        }
        for text, index, confidence, row, reason, truncated in zip(
            texts,
            decision.index.tolist(),
            decision.confidence.tolist(),
            decision.scores.tolist(),
            decision.reasons,
            [False] * len(texts) if scores.truncated is None else scores.truncated.tolist(),
            strict=True,
        )
    ]


def dataset_ref(name: str, root: Path | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a dataset as an experiment writes it; unknown keys are the plugin's own options."""
    own = {key: value for key, value in options.items() if key in DatasetRef.model_fields}
    rest = {key: value for key, value in options.items() if key not in DatasetRef.model_fields}
    place = {} if root is None else {"root": str(root)}
    return {"dataset": name, **place, **own, "options": rest}

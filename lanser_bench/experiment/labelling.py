"""Weak labels of a corpus or of single texts, without training.

`label_corpus` and `label_texts` are the Python twins of ``lanser-bench label``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..data.manifest import BuiltManifest
from ..errors import SettingsError
from ..kinds import Labeler
from ..kinds.executor import StageReport
from ..kinds.labeler import TextRecord
from ..languages import language_code
from ..plugins.discovery import registry
from ..plugins.identity import check_plugin
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

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from ..stages.label.decision import Decision

PLACE = "corpora.0"
BATCH = 256
"""Bare texts that a labeler is given at a time."""


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


def label_corpus(
    dataset: str | Mapping[str, Any],
    labeler: str | Mapping[str, Any],
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
        labeler: the labeler as in an experiment.
        taxonomies: a name or the path of a YAML file, or several.
        overrides: ``key=value`` of an experiment, such as ``asr=faster-whisper``,
            ``label.temperature=2`` or ``paths.store=/tmp/store``. Transcripts come from `reference`
            unless ``asr`` is set.
        plugin_dirs: folders of loose plugin files.
        listener: receives the events.

    Returns:
        One per taxonomy.

    Raises:
        LanserError: settings, plugins, taxonomies or datasets that cannot be used, or a stage that
            failed.
    """
    names = [taxonomies] if isinstance(taxonomies, str) else list(taxonomies)
    points = expand(read_experiment(_settings(dataset, labeler, names), overrides))
    listener = listener or Listener()
    paths = points[0].settings.paths
    parts = Parts(
        registry(tuple(Path(folder) for folder in plugin_dirs)),
        Store(paths.store, paths.shared),
        "lanser-bench label",
        None,
        listener.reading,
    )
    planned = []
    for point in points:
        look_up_labeler(parts, point.settings)  # before recordings are read, which takes long
        steps = Steps(parts, point)
        prepared = steps.prepare(PLACE, point.settings.corpora[0])
        steps.labels(PLACE, prepared)
        planned.append((steps, prepared))
    for manifest in parts.manifests.values():
        for sentence in data_notes(manifest):
            listener.note(sentence)
    executed = _run(points[0].settings, parts, listener)
    return [_labelled(steps, prepared, executed) for steps, prepared in planned]


def _settings(
    dataset: str | Mapping[str, Any], labeler: str | Mapping[str, Any], taxonomies: list[str]
) -> dict[str, Any]:
    return {
        "name": "label",
        "corpora": [dataset],
        "targets": [dataset],
        "labeler": labeler,
        "taxonomy": taxonomies[0],
        "encoder": "logmel-stats",
        "trackers": [],
        "grid": {"taxonomy": taxonomies},
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
        self.stage_started = listener.stage_started  # type: ignore[method-assign]
        self.tick = listener.tick  # type: ignore[method-assign]

    def stage_ended(self, node: Node, report: StageReport) -> None:
        if not report.reused:
            self.executed.append(node.key)
        self.listener.stage_ended(node, report)

    def stage_failed(self, node: Node, error: BaseException) -> None:
        self.error = self.error or error
        self.listener.stage_failed(node, error)


def _run(experiment: Experiment, parts: Parts, listener: Listener) -> list[str]:
    """Runs the stages that are not in the store and returns their keys."""
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
        Scheduler(plan, to_run, executor, store, stops, fail_fast=True).run()
        finished = stops.error is None
    finally:
        executor.close(cancel=not finished)
    if stops.error is not None:
        raise stops.error
    return stops.executed


def label_texts(
    plugin: Labeler[Any],
    name: str,
    texts: Sequence[str],
    taxonomy: Taxonomy,
    language: str = "",
) -> list[dict[str, Any]]:
    """Labels texts as the label stage does with its default settings.

    Args:
        plugin: the labeler.
        name: its name, for messages.
        texts: n texts.
        taxonomy: the labels.
        language: language of the texts, if known; labels are worded in it if the taxonomy can.

    Returns:
        Per text: text, label (None after an abstention), confidence, scores by label in the
        taxonomy's order, abstained, reason (None with a label), truncated (whether the labeler read
        only a part of it).

    Raises:
        PluginError: the labeler violates its contract.
        SettingsError: it reads human labels, which a text does not have, or the language is
            unknown.
    """
    try:
        code = language_code(language) or ""
    except ValueError as error:
        raise SettingsError(str(error)) from None
    check_plugin("labeler", name, plugin)
    records = [TextRecord(id=text, text=text.strip(), language=code) for text in texts]
    worded = taxonomy.in_language(code) if plugin.worded_in(code) else taxonomy
    decision, truncated = decided_texts(plugin, name, records, worded)
    return [
        {
            "text": text,
            "label": taxonomy.names[index] if index >= 0 else None,
            "confidence": round(confidence, 6),
            "scores": {n: round(v, 6) for n, v in zip(taxonomy.names, row, strict=True)},
            "abstained": index < 0,
            "reason": reason,
            "truncated": cut,
        }
        for text, index, confidence, row, reason, cut in zip(
            texts,
            decision.index.tolist(),
            decision.confidence.tolist(),
            decision.scores.tolist(),
            decision.reasons,
            truncated.tolist(),
            strict=True,
        )
    ]


def decided_texts(
    plugin: Labeler[Any], name: str, records: Sequence[TextRecord], taxonomy: Taxonomy
) -> tuple[Decision, npt.NDArray[np.bool_]]:
    """Labels n bare texts at once, as the label stage would with its default settings.

    Returns:
        The labels, and which texts the labeler read only in part, shape (n,).

    Raises:
        PluginError: the labeler breaks its contract.
        SettingsError: it reads human labels or audio, which a bare text does not have.
    """
    import numpy as np

    from ..stages.label.decision import checked_scores, decide
    from ..stages.label.records import blanked, checked_reads
    from ..stages.label.spec import Params

    reads = checked_reads(plugin, name)
    for needed, what in (("gold", "human labels"), ("audio", "recordings")):
        if needed in reads:
            raise SettingsError(
                f"labeler '{name}' reads {what}, and a text has none. Use it in an experiment on a "
                f"dataset with {what}."
            )
    batches = [records[i : i + BATCH] for i in range(0, max(len(records), 1), BATCH)]
    parts = [
        checked_scores(plugin, name, [blanked(r, reads, r.id) for r in batch], taxonomy)
        for batch in batches
    ]
    values = np.concatenate([part.values for part in parts])
    abstained = np.concatenate([part.abstained for part in parts])
    # As in the stage, an empty text does not stop a labeler that does not read texts.
    empty = np.array([not record.text for record in records]) if "text" in reads else None
    decision = decide(values, parts[0].kind, abstained, taxonomy, Params(), empty=empty)
    none = np.zeros(len(records), dtype=bool)
    cut = [none[: len(p.values)] if p.truncated is None else p.truncated for p in parts]
    return decision, np.concatenate(cut)

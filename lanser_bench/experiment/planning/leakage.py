"""What a labelled set shares with itself and with corpora, before anything is computed from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...data.manifest import BuiltManifest, build_manifest
from ...data.utterances import UtteranceTable, read_utterances
from ...errors import LeakageError
from ...evaluation.folds import Fold
from ...evaluation.leakage import Side, overlap, sentence_warnings
from ...evaluation.official import check_official
from ...plugins.discovery import Registry
from ...plugins.taxonomies import find_taxonomy
from ...stages.evaluate import spec as evaluate
from ...stages.task import fold_warnings, folds_of, labelled
from ...store import Store
from ..settings.model import DatasetRef


@dataclass
class LeakageReport:
    """What a look for leakage found."""

    dataset: str
    protocol: str
    folds: int = 0
    refused: list[str] = field(default_factory=list)
    """Sentences that name the utterances; a run with these folds would be refused."""
    warnings: list[str] = field(default_factory=list)
    """What a run tells beside its result."""
    identical: list[tuple[str, ...]] = field(default_factory=list)
    """Ids of utterances that are the same bytes, each group once."""


def leakage_report(
    registry: Registry,
    store: Store,
    target: DatasetRef,
    corpora: Sequence[DatasetRef] = (),
    params: evaluate.Params | None = None,
    seed: int = 0,
) -> LeakageReport:
    """Looks for speakers, recordings and sentences on both sides of a target's folds.

    Args:
        registry: the plugins.
        store: where manifests are kept.
        target: the labelled set.
        corpora: sets to pre-train on: what of the target is in them?
        params: protocol and folds of the evaluation; by default its own defaults.
        seed: seed of the folds.

    Raises:
        LanserError: a dataset that cannot be read, or a protocol that it does not have.
    """
    settings = params or evaluate.Params()
    plugin = registry.create("dataset", target.dataset, target.options)
    where = f"dataset '{target.dataset}'"
    check_official(plugin, where, settings.protocol, target.limit)
    table = read_utterances(_built(registry, store, target).artifact)
    report = LeakageReport(target.dataset, settings.protocol, identical=identical(table))
    if plugin.card.taxonomy is not None:
        names = find_taxonomy(registry, plugin.card.taxonomy).names
        _check_folds(report, table, names, settings, plugin.protocols, seed)
    for corpus in corpora:
        other = read_utterances(_built(registry, store, corpus).artifact)
        _check_corpus(report, table, other, corpus.dataset)
    return report


def identical(table: UtteranceTable) -> list[tuple[str, ...]]:
    """Returns the groups of utterances that are the same span of the same bytes."""
    found: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    for name, sha, start, end in zip(
        table.ids, table.audio_sha, table.start, table.end, strict=True
    ):
        if sha is not None:
            found[sha, start, end].append(name)
    return [tuple(names) for names in found.values() if len(names) > 1]


def _built(registry: Registry, store: Store, ref: DatasetRef) -> BuiltManifest:
    root = None if ref.root is None else Path(ref.root)
    return build_manifest(
        registry, store, ref.dataset, ref.options, root, ref.on_bad_audio, ref.limit
    )


def _check_folds(
    report: LeakageReport,
    table: UtteranceTable,
    names: Sequence[str],
    params: evaluate.Params,
    official: Mapping[str, str],
    seed: int,
) -> None:
    kept, folds = planned_folds(table, names, params, official, seed)
    report.folds = len(folds)
    try:
        report.warnings += fold_warnings(table, kept, folds)
    except LeakageError as error:
        report.refused.append(str(error))


def planned_folds(
    table: UtteranceTable,
    names: Sequence[str],
    params: evaluate.Params,
    official: Mapping[str, str],
    seed: int,
) -> tuple[list[int], list[Fold]]:
    """Returns the positions of the labelled utterances and the folds that a run makes of them.

    Args:
        table: the labelled set.
        names: labels of its gold taxonomy.
        params: protocol and folds of the evaluation.
        official: the set's official protocols → protocol that makes their folds.
        seed: decides ties.

    Raises:
        DataError: too few labels or speakers, or no such split.
        SettingsError: there is no such protocol.
    """
    kept, data, _ = labelled(table, names)
    by = evaluate.folds_by(params, official)
    return kept, folds_of(table, kept, data, by, params.folds, seed)


def _check_corpus(
    report: LeakageReport, table: UtteranceTable, other: UtteranceTable, name: str
) -> None:
    corpus, target = Side(other, range(len(other))), Side(table, range(len(table)))
    shared = overlap([corpus], target)
    if shared:
        report.refused.append(
            f"pre-training on {name} hears {shared} of the target. A run that learns this corpus' "
            "human labels is refused; any other counts it and tells it below the table. Pre-train "
            "on other speakers."
        )
    report.warnings += sentence_warnings(corpus, target, f"pre-training on {name}")

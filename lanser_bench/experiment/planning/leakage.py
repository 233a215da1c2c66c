"""Leakage of a labelled set between its folds and from corpora, before anything is computed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...data.manifest import build_manifest
from ...data.utterances import UtteranceTable, read_utterances
from ...errors import DataError, LeakageError
from ...evaluation.folds import Fold
from ...evaluation.leakage import Side, named_label_warning, overlap, sentence_warnings
from ...evaluation.official import check_official
from ...plugins.discovery import Registry
from ...plugins.taxonomies import find_taxonomy
from ...stages.evaluate import spec as evaluate
from ...stages.task import fold_warnings, folds_of, labelled
from ...store import Store
from ..settings.model import DatasetRef


@dataclass
class LeakageReport:
    """Results of a check for leakage."""

    dataset: str
    protocol: str
    folds: int = 0
    refused: list[str] = field(default_factory=list)
    """Sentences that name utterances; a run with these folds would be refused."""
    warnings: list[str] = field(default_factory=list)
    """Warnings that a run shows with its result."""
    identical: list[tuple[str, ...]] = field(default_factory=list)
    """Groups of ids of utterances with the same bytes."""


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
        corpora: sets to pre-train on, which may contain speech of the target.
        params: protocol and folds of the evaluation; by default its own defaults.
        seed: seed of the folds.

    Raises:
        LanserError: a dataset that cannot be read, or a protocol that it does not have.
    """

    def table_of(ref: DatasetRef) -> UtteranceTable:
        built = build_manifest(
            registry, store, ref.dataset, ref.options, ref.root, ref.on_bad_audio, ref.part
        )
        return read_utterances(built.artifact)

    settings = params or evaluate.Params()
    plugin = registry.create("dataset", target.dataset, target.options)
    where = f"dataset '{target.dataset}'"
    check_official(plugin, where, settings.protocol, target.part)
    table = table_of(target)
    report = LeakageReport(target.dataset, settings.protocol, identical=_identical(table))
    if plugin.card.taxonomy is not None:
        names = find_taxonomy(registry, plugin.card.taxonomy).names
        kept, folds = planned_folds(table, names, settings, plugin.protocols, seed, where)
        report.folds = len(folds)
        gold = [names[label] for label in table.labels(names, settings.votes)[kept]]
        named = named_label_warning([table.transcripts[p] for p in kept], gold)
        report.warnings += [named] if named else []
        try:
            report.warnings += fold_warnings(table, kept, folds)
        except LeakageError as error:
            report.refused.append(str(error))
    for corpus in corpora:
        _check_corpus(report, table, table_of(corpus), corpus.dataset)
    return report


def _identical(table: UtteranceTable) -> list[tuple[str, ...]]:
    """Returns the groups of utterances that are the same span of the same bytes."""
    names: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    spans = zip(table.audio_sha, table.start, table.end, strict=True)
    for name, span in zip(table.ids, spans, strict=True):
        if span[0] is not None:
            names[span].append(name)
    return [tuple(group) for group in names.values() if len(group) > 1]


def planned_folds(
    table: UtteranceTable,
    names: Sequence[str],
    params: evaluate.Params,
    official: Mapping[str, str],
    seed: int,
    where: str,
) -> tuple[list[int], list[Fold]]:
    """Returns the positions of the labelled utterances and the folds that a run makes of them.

    Args:
        table: the labelled set.
        names: labels of its gold taxonomy.
        params: protocol and folds of the evaluation.
        official: the set's official protocols → protocol that makes their folds.
        seed: decides ties.
        where: begins messages.

    Raises:
        DataError: too few labels or speakers, or no such split.
        SettingsError: unknown protocol.
    """
    by = evaluate.folds_by(params, official)
    try:
        kept, data, _ = labelled(table, names, params.votes)
        return kept, folds_of(table, kept, data, by, params.folds, seed)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None


def _check_corpus(
    report: LeakageReport, table: UtteranceTable, other: UtteranceTable, name: str
) -> None:
    corpus, target = Side(other, range(len(other))), Side(table, range(len(table)))
    shared = overlap([corpus], target)
    if shared:
        report.refused.append(
            f"pre-training on {name} uses {shared} of the target. A run that learns human labels "
            "of this corpus is refused; any other run reports the overlap below the table. "
            "Pre-train on other speakers."
        )
    report.warnings += sentence_warnings(corpus, target, f"pre-training on {name}")

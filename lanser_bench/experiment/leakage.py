"""What a labelled set shares with itself and with corpora, before anything is computed from it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import LeakageError
from ..evaluation.folds import make_folds
from ..evaluation.leakage import Side, check_leakage
from ..manifest import BuiltManifest, build_manifest
from ..plugins import Registry
from ..stages import evaluate
from ..stages._task import checked, labelled
from ..store import Store
from ..taxonomy import find_taxonomy
from ..utterances import UtteranceTable, read_utterances
from .settings import DatasetRef


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
    kept, data, _ = labelled(table, names)
    folds = make_folds(
        evaluate.folds_by(params, official),
        ids=data.ids,
        speakers=data.speakers,
        labels=data.labels,
        seed=seed,
        k=params.folds,
        splits=[table.splits[p] for p in kept],
        sessions=[table.extras[p].get("session") for p in kept],
    )
    report.folds = len(folds)
    try:
        report.warnings += checked(table, kept, folds)
    except LeakageError as error:
        report.refused.append(str(error))


def _check_corpus(
    report: LeakageReport, table: UtteranceTable, other: UtteranceTable, name: str
) -> None:
    where = f"pre-training on {name}"
    everything = Side(other, range(len(other))), Side(table, range(len(table)))
    try:
        report.warnings += check_leakage(*everything, where)
    except LeakageError as error:
        report.refused.append(str(error))

"""Compares labelers as labelers: agreement with gold, paired differences and cost.

All labels are of the same utterances in one taxonomy. An abstention counts as a miss.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from ..._face import Tabled
from ...errors import DataError, SettingsError, did_you_mean
from ...evaluation.agreement import Units, agreement, share
from ...evaluation.label_quality import (
    SCALES,
    LabelRows,
    QualitySums,
    distances,
    label_sums,
    never_given,
    statistics,
    units_of,
)
from ...evaluation.results import Metric
from ...evaluation.statistics import metric
from ...experiment.labelling import LabelledCorpus
from ...stages.maps.sharding import ROWS
from ...taxonomy import Taxonomy
from .costs import Cost, cost_of
from .pairs import Pair, over_units, paired
from .quality import Compared, Material, compare, several_labels
from .report import read_material

SCORES = {"uar": "UAR", "kappa": "kappa", "jsd": "JSD", "brier": "Brier"}
"""Scores by which labelers are ranked and compared → their name in tables."""


@dataclass(frozen=True)
class Rung:
    """One labeler."""

    labeler: str
    scores: dict[str, Metric] = field(metadata={"inline": True})
    """`SCORES`, ``wa``, ``macro_f1``, ``coverage``, and ``hit`` if some rows have several gold
    labels; without ``jsd`` and ``brier`` if the gold labels are no votes."""
    never_given: list[str]
    cost: Cost | None
    """Per 1,000 utterances."""
    options: dict[str, Any]


@dataclass(frozen=True)
class Ladder(Tabled):
    """Several labelers on the same utterances, the best one first."""

    dataset: str
    utterances: int
    rows: int
    """Utterances with one gold label, on which labelers are compared."""
    taxonomy: str
    compared_in: str
    metric: str
    """The score of the differences."""
    intervals_over: str
    speakers: int | None
    chance: float
    """UAR of an answer that ignores the input."""
    rungs: list[Rung]
    pairs: list[Pair]
    """Each rung with each lower one."""

    def to_best(self, rung: Rung) -> Pair | None:
        """Returns the pair of the best labeler and another one."""
        ends = self.rungs[0].labeler, rung.labeler
        return next((pair for pair in self.pairs if (pair.a, pair.b) == ends), None)


@dataclass(frozen=True)
class _Labels:
    """One labeler's labels, compared with gold."""

    corpus: LabelledCorpus
    material: Material
    compared: Compared
    units: Units

    def rung(self, labeler: str) -> Rung:
        """Scores the labels."""
        compared, labels = self.compared, self.material.labels
        rows = np.flatnonzero(compared.single >= 0)
        gold, weak, mine = compared.single[rows], compared.weak[rows], self.units.part(rows)
        scores = agreement(gold, weak, len(compared.taxonomy.labels), mine)
        scores["coverage"] = share(labels.index >= 0, self.units)
        for name, statistic in statistics(self.sums).items():
            if name in ("jsd", "brier"):
                scores[name] = over_units(metric(statistic), self.units.kind)
        if several := several_labels(compared, self.units):
            scores["hit"] = Metric(**several["hit_in_gold_set"])
        never = never_given(self.sums)
        made = self.corpus.store.checked(self.corpus.labels).spec.plugins["labeler"]
        return Rung(labeler, scores, never, self._cost(), made.options)

    def _cost(self) -> Cost | None:
        store = self.corpus.store
        parts = store.checked(self.corpus.labels).meta["parts"]
        sizes = [pq.read_metadata(store.checked(p).path / ROWS).num_rows for p in parts]
        distinct = sum(sizes) / max(len(self.material.table), 1)
        return cost_of(store, self.corpus.labels, [n / 1000 / distinct for n in sizes])

    @cached_property
    def sums(self) -> QualitySums:
        """What paired differences are computed from."""
        material, compared = self.material, self.compared
        same = compared.taxonomy.names == material.taxonomy.names
        matrix = None if same else material.taxonomy.map_to(compared.taxonomy)
        scores, given = material.labels.scores.astype(np.float64), material.labels.index
        rows = LabelRows(
            given.astype(np.int64),
            compared.single,
            compared.weak,
            distances(scores, matrix, compared.weak >= 0, compared.shares),
        )
        units = units_of(material.table.speakers)
        return label_sums(rows, units, material.taxonomy.names, compared.taxonomy.names)


def check_score(by: str) -> None:
    """Raises a `SettingsError` for an unknown score."""
    if by not in SCORES:
        raise SettingsError(f"Labelers have no score '{by}'.{did_you_mean(by, SCORES)}")


def compare_labelers(
    corpora: Mapping[str, LabelledCorpus], *, by: str = "uar", compare_in: Taxonomy | None = None
) -> Ladder:
    """Compares labelers of the same corpus.

    Args:
        corpora: name of a labeler → its labels, as `label_corpus` returns them.
        by: one of `SCORES`; it ranks labelers, and differences are differences in it.
        compare_in: taxonomy in which labels and gold are compared, see `quality`.

    Raises:
        SettingsError: unknown metric.
        DataError: no utterance has one gold label.
        TaxonomyError: there is no map between the taxonomies of labels and gold.
    """
    check_score(by)
    labels = {name: _labels(corpus, compare_in) for name, corpus in corpora.items()}
    first = next(iter(labels.values()))
    rows = np.flatnonzero(first.compared.single >= 0)
    sums = {name: each.sums for name, each in labels.items()}
    if not len(rows) or by not in statistics(first.sums):
        raise DataError(
            f"No utterance of '{first.corpus.dataset}' has exactly one human label to compare "
            "labelers with. Name a labelled dataset, or its column of labels."
        )
    sign = 1 if SCALES[by].lower_is_better else -1
    rungs = sorted(
        (each.rung(name) for name, each in labels.items()),
        key=lambda rung: sign * rung.scores[by].value,
    )
    units = first.units
    return Ladder(
        dataset=first.corpus.dataset,
        utterances=len(first.material.table),
        rows=len(rows),
        taxonomy=first.corpus.taxonomy.name,
        compared_in=first.compared.taxonomy.name,
        metric=by,
        intervals_over=units.kind,
        speakers=None if units.speakers is None else len(set(units.speakers.tolist())),
        chance=1 / len(np.unique(first.compared.single[rows])),
        rungs=rungs,
        pairs=paired(sums, [rung.labeler for rung in rungs], by, units.kind),
    )


def check_gold(dataset: str, taxonomy: object) -> None:
    """Raises a `DataError` for a dataset whose human labels have no taxonomy."""
    if taxonomy is None:
        raise DataError(
            f"'{dataset}' has no human labels to compare labelers with. Name a labelled dataset, "
            "or its column of labels and their taxonomy."
        )


def _labels(corpus: LabelledCorpus, compare_in: Taxonomy | None) -> _Labels:
    material = read_material(corpus)
    check_gold(corpus.dataset, corpus.gold_taxonomy)
    units = Units.of(material.table.speakers)
    return _Labels(corpus, material, compare(material, compare_in), units)

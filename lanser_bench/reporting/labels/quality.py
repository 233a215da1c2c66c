"""Reports the quality of a corpus' weak labels as JSON, with and without gold labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from ...data.utterances import UtteranceTable
from ...errors import TaxonomyError
from ...evaluation import agreement
from ...evaluation.agreement import Units
from ...evaluation.arrays import Bools, Floats, Ints, Strings
from ...evaluation.metrics import confusion_matrix
from ...evaluation.results import Metric
from ...evaluation.risk_coverage import risk_coverage
from ...evaluation.zeroshot import choices, common_taxonomy
from ...kinds.asr import Transcript
from ...stages.label.decision import REASONS
from ...stages.label.files import LabelTable
from ...stages.label.summary import gold_matrix, label_use
from ...taxonomy import Taxonomy
from .calibration import calibration
from .ratings import rated

BINS = 5
"""Number of groups of equal size in which quality is shown."""
MIN_ROWS_OF_SPEAKER = 5


@dataclass(frozen=True)
class Material:
    """The labelled utterances and their labels, all in one order."""

    table: UtteranceTable
    texts: list[str]
    """The texts that the labeler read."""
    transcripts: Mapping[str, Transcript] | None
    """By utterance id; None without transcripts of a recogniser."""
    labels: LabelTable
    taxonomy: Taxonomy
    gold_taxonomy: Taxonomy | None
    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Extra with human ratings of a dimension → ends of its scale."""


@dataclass(frozen=True)
class Compared:
    """Weak labels and gold in one taxonomy."""

    taxonomy: Taxonomy
    weak: Ints
    """Shape (n,): position of the weak label; −1 without a label or a counterpart."""
    single: Ints
    """Shape (n,): position of the gold label; −1 unless there is exactly one."""
    sets: Bools
    """Shape (n, K): all gold labels."""
    shares: Floats
    """Shape (n, K): share of the gold votes; 0 for a set of labels that are not votes."""


def quality(material: Material, compare_in: Taxonomy | None = None) -> dict[str, Any]:
    """Returns the whole report as JSON values.

    Weak labels and gold are compared in the taxonomy `compare_in`; by default in that of the gold
    labels, or that of the weak labels if only gold labels can be mapped.

    Raises:
        TaxonomyError: `compare_in` is set, and there is no map to it.
    """
    units = Units.of(material.table.speakers)
    report: dict[str, Any] = {"utterances": len(material.table), "intervals_over": units.kind}
    report |= _without_gold(material, units)
    report["rated"] = rated(
        material.table, material.labels, material.taxonomy, material.scales, units
    )
    report["by"] = _groups(material, None, units)
    if material.gold_taxonomy is None or not any(material.table.gold):
        return report | {"gold": None}
    try:
        compared = compare(material, compare_in)
    except TaxonomyError as error:
        if compare_in is not None:
            raise
        return report | {"gold": {"compared": False, "reason": str(error)}}
    report["by"] = _groups(material, compared, units)
    return report | {"gold": _with_gold(material, compared, units)}


def compare(material: Material, compare_in: Taxonomy | None = None) -> Compared:
    """Maps weak labels and gold labels to one taxonomy.

    A gold distribution counts as its label with the most weight, unless two share it. Several gold
    labels that map to the same label count as one.

    Raises:
        TaxonomyError: there is no map.
    """
    gold_taxonomy = material.gold_taxonomy
    assert gold_taxonomy is not None
    target = compare_in or common_taxonomy(material.taxonomy, gold_taxonomy)
    weights = gold_matrix(material.table, gold_taxonomy) @ gold_taxonomy.map_to(target)
    sets = weights > 0
    single = np.where(sets.sum(1) == 1, weights.argmax(1), -1)
    top = np.sort(weights, axis=1)
    leads = top[:, -1] > (top[:, -2] if weights.shape[1] > 1 else 0) + 1e-9
    spread = np.array([kind == "distribution" for kind in material.table.gold_kinds], dtype=bool)
    single = np.where(spread & leads, weights.argmax(1), single).astype(np.int64)
    total = weights.sum(1, keepdims=True)
    voted = (total > 0) & (spread | (sets.sum(1) == 1))[:, None]
    shares = np.divide(weights, total, out=np.zeros_like(weights), where=voted)
    return Compared(target, _weak_in(material, target), single, sets, shares)


def _weak_in(material: Material, target: Taxonomy) -> Ints:
    chosen = material.labels.index.astype(np.int64)
    if target.names == material.taxonomy.names:
        return chosen
    scores = material.labels.scores.astype(np.float64)
    return choices(scores, material.taxonomy.map_to(target), chosen < 0)


def _without_gold(material: Material, units: Units) -> dict[str, Any]:
    labels = material.labels
    reasons = Counter(reason for reason in labels.reasons if reason is not None)
    return {
        **label_use(labels.index, labels.confidence, material.taxonomy).model_dump(mode="json"),
        "coverage": _shown(agreement.share(labels.index >= 0, units)),
        "abstained": {reason: reasons[reason] for reason in REASONS if reasons[reason]},
    }


def _with_gold(material: Material, compared: Compared, units: Units) -> dict[str, Any]:
    names, k = compared.taxonomy.names, len(compared.taxonomy.labels)
    rows = np.flatnonzero(compared.single >= 0)
    gold, weak, mine = compared.single[rows], compared.weak[rows], units.part(rows)
    answered = weak >= 0
    any_gold = compared.sets.any(1)
    had_gold = np.array([bool(gold) for gold in material.table.gold], dtype=bool)
    return {
        "compared": True,
        "taxonomy": compared.taxonomy.name,
        "labels": names,
        "rows_with_gold": int(had_gold.sum()),
        "gold_without_counterpart": int((had_gold & ~any_gold).sum()),
        "rows_with_one_label": len(rows),
        "labels_without_counterpart": int(
            ((material.labels.index >= 0) & (compared.weak < 0)).sum()
        ),
        "speakers": None if units.speakers is None else len(set(units.speakers.tolist())),
        "abstention_is_wrong": _all_shown(agreement.agreement(gold, weak, k, mine)),
        "abstention_left_out": _all_shown(
            agreement.agreement(gold[answered], weak[answered], k, mine.part(answered))
        )
        if answered.any()
        else None,
        "per_class": [
            {"label": name, **{key: _shown(value) for key, value in scores.items()}}
            for name, scores in zip(names, agreement.per_class(gold, weak, k, mine), strict=True)
        ],
        "confusion": confusion_matrix(gold[answered], weak[answered], k).tolist(),
        "several_labels": several_labels(compared, units),
        "risk_coverage": _risk(material, compared, rows, units),
        "calibration": _calibration(material, compared, units),
    }


def _calibration(material: Material, compared: Compared, units: Units) -> dict[str, Any] | None:
    rows = np.flatnonzero((compared.weak >= 0) & compared.shares.any(1))
    if not len(rows):
        return None
    scores = material.labels.scores[rows].astype(np.float64)
    if compared.taxonomy.names != material.taxonomy.names:
        scores = scores @ material.taxonomy.map_to(compared.taxonomy)
    confidence = material.labels.confidence[rows].astype(np.float64)
    shares, mine = compared.shares[rows], units.part(rows)
    return calibration(scores, confidence, compared.weak[rows], shares, mine)


def several_labels(compared: Compared, units: Units) -> dict[str, Any] | None:
    """Scores that include rows with several gold labels: any of them is a hit."""
    rows = np.flatnonzero(compared.sets.any(1) & (compared.weak >= 0))
    if not (compared.sets.sum(1) > 1).any() or not len(rows):
        return None
    sets, weak = compared.sets[rows], compared.weak[rows]
    hits = sets[np.arange(len(rows)), weak]
    given = np.bincount(weak, minlength=sets.shape[1])
    right = np.bincount(weak[hits], minlength=sets.shape[1])
    total = given + sets.sum(0)
    f1 = np.divide(2 * right, total, out=np.zeros(len(total)), where=total > 0)
    return {
        "rows": len(rows),
        "rows_with_several": int((sets.sum(1) > 1).sum()),
        "hit_in_gold_set": _shown(agreement.share(hits, units.part(rows))),
        "macro_f1": float(f1.mean()),
    }


def _risk(
    material: Material, compared: Compared, rows: Ints, units: Units
) -> dict[str, Any] | None:
    kept = rows[compared.weak[rows] >= 0]
    if not len(kept):
        return None
    right = compared.weak[kept] == compared.single[kept]
    confidence = material.labels.confidence[kept].astype(np.float64)
    found = risk_coverage(right, confidence, len(rows), units.part(kept))
    step = max(1, len(found.coverage) // 100)
    keep = sorted({*range(0, len(found.coverage), step), len(found.coverage) - 1})
    return {
        "area": _shown(found.area),
        "overall_risk": found.overall,
        "coverage": [round(found.coverage[i], 5) for i in keep],
        "risk": [round(found.risk[i], 5) for i in keep],
        "thresholds": [round(found.thresholds[i], 5) for i in keep],
    }


def _groups(
    material: Material, compared: Compared | None, units: Units
) -> dict[str, list[dict[str, Any]] | dict[str, Any]]:
    """Coverage, confidence and agreement by length, recogniser's confidence and speaker."""
    words = np.array([len(text.split()) for text in material.texts], dtype=np.float64)
    columns = {"words": words, "seconds": _numbers(material.table.seconds)}
    if material.transcripts is not None:
        heard = [material.transcripts.get(name) for name in material.table.ids]
        columns["asr_avg_logprob"] = _numbers([h.avg_logprob if h else None for h in heard])
        columns["asr_no_speech_prob"] = _numbers([h.no_speech_prob if h else None for h in heard])
    found: dict[str, Any] = {}
    for name, values in columns.items():
        known = np.isfinite(values)
        if len(np.unique(values[known])) > 1:
            found[name] = _bins(material, compared, values, known, units)
    if units.speakers is not None:
        found["speakers"] = _speakers(material, compared, units.speakers)
    return found


def _numbers(values: Sequence[float | None]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _bins(
    material: Material,
    compared: Compared | None,
    values: Floats,
    known: Bools,
    units: Units,
) -> list[dict[str, Any]]:
    edges = np.unique(np.quantile(values[known], np.linspace(0, 1, BINS + 1)[1:-1]))
    place = np.searchsorted(edges, values, side="right")
    found = []
    for number in range(len(edges) + 1):
        rows = np.flatnonzero(known & (place == number))
        if len(rows):
            bounds = {"low": float(values[rows].min()), "high": float(values[rows].max())}
            found.append(bounds | _one_group(material, compared, rows, units))
    return found


def _one_group(
    material: Material, compared: Compared | None, rows: Ints, units: Units
) -> dict[str, Any]:
    given = material.labels.index[rows] >= 0
    confidence = material.labels.confidence[rows][given]
    found: dict[str, Any] = {
        "utterances": len(rows),
        "coverage": float(given.mean()),
        "mean_confidence": float(confidence.mean()) if given.any() else None,
    }
    if compared is not None:
        kept = rows[(compared.single[rows] >= 0) & (compared.weak[rows] >= 0)]
        found["compared"] = len(kept)
        if len(kept):
            right = compared.weak[kept] == compared.single[kept]
            found["agreement"] = _shown(agreement.share(right, units.part(kept)))
    return found


def _speakers(material: Material, compared: Compared | None, speakers: Strings) -> dict[str, Any]:
    """Quantiles over the speakers with enough utterances."""
    names, unit = np.unique(speakers, return_inverse=True)
    given = (material.labels.index >= 0).astype(float)
    measured = {"coverage": _means(unit, len(names), given, np.ones(len(given), dtype=bool))}
    if compared is not None:
        kept = (compared.single >= 0) & (compared.weak >= 0)
        right = (compared.weak == compared.single).astype(float)
        measured["agreement"] = _means(unit, len(names), right, kept)
    marks = (0, 0.25, 0.5, 0.75, 1)
    found: dict[str, Any] = {"speakers": len(names), "least_utterances": MIN_ROWS_OF_SPEAKER}
    for name, means in measured.items():
        enough = means[np.isfinite(means)]
        found[name] = {
            "speakers": len(enough),
            "quantiles": [round(float(q), 4) for q in np.quantile(enough, marks)]
            if len(enough)
            else [],
        }
    return found


def _means(unit: Ints, n: int, values: Floats, kept: Bools) -> Floats:
    counts = np.bincount(unit[kept], minlength=n)
    sums = np.bincount(unit[kept], weights=values[kept], minlength=n)
    found = np.full(n, np.nan)
    np.divide(sums, counts, out=found, where=counts >= MIN_ROWS_OF_SPEAKER)
    return found


def _shown(value: Metric | int) -> Any:
    return value if isinstance(value, int) else asdict(value)


def _all_shown(scores: Mapping[str, Metric]) -> dict[str, Any]:
    return {name: _shown(score) for name, score in scores.items()}

"""The report's weak labels against human ones: confusions, confidence, surest errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from markupsafe import Markup

from ...errors import DataError
from ...evaluation.agreement import Units
from ...evaluation.arrays import Ints
from ...evaluation.results import Metric
from ...evaluation.risk_coverage import RiskCoverage, risk_coverage
from ...evaluation.soft_results import ReliabilityBin
from ...evaluation.summaries import LabelSummary
from ...records.record import ResultRecord
from ...records.weak_labels import CorpusLabels, corpus_labels, has_gold
from ..labels.calibration import confidence_error
from .charts import diagonal
from .clips import SHOWN, Clips
from .data import Records

PANELS = 8
"""Label sets with pictures; the table above them has all."""
POINTS = 100
"""Most points of a risk–coverage curve."""
KEPT = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Shares of the labels in the table beside the curve."""
FEW = 20
"""Fewer compared labels get no pictures."""


@dataclass(frozen=True)
class LabelSet:
    """Weak labels of one corpus that were compared with human ones."""

    name: str
    path: Path
    record: ResultRecord
    corpus: str
    """Key of the record's `labels`."""
    summary: LabelSummary


def label_sets(records: Records) -> list[LabelSet]:
    """Returns the distinct label sets with human labels, best kappa first, under unique names."""
    found: dict[str, LabelSet] = {}
    for path, record in records.files:
        for corpus, summary in record.labels.items():
            place, _, dataset = corpus.partition(" ")
            use = record.stages.get(f"label {place}")
            if use is None or not (has_gold(summary) and summary.gold and summary.gold.confusion):
                continue
            if use.key not in found or (
                record.weak_labels and found[use.key].record.weak_labels is None
            ):
                name = f"{record.labeler}, {summary.taxonomy}, {dataset}"
                found[use.key] = LabelSet(name, path, record, corpus, summary)
    names = Counter(one.name for one in found.values())
    unique = [
        replace(one, name=f"{one.name} ({one.record.group})") if names[one.name] > 1 else one
        for one in found.values()
    ]
    return sorted(unique, key=lambda one: -_kappa(one.summary))


def _kappa(summary: LabelSummary) -> float:
    scores = summary.against_gold
    return -1.0 if scores is None or scores.kappa is None else scores.kappa


def label_panels(records: Records, clips: Clips) -> list[dict[str, Any]]:
    """Returns what the template shows of each label set."""
    return [_panel(records, one, clips) for one in label_sets(records)[:PANELS]]


def _panel(records: Records, one: LabelSet, clips: Clips) -> dict[str, Any]:
    gold = one.summary.gold
    assert gold is not None
    panel: dict[str, Any] = {
        "name": one.name,
        "labels": gold.labels,
        "confusion": _shaded(gold.labels, gold.confusion),
        "trust": None,
        "errors": [],
        "why": "",
    }
    if one.record.weak_labels is None:
        panel["why"] = (
            "Reliability, risk and errors need the file of weak labels, which records of schema "
            "versions before 5 do not have: run the experiment again; finished stages are reused."
        )
        return panel
    try:
        labels = corpus_labels(one.path, one.record.weak_labels, one.corpus)
    except DataError as error:
        records.faults[str(error)] = None
        return panel
    given = labels.weak >= 0
    if given.sum() >= FEW:
        panel["trust"] = _trust(one.name, labels)
    wrong = np.flatnonzero(given & (labels.weak != labels.gold))
    panel["wrong"], panel["given"] = len(wrong), int(given.sum())
    panel["errors"], panel["note"] = _errors(one, labels, wrong, gold.labels, clips)
    return panel


def _shaded(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> list[tuple[str, Any]]:
    """Returns label → (count, share of the row in percent, shade in percent)."""
    rows = []
    for label, line in zip(labels, counts, strict=True):
        size = sum(line) or 1
        rows.append((label, [(n, 100 * n / size, round(45 * n / size)) for n in line]))
    return rows


def _trust(name: str, labels: CorpusLabels) -> dict[str, Any]:
    """Returns calibration and risk–coverage of the confidence, with their pictures."""
    given = labels.weak >= 0
    right, confidence = (labels.weak == labels.gold)[given], labels.confidence[given]
    units = Units.of(labels.speakers).part(given)
    error, bins = confidence_error(confidence, right.astype(np.float64), units)
    risk = risk_coverage(right, confidence, len(labels.ids), units)
    return {
        "error": error,
        "bins": bins,
        "reliability": _reliability(name, bins),
        "area": risk.area,
        "overall": risk.overall,
        "curve": _curve(name, risk),
        "kept": [_kept(risk, share) for share in KEPT],
    }


def _reliability(name: str, bins: Sequence[ReliabilityBin]) -> Markup:
    points = [(one.confidence, one.share) for one in bins]
    return diagonal(f"Reliability of {name}", "confidence, %", "labels that are right, %", points)


def _curve(name: str, risk: RiskCoverage) -> Markup:
    """Draws accuracy over the share of labels kept, and the accuracy of all of them as a line."""
    step = max(1, len(risk.coverage) // POINTS)
    rows = sorted({*range(0, len(risk.coverage), step), len(risk.coverage) - 1})
    points = [(risk.coverage[i], Metric(value=1 - risk.risk[i])) for i in rows]
    title = f"Accuracy of the surest labels of {name}"
    axes = "utterances that keep a label, %", "labels that are right, %"
    return diagonal(title, *axes, points, level=1 - risk.overall)


def _kept(risk: RiskCoverage, share: float) -> dict[str, float]:
    """Returns coverage, accuracy and lowest confidence if a share of the labels is kept."""
    at = int(np.searchsorted(risk.coverage, share * risk.coverage[-1] - 1e-9))
    return {
        "share": share,
        "coverage": risk.coverage[at],
        "accuracy": 1 - risk.risk[at],
        "confidence": risk.thresholds[at],
    }


def _errors(
    one: LabelSet, labels: CorpusLabels, wrong: Ints, names: Sequence[str], clips: Clips
) -> tuple[list[dict[str, Any]], str]:
    """Returns the lines of the surest wrong labels, alike ones once, and a note on their sound."""
    alike: dict[tuple[float, int, int], list[int]] = {}
    for i in wrong[np.argsort(-labels.confidence[wrong], kind="stable")].tolist():
        alike.setdefault((labels.confidence[i], labels.weak[i], labels.gold[i]), []).append(i)
    counts = {rows[0]: len(rows) - 1 for rows in list(alike.values())[:SHOWN]}
    place, rows = one.corpus.partition(" ")[0], list(counts)
    found, note = clips.of(one.record, place, [labels.ids[i] for i in rows])
    scores = clips.scores(one.record, place, [labels.ids[i] for i in rows])
    lines = [
        {
            "id": labels.ids[i],
            "speaker": labels.speakers[i],
            "weak": names[labels.weak[i]],
            "gold": names[labels.gold[i]],
            "confidence": labels.confidence[i],
            "scores": scores.get(labels.ids[i], []),
            "alike": counts[i],
            "clip": found.get(labels.ids[i]),
        }
        for i in rows
    ]
    return lines, note

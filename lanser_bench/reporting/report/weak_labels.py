"""The report's weak labels against human ones: confusions, confidence, surest errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import DataError
from ...evaluation.agreement import Units
from ...evaluation.arrays import Ints
from ...evaluation.calibration import BINS, calibration_metric, gap_sums, reliability
from ...evaluation.results import Metric
from ...evaluation.risk_coverage import RiskCoverage, risk_coverage
from ...evaluation.summaries import GoldAgreement
from ...records.weak_labels import CorpusLabels, corpus_labels
from .charts import diagonal
from .clips import SHOWN, Clips
from .content import shares
from .data import Records
from .label_sets import LabelSet, label_sets

PANELS = 8
"""Label sets with pictures; the table above them has all."""
POINTS = 100
"""Most points of a risk–coverage curve."""
KEPT = (0.1, 0.25, 0.5, 0.75, 1.0)
"""Shares of the labels in the table below the curve."""
FEW = 20
"""Fewer compared labels get no pictures."""
OLD = (
    "Reliability, risk and errors need the file of weak labels, which records of schema versions "
    "before 5 do not have. Run the experiment again; finished stages are reused."
)


def label_panels(records: Records, clips: Clips) -> list[dict[str, Any]]:
    """Returns what the template shows of each label set with human labels, best kappa first."""
    found = [
        (one, gold)
        for one in label_sets(records.files)
        if one.record.role == "main" and (gold := one.summary.gold) and gold.confusion
    ]

    def kappa(pair: tuple[LabelSet, GoldAgreement]) -> float:
        scores = pair[1].abstention_is_wrong
        return -1.0 if scores is None or scores.kappa is None else scores.kappa

    shown = sorted(found, key=kappa, reverse=True)[:PANELS]
    return [{"name": one.name} | _panel(records, one, gold, clips) for one, gold in shown]


def _panel(records: Records, one: LabelSet, gold: GoldAgreement, clips: Clips) -> dict[str, Any]:
    shaded = list(zip(gold.labels, map(shares, gold.confusion), strict=True))
    panel: dict[str, Any] = {"confusion": shaded, "trust": None, "errors": [], "why": ""}
    if one.record.weak_labels is None:
        return panel | {"why": OLD}
    try:
        labels = corpus_labels(one.path, one.record.weak_labels, one.corpus, len(gold.labels))
    except DataError as error:
        records.faults[str(error)] = None
        return panel
    given = labels.weak >= 0
    wrong = np.flatnonzero(given & (labels.weak != labels.gold))
    panel |= {"wrong": len(wrong), "given": int(given.sum())}
    if panel["given"] >= FEW:
        panel["trust"] = _trust(one.name, labels)
    return panel | _errors(one, gold.labels, labels, wrong, clips)


def _trust(name: str, labels: CorpusLabels) -> dict[str, Any]:
    """Returns calibration and risk–coverage of the confidence, with their pictures."""
    given = labels.weak >= 0
    right, confidence = (labels.weak == labels.gold)[given], labels.confidence[given]
    units, share = Units.of(labels.speakers).part(given), right.astype(np.float64)
    unit = units.codes(len(share))
    bins = reliability(confidence, share, unit)
    risk = risk_coverage(right, confidence, len(labels.ids), units)
    drawn = range(0, len(risk.coverage), max(1, len(risk.coverage) // POINTS))
    rows = [*drawn, len(risk.coverage) - 1]
    points = [(risk.coverage[i], Metric(value=1 - risk.risk[i])) for i in rows]
    y = "labels that are right, %"
    return {
        "error": calibration_metric(gap_sums(confidence[None], share[None], unit, BINS)),
        "bins": bins,
        "reliability": diagonal(
            f"Reliability of {name}", "confidence, %", y, [(b.confidence, b.share) for b in bins]
        ),
        "risk": risk,
        "curve": diagonal(
            f"Accuracy of the surest labels of {name}",
            "utterances that keep a label, %",
            y,
            points,
            level=1 - risk.overall,
        ),
        "kept": [(share, *_kept(risk, share)) for share in KEPT],
    }


def _kept(risk: RiskCoverage, share: float) -> tuple[float, float, float]:
    """Returns coverage, accuracy and lowest confidence if a share of the labels is kept."""
    at = int(np.searchsorted(risk.coverage, share * risk.coverage[-1] - 1e-9))
    return risk.coverage[at], 1 - risk.risk[at], risk.thresholds[at]


def _errors(
    one: LabelSet, names: Sequence[str], labels: CorpusLabels, wrong: Ints, clips: Clips
) -> dict[str, Any]:
    """Returns the lines of the surest wrong labels, alike ones once, and a note on their sound."""
    alike: dict[tuple[float, int, int], list[int]] = {}
    for i in wrong[np.argsort(-labels.confidence[wrong], kind="stable")].tolist():
        alike.setdefault((labels.confidence[i], labels.weak[i], labels.gold[i]), []).append(i)
    shown = {labels.ids[rows[0]]: rows for rows in list(alike.values())[:SHOWN]}
    place = one.corpus.partition(" ")[0]
    found, note = clips.of(one.record, place, list(shown))
    scores = clips.scores(one.record, place, list(shown))
    lines = [
        {
            "id": name,
            "speaker": labels.speakers[i],
            "weak": names[labels.weak[i]],
            "gold": names[labels.gold[i]],
            "confidence": labels.confidence[i],
            "scores": scores.get(name, []),
            "alike": more,
            "clip": found.get(name),
        }
        for name, (i, *more) in shown.items()
    ]
    return {"errors": lines, "note": note}

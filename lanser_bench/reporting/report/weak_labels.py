"""The report's weak labels against human ones: confusions, confidence, surest errors."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DataError
from ...evaluation.agreement import Units
from ...evaluation.arrays import Ints
from ...evaluation.calibration import BINS, calibration_metric, gap_sums, reliability
from ...evaluation.results import Metric
from ...evaluation.risk_coverage import RiskCoverage, risk_coverage
from ...evaluation.summaries import GoldAgreement
from ...records.record import ResultRecord
from ...records.weak_labels import CorpusLabels, corpus_labels
from .charts import diagonal
from .clips import SHOWN, Clips
from .data import Records

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


@dataclass(frozen=True)
class LabelSet:
    """Weak labels of one corpus that were compared with human ones."""

    path: Path
    record: ResultRecord
    corpus: str
    """Key of the record's `labels`."""
    gold: GoldAgreement

    @property
    def name(self) -> str:
        """Its labeler, taxonomy and corpus."""
        taxonomy = self.record.labels[self.corpus].taxonomy
        return f"{self.record.labeler}, {taxonomy}, {self.corpus.partition(' ')[2]}"

    @property
    def kappa(self) -> float:
        """Its agreement with gold; −1 if unknown."""
        scores = self.gold.abstention_left_out
        return -1.0 if scores is None or scores.kappa is None else scores.kappa


def label_panels(records: Records, clips: Clips) -> list[dict[str, Any]]:
    """Returns what the template shows of each distinct label set, best kappa first."""
    found: dict[str, LabelSet] = {}
    for path, record in records.files:
        for corpus, summary in record.labels.items() if record.role == "main" else ():
            use = record.stages.get(f"label {corpus.partition(' ')[0]}")
            if use is None or summary.gold is None or not summary.gold.confusion:
                continue
            if record.weak_labels or use.key not in found:
                found[use.key] = LabelSet(path, record, corpus, summary.gold)
    shown = sorted(found.values(), key=lambda one: -one.kappa)[:PANELS]
    names = Counter(one.name for one in shown)
    return [
        {"name": one.name + (f" ({one.record.group})" if names[one.name] > 1 else "")}
        | _panel(records, one, clips)
        for one in shown
    ]


def _panel(records: Records, one: LabelSet, clips: Clips) -> dict[str, Any]:
    shaded = []
    for label, line in zip(one.gold.labels, one.gold.confusion, strict=True):
        size = sum(line) or 1
        shaded.append((label, [(n, 100 * n / size, round(45 * n / size)) for n in line]))
    panel: dict[str, Any] = {"confusion": shaded, "trust": None, "errors": [], "why": ""}
    if one.record.weak_labels is None:
        return panel | {"why": OLD}
    try:
        labels = corpus_labels(one.path, one.record.weak_labels, one.corpus)
    except DataError as error:
        records.faults[str(error)] = None
        return panel
    given = labels.weak >= 0
    wrong = np.flatnonzero(given & (labels.weak != labels.gold))
    panel |= {"wrong": len(wrong), "given": int(given.sum())}
    if panel["given"] >= FEW:
        panel["trust"] = _trust(one.name, labels)
    return panel | _errors(one, labels, wrong, clips)


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


def _errors(one: LabelSet, labels: CorpusLabels, wrong: Ints, clips: Clips) -> dict[str, Any]:
    """Returns the lines of the surest wrong labels, alike ones once, and a note on their sound."""
    alike: dict[tuple[float, int, int], list[int]] = {}
    for i in wrong[np.argsort(-labels.confidence[wrong], kind="stable")].tolist():
        alike.setdefault((labels.confidence[i], labels.weak[i], labels.gold[i]), []).append(i)
    shown = {labels.ids[rows[0]]: rows for rows in list(alike.values())[:SHOWN]}
    place, names = one.corpus.partition(" ")[0], one.gold.labels
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

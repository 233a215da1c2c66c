"""Verdicts on the scores of a candidate against a baseline."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ...evaluation.contrast import Contrast, holm
from ...evaluation.label_quality import SCALES, Scale
from ...evaluation.results import Interval
from ...evaluation.statistics import LEVEL
from ..groups import CellId
from .responses import Response

Verdict = Literal["better", "same", "worse", "undecided"]
ALPHA = 1 - LEVEL
EQUAL = "every speaker's sums are equal, seed by seed"
Score = tuple[CellId, str]
"""A cell or the corpus of a stage, and the name of its score."""


@dataclass(frozen=True)
class Compared:
    """A score that both the baseline and the candidate have."""

    cell: CellId
    """A cell; for labels and transcripts ``target`` is −1, and the names are those of the axes on
    which all cells that share them agree, and of the corpus."""
    metric: str
    """As `Response.metric`, or ``labels.kappa``, ``transcripts.wer`` … of a stage."""
    verdict: Verdict
    why: str
    """Reason for the verdict."""
    baseline: float
    candidate: float
    difference: float
    """Candidate minus baseline."""
    interval: Interval | None
    p_value: float | None
    """Adjusted by Holm's method over all compared cells."""
    detectable: float | None
    """Smallest difference that is detected with 90 % power at the family's level."""
    seeds: tuple[int, int]
    """Training seeds of the baseline and of the candidate."""
    n_speakers: int


def scale_of(metric: str) -> Scale:
    """Returns how a score of the gate is shown, and whether a decrease is an improvement."""
    stage, _, name = metric.partition(".")
    if name in SCALES and stage in ("labels", "transcripts"):
        return SCALES[name]
    response = Response(metric)
    return Scale(response.title, response.points, response.lower_is_better)


def compared(contrasts: Mapping[Score, Contrast], tolerance: float) -> list[Compared]:
    """Returns the verdict on every score; those that differ at all are one family.

    Args:
        contrasts: candidate minus baseline.
        tolerance: largest negligible difference.
    """
    differing = {score: c for score, c in contrasts.items() if not _equal(c)}
    lower = {metric for _, metric in contrasts if scale_of(metric).lower_is_better}
    rows = {(row.cell, row.metric): row for row in judged(differing, tolerance, lower)}
    for (cell, metric), contrast in contrasts.items():
        if (cell, metric) not in rows:
            row = _judged((cell, metric), contrast, 1.0, tolerance, max(len(differing), 1))
            rows[cell, metric] = replace(row, verdict="same", why=EQUAL)
    return [rows[score] for score in contrasts]


def judged(
    contrasts: Mapping[Score, Contrast], tolerance: float, lower_is_better: Collection[str] = ()
) -> list[Compared]:
    """Returns the verdict on every score of one family.

    Args:
        contrasts: candidate minus baseline.
        tolerance: largest negligible difference.
        lower_is_better: names of the scores of which a decrease is an improvement.
    """
    p_values = {score: contrast.p_value() for score, contrast in contrasts.items()}
    tested = [score for score, p in p_values.items() if p is not None]
    adjusted = dict(zip(tested, holm([p_values[s] or 0.0 for s in tested]), strict=True))
    rows = [
        _judged(score, contrast, adjusted.get(score), tolerance, len(contrasts))
        for score, contrast in contrasts.items()
    ]
    turned: dict[Verdict, Verdict] = {"better": "worse", "worse": "better"}
    return [
        replace(row, verdict=turned.get(row.verdict, row.verdict))
        if row.metric in lower_is_better
        else row
        for row in rows
    ]


def _judged(
    score: Score, contrast: Contrast, p: float | None, tolerance: float, family: int
) -> Compared:
    made = contrast.metric()
    verdict, why = verdict_of(contrast, made.interval, p, tolerance)
    sides = [Contrast([side], [1.0]).value for side in contrast.sides]
    return Compared(
        *score,
        verdict=verdict,
        why=why,
        baseline=sides[1],
        candidate=sides[0],
        difference=made.value,
        interval=made.interval,
        p_value=p,
        detectable=contrast.detectable(alpha=ALPHA / family),
        seeds=(len(contrast.sides[1].seeds), len(contrast.sides[0].seeds)),
        n_speakers=contrast.n_speakers,
    )


def verdict_of(
    contrast: Contrast, interval: Interval | None, p: float | None, tolerance: float
) -> tuple[Verdict, str]:
    """Returns the verdict on one cell and its reason.

    Args:
        contrast: candidate minus baseline.
        interval: its 95 % interval.
        p: its p-value, adjusted over the family.
        tolerance: largest negligible difference.
    """
    value = contrast.value
    if p is None or interval is None:
        return "undecided", f"{contrast.n_speakers} speakers are too few for a test"
    if max(abs(interval.low), abs(interval.high)) <= tolerance and contrast.seeds_known:
        return "same", "the interval lies within the tolerance"
    if not contrast.seeds_known:
        return "undecided", "one training seed: variation between seeds is unknown"
    if p <= ALPHA and abs(value) > tolerance:
        return ("better" if value > 0 else "worse"), "significant and beyond the tolerance"
    if p <= ALPHA:
        return "same", "significant, but within the tolerance"
    return "undecided", "not significant, and the interval exceeds the tolerance"


def _equal(contrast: Contrast) -> bool:
    """Whether both sides have equal sums, seed by seed: then nothing has changed."""
    a, b = contrast.sides
    return len(a.seeds) == len(b.seeds) and all(
        np.array_equal(x.sums, y.sums) for x, y in zip(a.seeds, b.seeds, strict=True)
    )

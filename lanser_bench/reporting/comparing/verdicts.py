"""Verdicts on the scores of a candidate against a baseline."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from ...evaluation.arrays import Floats
from ...evaluation.contrast import POWER, Contrast, adjusted, wider
from ...evaluation.label_quality import SCALES, Scale
from ...evaluation.results import Interval
from ...evaluation.sensitivity import Variances, smallest
from ...evaluation.statistics import LEVEL, MIN_SPEAKERS
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


@dataclass(frozen=True)
class ScoreTest:
    """The test of a contrast, without its sums over speakers: those of 10,000 take gigabytes."""

    row: Compared
    """Without a verdict; its p-value is not adjusted."""
    equal: bool
    """Whether both sides have equal sums, seed by seed: then nothing has changed."""
    seeds_known: bool
    variances: Variances | None
    """None if no difference is detectable: too few speakers, or no spread."""
    ratios: Floats | None
    """As of `Contrast`."""

    @classmethod
    def of(cls, score: Score, contrast: Contrast) -> ScoreTest:
        """Tests a contrast: candidate minus baseline."""
        made, (a, b) = contrast.metric(), contrast.sides
        values = [Contrast([side], [1.0]).value for side in (a, b)]
        row = Compared(
            *score,
            verdict="undecided",
            why="",
            baseline=values[1],
            candidate=values[0],
            difference=made.value,
            interval=made.interval,
            p_value=contrast.p_value(),
            detectable=None,
            seeds=(len(b.seeds), len(a.seeds)),
            n_speakers=contrast.n_speakers,
        )
        equal = len(a.seeds) == len(b.seeds) and all(
            np.array_equal(x.sums, y.sums) for x, y in zip(a.seeds, b.seeds, strict=True)
        )
        detects = contrast.n_speakers >= MIN_SPEAKERS and contrast.error > 0
        parts = (contrast.variances, contrast.ratios) if detects else (None, None)
        return cls(row, equal, contrast.seeds_known, *parts)


def scale_of(metric: str) -> Scale:
    """Returns how a score of the gate is shown, and whether a decrease is an improvement."""
    stage, _, name = metric.partition(".")
    if name in SCALES and stage in ("labels", "transcripts"):
        return SCALES[name]
    response = Response(metric)
    return Scale(response.title, response.points, response.lower_is_better)


def compared(tests: Sequence[ScoreTest], tolerance: float) -> list[Compared]:
    """Returns the verdict on every score; those that differ at all are one family.

    `tolerance` is the largest negligible difference.
    """
    differing = [test for test in tests if not test.equal]
    metrics = {test.row.metric for test in tests}
    lower = {metric for metric in metrics if scale_of(metric).lower_is_better}
    rows = iter(judged(differing, tolerance, lower))
    family = max(len(differing), 1)
    return [
        replace(_judged(test, 1.0, tolerance, family), verdict="same", why=EQUAL)
        if test.equal
        else next(rows)
        for test in tests
    ]


def judged(
    tests: Sequence[ScoreTest], tolerance: float, lower_is_better: Collection[str] = ()
) -> list[Compared]:
    """Returns the verdict on every score of one family, candidate minus baseline.

    A decrease of the scores `lower_is_better` is an improvement.
    """
    p_values = adjusted([test.row.p_value for test in tests])
    turned: dict[Verdict, Verdict] = {"better": "worse", "worse": "better"}
    rows = []
    for test, p in zip(tests, p_values, strict=True):
        row = _judged(test, p, tolerance, len(tests))
        if row.metric in lower_is_better:
            row = replace(row, verdict=turned.get(row.verdict, row.verdict))
        rows.append(row)
    return rows


def _judged(test: ScoreTest, p: float | None, tolerance: float, family: int) -> Compared:
    """Returns the verdict on a score, from its p-value adjusted over a family of that size."""
    verdict, why = _verdict(test, p, tolerance)
    size, alpha = None, ALPHA / family
    if test.variances is not None:
        factor = wider(test.ratios, alpha, test.row.n_speakers)
        size = smallest(test.variances, alpha, factor, POWER)
    return replace(test.row, verdict=verdict, why=why, p_value=p, detectable=size)


def _verdict(test: ScoreTest, p: float | None, tolerance: float) -> tuple[Verdict, str]:
    value, interval = test.row.difference, test.row.interval
    if p is None or interval is None:
        return "undecided", f"{test.row.n_speakers} speakers are too few for a test"
    if max(abs(interval.low), abs(interval.high)) <= tolerance and test.seeds_known:
        return "same", "the interval lies within the tolerance"
    if not test.seeds_known:
        return "undecided", "one training seed: variation between seeds is unknown"
    if p <= ALPHA and abs(value) > tolerance:
        return ("better" if value > 0 else "worse"), "significant and beyond the tolerance"
    if p <= ALPHA:
        return "same", "significant, but within the tolerance"
    return "undecided", "not significant, and the interval exceeds the tolerance"

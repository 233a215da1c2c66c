"""The smallest difference that a design can detect, before it is run.

Two cells are tested on the same speakers. The difference between them varies between speakers (the
spread) and between training seeds. Its standard error follows from both:

    error² = spread² / speakers + 2 · seed spread² / seeds

The smallest detectable difference exceeds the test's half-width in a share `power` of all uses of
the test (Cohen 1988, ch. 2), with the quantile and the estimated variances of the test itself
(`sensitivity`) in place of a normal approximation.

An unknown spread is derived from the number of utterances per speaker, a score that both cells
share, and their agreement on single utterances.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .contrast import Contrast, Side, interaction, tail_quantile
from .sensitivity import Variances, smallest
from .statistics import FLOOR, LEVEL, MIN_SPEAKERS, RESAMPLES, resampled

UAR = 0.5
"""Assumed score if unknown: the binomial spread is largest there."""
AGREEMENT = 0.5
"""Assumed correlation of right and wrong between two cells on one utterance."""
SPEAKER_SPREAD = 3.0
"""Assumed standard deviation over speakers of the true difference, in points."""
SEED_SPREAD = 2.0
"""Assumed standard deviation of UAR over training seeds, in points. In the committed real-speech
study it is 1.3 to 2.7 with all labels, from three seeds each."""
MOST_SIMULATED = 10_000
"""Speakers of the simulated bootstrap: with more, its quantile is Student's."""


@dataclass(frozen=True)
class Design:
    """The design of a comparison of two cells."""

    speakers: int
    """Speakers tested."""
    spread: float
    """Standard deviation over speakers of the difference, in points."""
    seeds: int = 3
    """Training seeds of each cell."""
    seed_spread: float = SEED_SPREAD
    """Standard deviation of the score over training seeds, in points; 0 if nothing is drawn."""
    comparisons: int = 1
    """Size of the family: Holm's first step tests at 5 % divided by it."""
    power: float = 0.9
    """Share of repetitions that detect the difference."""

    @property
    def speaker_error(self) -> float:
        """Standard error over speakers, in points."""
        return float(self.spread / self.speakers**0.5)

    @property
    def seed_error(self) -> float:
        """Standard error over the seeds of both cells, in points."""
        return float(self.seed_spread * (2 / self.seeds) ** 0.5)


def expected_spread(utterances: float, speaker_spread: float = SPEAKER_SPREAD) -> float:
    """Returns the spread over speakers of a paired difference in UAR, in points.

    A speaker's difference has the binomial variance 2 p (1 − p) (1 − agreement) / utterances plus
    the variance of the true difference; a speaker's `utterances` have about equal classes.
    """
    chance = 2 * UAR * (1 - UAR) * (1 - AGREEMENT) / utterances
    return float(np.sqrt(1e4 * chance + speaker_spread**2))


def detectable(design: Design) -> float | None:
    """Returns the smallest detectable difference in points; None below `MIN_SPEAKERS`.

    With one seed, variation between seeds adds to the error, but a test cannot estimate it.
    """
    from scipy.stats import t

    if design.speakers < MIN_SPEAKERS:
        return None
    alpha, n = (1 - LEVEL) / design.comparisons, design.speakers
    simulated = min(n, MOST_SIMULATED)
    wider = bootstrap_quantile(simulated, alpha) / float(t.isf(alpha / 2, simulated - 1))
    speakers, seeds = design.speaker_error**2, design.seed_error**2
    if design.seeds < 2 or not seeds:
        return smallest(Variances(speakers + seeds, n), alpha, wider, design.power)
    # A test's variance over seeds includes the interaction, which is at most the variance over
    # speakers, as with equally good cells.
    one = design.seeds - 1.0
    variances = Variances(speakers, n, seeds + speakers, (one, one), 2 * one, speakers)
    return smallest(variances, alpha, wider, design.power)


def normal_approximation(design: Design) -> float:
    """Returns the textbook's normal approximation, which is too small, for comparison.

    With 18 speakers, a spread of 7 points and no variation between seeds it is 5.3 points.
    """
    from scipy.stats import norm

    alpha = (1 - LEVEL) / design.comparisons
    error = float(np.hypot(design.speaker_error, design.seed_error))
    return float(norm.isf(alpha / 2) + norm.ppf(design.power)) * error


def measured(a: Side, b: Side) -> tuple[float, float]:
    """Returns spread and seed spread, in points, of two cells of a pilot on the same speakers.

    They are the spread of the linearised difference over speakers, and the larger standard
    deviation over training seeds without the interaction with speakers: 0 with single seeds.
    """
    contrast = Contrast([a, b], [1.0, -1.0])
    spread = contrast.speaker_error * contrast.n_speakers**0.5
    over = [
        float(np.var([float(s.value(s.sums.sum(0))) for s in side.seeds], ddof=1))
        - len(side.seeds) * interaction(side.seeds)
        for side in (a, b)
        if len(side.seeds) > 1
    ]
    return 100 * float(spread), 100 * float(max([*over, 0.0]) ** 0.5)


@lru_cache(maxsize=64)
def bootstrap_quantile(speakers: int, alpha: float, worlds: int = 60) -> float:
    """Returns the mean quantile of the studentised bootstrap over normally distributed speakers."""
    n, rng = speakers, np.random.default_rng([speakers, 11])
    values = rng.standard_normal((worlds, n)).T
    counts = resampled(n, RESAMPLES, 0)
    means = counts @ values / n
    spreads = np.maximum(counts @ values**2 / n - means**2, 0.0)
    errors = np.sqrt(spreads / (n - 1))
    errors = np.maximum(errors, FLOOR * np.median(errors, axis=0))
    ratios = np.sort(np.abs(means - values.mean(0)) / errors, axis=0)
    return float(np.mean([tail_quantile(world, alpha, n - 1) for world in ratios.T]))

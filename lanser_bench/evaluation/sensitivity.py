"""The power of the test of `contrast`, by its own arithmetic.

The test estimates variances from few speakers and fewer seeds, and its quantile depends on them. So
its power is not that of a t-test with fixed degrees of freedom: variances are drawn (scaled χ²),
each gives a half-width, and the probability that a normally distributed difference exceeds the
half-width is averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .arrays import Floats

DRAWS = 4000
MARGIN = 0.25
"""Share of the misses kept in reserve, because real speakers differ more than the drawn variances
assume: a power of 90 % is computed as 92.5 %."""


@dataclass(frozen=True)
class Variances:
    """Components of the variance of a contrast."""

    speakers: float
    """Variance of the seed-averaged contrast over speakers, including the interaction."""
    n_speakers: int
    seeds: float = 0.0
    """Variance over training seeds, including the interaction."""
    seed_dfs: tuple[float, ...] = (1.0,)
    """Degrees of freedom of each cell with several seeds: seeds − 1."""
    seed_df: float = 1.0
    """Estimated degrees of freedom of all these cells together."""
    shared: float = 0.0
    """The interaction, part of both variances; it counts once."""

    @property
    def total(self) -> float:
        """Variance of the contrast."""
        return self.speakers + max(self.seeds - self.shared, 0.0)


def degrees(
    speakers: Floats, n: int, seeds: Floats, seed_df: float | Floats, shared: Floats
) -> Floats:
    """Returns Satterthwaite's degrees of freedom of ``speakers + max(seeds − shared, 0)``.

    A sum has at least those of its least certain part; for a difference this bound is enforced.
    """
    over = np.where(seeds > shared, seeds, 0.0)
    total = speakers + np.maximum(seeds - shared, 0.0)
    satterthwaite = total**2 / (speakers**2 / (n - 1) + over**2 / seed_df + 1e-300)
    least = np.where(over > 0, np.minimum(seed_df, n - 1), n - 1)
    return np.asarray(np.maximum(satterthwaite, least))


@lru_cache(maxsize=4096)
def smallest(variances: Variances, alpha: float, wider: float, power: float) -> float:
    """Returns the smallest difference that the test detects in a share `power` of its uses.

    The variances are true or estimated, `alpha` is two-sided, and `wider` is the bootstrap's
    quantile over speakers divided by Student's.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr

    spread = variances.total**0.5
    if not spread:
        return 0.0
    widths = _half_widths(variances, alpha, wider)

    def excess(size: float) -> float:
        detected = ndtr((size - widths) / spread) + ndtr((-size - widths) / spread)
        return float(detected.mean()) - power - MARGIN * (1 - power)

    return float(brentq(excess, 0.0, float(widths.max()) + 6 * spread))


def _half_widths(of: Variances, alpha: float, wider: float) -> Floats:
    from scipy.special import stdtrit

    rng = np.random.default_rng(0)
    n, dfs = of.n_speakers - 1, np.array(of.seed_dfs)
    speakers = of.speakers * rng.chisquare(n, DRAWS) / n
    cells = of.seeds / len(dfs) * rng.chisquare(dfs, (DRAWS, len(dfs))) / dfs
    seeds = cells.sum(1)
    seed_df = seeds**2 / np.maximum((cells**2 / dfs).sum(1), 1e-300) if of.seeds else 1.0
    shared = of.shared * rng.chisquare(n * dfs.sum(), DRAWS) / (n * dfs.sum())
    total = speakers + np.maximum(seeds - shared, 0.0)
    df = degrees(speakers, of.n_speakers, seeds, seed_df, shared)
    share = speakers / np.maximum(total, 1e-300)
    return np.asarray(np.sqrt(total) * -stdtrit(df, alpha / 2) * (1 + share * (wider - 1)))

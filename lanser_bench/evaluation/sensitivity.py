"""How often the test of `contrast` finds a difference, by its own arithmetic.

The test takes variances for known that it has estimated from few speakers and fewer seeds, and its
quantile moves with them. So its power is not that of a t-test with fixed degrees of freedom: the
variances are drawn (scaled χ²), the half-width follows from each, and the share of half-widths that
a normally distributed difference exceeds is averaged.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DRAWS = 4000
MARGIN = 0.25
"""Share of the misses that is kept in reserve: variances are drawn as of like speakers, known on
average, which real ones are not. So 90 % are asked as 92.5 %."""


@dataclass(frozen=True)
class Variances:
    """What the variance of a contrast is made of."""

    speakers: float
    """Of the seed-averaged contrast over speakers, the interaction included."""
    n_speakers: int
    seeds: float = 0.0
    """Over training seeds, the interaction included."""
    seed_dfs: tuple[float, ...] = (1.0,)
    """Degrees of freedom of each cell that has several seeds: seeds less one."""
    seed_df: float = 1.0
    """Of them all together, as estimated."""
    shared: float = 0.0
    """The interaction, which is in both and counts once."""

    @property
    def total(self) -> float:
        """Of the contrast."""
        return self.speakers + max(self.seeds - self.shared, 0.0)


def degrees(
    speakers: Floats, n: int, seeds: Floats, seed_df: float | Floats, shared: Floats
) -> Floats:
    """Returns Satterthwaite's degrees of freedom of ``speakers + max(seeds − shared, 0)``.

    A sum has no fewer than its least certain part; a difference could, so it is held there.
    """
    over = np.where(seeds > shared, seeds, 0.0)
    total = speakers + np.maximum(seeds - shared, 0.0)
    found = total**2 / (speakers**2 / (n - 1) + over**2 / seed_df + 1e-300)
    least = np.where(over > 0, np.minimum(seed_df, n - 1), n - 1)
    return np.asarray(np.maximum(found, least))


@lru_cache(maxsize=4096)
def smallest(variances: Variances, alpha: float, wider: float, power: float) -> float:
    """Returns the smallest difference that the test finds in `power` of its uses.

    Args:
        variances: the true ones, or estimates that stand for them.
        alpha: two-sided level.
        wider: by how much the bootstrap's quantile over speakers exceeds Student's.
        power: share of uses.
    """
    from scipy.optimize import brentq
    from scipy.special import ndtr

    spread = variances.total**0.5
    if not spread:
        return 0.0
    widths = _half_widths(variances, alpha, wider)

    def found(size: float) -> float:
        caught = ndtr((size - widths) / spread) + ndtr((-size - widths) / spread)
        return float(caught.mean()) - power - MARGIN * (1 - power)

    return float(brentq(found, 0.0, float(widths.max()) + 6 * spread))


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

"""Risk–coverage curves: the error rate if only the most confident labels are kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .agreement import Units, interval_over_rows, resampled
from .arrays import Bools, Floats, Ints, Strings
from .results import Interval, Metric
from .statistics import LEVEL, MIN_SPEAKERS

SPEAKER_DRAWS = 500


@dataclass(frozen=True)
class RiskCoverage:
    """Error rates if only the most confident labels are kept."""

    coverage: list[float]
    """Shares of all gold rows, increasing."""
    risk: list[float]
    """Error rate among the kept rows."""
    thresholds: list[float]
    """Lowest confidence kept."""
    area: Metric
    """Mean risk over the labelled rows (Geifman & El-Yaniv 2017): lower is better."""
    overall: float
    """Risk if all labelled rows are kept: the area of an uninformative confidence."""


def risk_coverage(
    right: Bools, confidence: npt.NDArray[np.floating], total: int, units: Units, bins: int = 500
) -> RiskCoverage:
    """Sorts labelled rows by confidence and computes the error rate at each coverage.

    Coverage is a share of the `total` rows with gold, labelled or not. Rows of similar confidence
    form groups of similar size.
    """
    edges = np.unique(np.quantile(confidence, np.linspace(0, 1, bins + 1)))[::-1]
    # Groups in order of falling confidence; a group ends below its edge.
    group = np.searchsorted(-edges, -confidence, side="left")
    group = np.unique(group, return_inverse=True)[1]
    size = int(group.max()) + 1
    cells = group * 2 + (~right).astype(np.int64)
    table = np.bincount(cells, minlength=2 * size).astype(np.float64)
    kept = table.reshape(size, 2).sum(1).cumsum()
    risk = table.reshape(size, 2)[:, 1].cumsum() / kept
    lowest = np.full(size, np.inf)
    np.minimum.at(lowest, group, confidence)
    value = float(_area(table[None])[0])
    if units.speakers is None:
        area = interval_over_rows(value, _area(resampled(table)), len(right))
    else:
        area = _area_over_speakers(value, cells, 2 * size, units.speakers)
    return RiskCoverage(
        (kept / total).tolist(), risk.tolist(), lowest.tolist(), area, float((~right).mean())
    )


def _area(tables: Floats) -> Floats:
    """Mean over rows of the risk at their confidence or above; counts are (draws, 2 · groups)."""
    pairs = tables.reshape(len(tables), -1, 2)
    sizes = pairs.sum(2)
    kept = sizes.cumsum(1)
    risk = pairs[:, :, 1].cumsum(1) / np.maximum(kept, 1e-12)
    return np.asarray((risk * sizes).sum(1) / np.maximum(sizes.sum(1), 1e-12))


def _area_over_speakers(value: float, cells: Ints, width: int, speakers: Strings) -> Metric:
    names, unit = np.unique(speakers, return_inverse=True)
    if len(names) < MIN_SPEAKERS:
        return Metric(value=value)
    counts = np.zeros((len(names), width))
    np.add.at(counts, (unit, cells), 1)
    rng = np.random.default_rng([0, len(names)])
    weights = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=SPEAKER_DRAWS)
    low, high = (float(q) for q in np.quantile(_area(weights @ counts), [0.025, 0.975]))
    made = Interval(low=low, high=high, level=LEVEL, method="percentile bootstrap over speakers")
    return Metric(value=value, interval=made)

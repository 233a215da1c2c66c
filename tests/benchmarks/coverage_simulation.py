"""Coverage of 95 % intervals over few speakers, and false positives of the paired difference.

Speakers differ in how well they are recognised, and each class differs within them; some worlds
have unequal class counts. The truth is the score over a large population of such speakers. Beside
what lanser-bench uses stand the percentile bootstrap and plain t on the linearised error.

    python tests/benchmarks/coverage_simulation.py [--trials 2000] [--speakers 5 10 18] [--nulls]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import t

from lanser_bench.evaluation.contrast import Contrast, Side
from lanser_bench.evaluation.predictions import Predicted, regression
from lanser_bench.evaluation.statistics import (
    Statistic,
    combine,
    estimate,
    interval,
    ratio_mean,
    resampled,
)

K = 6
POPULATION = 40_000


@dataclass(frozen=True)
class World:
    name: str
    spread: float
    """Standard deviation of speakers on the logit scale."""
    per_class: float
    """Utterances per class and speaker."""
    unequal: bool
    """Class counts differ between speakers and classes."""
    offset: float = 0.0

    def sums(self, rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
        """Hits and utterances per speaker and class, shape (n, K) each."""
        base = self.offset + np.linspace(-1, 1, K)
        logit = base + self.spread * (
            rng.standard_normal((n, 1)) + 0.7 * rng.standard_normal((n, K))
        )
        counts = np.full((n, K), int(self.per_class))
        if self.unequal:
            busy = np.exp(0.6 * rng.standard_normal((n, 1)))
            counts = 1 + rng.poisson(self.per_class * busy * np.linspace(0.3, 1.7, K), (n, K))
        return rng.binomial(counts, 1 / (1 + np.exp(-logit))).astype(float), counts.astype(float)


WORLDS = (
    World("equal classes", 0.8, 8, False),
    World("unequal classes", 0.8, 8, True),
    World("like speakers", 0.3, 10, False, 1.0),
    World("unlike, few clips", 1.2, 4, True, 1.0),
)


def uar(hits: np.ndarray, counts: np.ndarray) -> Statistic:
    return ratio_mean(hits, counts, np.full(K, 1 / K))


def regression_world(rng: np.random.Generator, n: int, each: int = 30) -> Predicted:
    """A target with speaker means, predicted with an error of the speaker's own size and bias."""
    speakers = [f"s{i:05d}" for i in range(n) for _ in range(each)]
    truth = rng.standard_normal(n).repeat(each) + rng.standard_normal(n * each)
    size = 0.7 * np.exp(0.3 * rng.standard_normal(n)).repeat(each)
    bias = 0.4 * rng.standard_normal(n).repeat(each)
    guess = 0.7 * truth + bias + size * rng.standard_normal(n * each)
    return Predicted([str(i) for i in range(n * each)], speakers, truth, guess, 0 * truth)


def candidates(statistic: Statistic) -> dict[str, tuple[float, float]]:
    """Interval of each method."""
    n = len(statistic.sums)
    made = interval(statistic)
    assert made is not None
    value, error = (float(x[0]) for x in estimate(statistic, np.ones((1, n))))
    back: Callable[[float], float] = np.tanh if statistic.transform == "fisher" else float
    half = float(t.ppf(0.975, n - 1)) * error
    again = estimate(statistic, resampled(n, 2000, 0))[0]
    low, high = np.quantile(again, [0.025, 0.975])
    return {
        "lanser-bench": (made.low, made.high),
        "t": (back(value - half), back(value + half)),
        "percentile": (back(float(low)), back(float(high))),
    }


def scores(
    world: World | None, n: int, trials: int, rng: np.random.Generator
) -> Iterator[tuple[str, float, Callable[[], Statistic]]]:
    """Name, truth, and what draws a new sample."""
    if world is not None:
        hits, counts = world.sums(rng, POPULATION)
        truth = float(np.mean(hits.sum(0) / counts.sum(0)))
        yield f"UAR, {world.name}", truth, lambda: uar(*world.sums(rng, n))
        return
    whole = regression(regression_world(rng, POPULATION // 4))
    for name, statistic in whole.items():
        truth = float(statistic.value(statistic.sums.sum(0)))
        yield name, truth, lambda name=name: regression(regression_world(rng, n))[name]


def paired_nulls(world: World, n: int, trials: int, rng: np.random.Generator) -> float:
    """Share of trials in which two equally good cells differ "significantly"."""
    found = 0
    for _ in range(trials):
        base = np.linspace(-1, 1, K) + world.spread * rng.standard_normal((n, 1))
        counts = np.full((n, K), world.per_class)
        if world.unequal:
            counts = 1.0 + rng.poisson(world.per_class * np.linspace(0.3, 1.7, K), (n, K))
        sides = []
        for _ in range(2):
            # Each cell has its own taste for speakers and classes, of the same size.
            logit = base + 0.5 * rng.standard_normal((n, 1)) + 0.3 * rng.standard_normal((n, K))
            sides.append(uar(rng.binomial(counts.astype(int), 1 / (1 + np.exp(-logit))), counts))
        made = interval(combine(sides, (1.0, -1.0)))
        found += made is not None and not made.low <= 0 <= made.high
    return found / trials


def seeded_nulls(
    world: World, n: int, seeds: int, spread: float, trials: int, rng: np.random.Generator
) -> float:
    """Share of trials with p <= .05 of two cells that are equal but for what training draws.

    A seed moves a cell as a whole by `spread` on the logit scale, and by as much for each speaker:
    both are drawn anew for every training, so the expected score of the cells is the same.
    """
    found = 0
    for _ in range(trials):
        base = np.linspace(-1, 1, K) + world.spread * rng.standard_normal((n, 1))
        counts = np.full((n, K), int(world.per_class))
        if world.unequal:
            counts = 1 + rng.poisson(world.per_class * np.linspace(0.3, 1.7, K), (n, K))
        sides = []
        for _ in range(2):
            taste = 0.3 * rng.standard_normal((n, 1))  # of the cell, whatever its seed
            drawn = []
            for _ in range(seeds):
                logit = (
                    base + taste + spread * (rng.standard_normal() + rng.standard_normal((n, 1)))
                )
                hits = rng.binomial(counts, 1 / (1 + np.exp(-logit)))
                drawn.append(uar(hits.astype(float), counts.astype(float)))
            sides.append(Side(drawn))
        p_value = Contrast(sides, [1.0, -1.0]).p_value()
        found += p_value is not None and p_value <= 0.05
    return found / trials


def coverage(options: argparse.Namespace, rng: np.random.Generator) -> None:
    methods = ("lanser-bench", "t", "percentile")
    print(f"coverage of 95 % intervals (width) in {options.trials} trials")
    print(f"{'speakers':>8}  {'score':<24}" + "".join(f"{m:>20}" for m in methods))
    for n in options.speakers:
        for world in (*WORLDS, None):
            for name, truth, draw in scores(world, n, options.trials, rng):
                hits, width = dict.fromkeys(methods, 0), dict.fromkeys(methods, 0.0)
                for _ in range(options.trials):
                    for method, (low, high) in candidates(draw()).items():
                        hits[method] += low <= truth <= high
                        width[method] += (high - low) / options.trials
                cells = (f"{hits[m] / options.trials:.3f} ({width[m]:.3f})" for m in methods)
                print(f"{n:>8}  {name:<24}" + "".join(f"{c:>20}" for c in cells), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--speakers", type=int, nargs="+", default=[5, 10, 18])
    parser.add_argument("--nulls", action="store_true", help="false positives alone")
    options = parser.parse_args()
    rng = np.random.default_rng(20)
    if not options.nulls:
        coverage(options, rng)
    print("\nfalse positives of the paired difference at 5 %")
    for n in options.speakers:
        for world in WORLDS[:2]:
            share = paired_nulls(world, n, options.trials, rng)
            print(f"{n:>8}  {world.name:<24}{share:>20.3f}", flush=True)
    print(f"\nfalse positives of the paired test with seeds on both sides, {options.trials} trials")
    print(f"{'speakers':>8}  {'seeds a side':<14}" + "".join(f"{w.name:>18}" for w in WORLDS[:2]))
    for n in options.speakers:
        for seeds in (2, 3, 5):
            shares = [
                seeded_nulls(world, n, seeds, 0.3, options.trials, rng) for world in WORLDS[:2]
            ]
            cells = "".join(f"{share:>18.3f}" for share in shares)
            print(f"{n:>8}  {seeds:<14}{cells}", flush=True)


if __name__ == "__main__":
    main()

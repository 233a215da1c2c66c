"""Coverage of 95 % intervals of transfer: of one pair of sets, and of the mean over all pairs.

Speakers of a set differ in how well every head recognises them, and heads differ by set. Sets may
have unequal numbers of speakers and unequal classes. The truth is the score over a large population
of speakers of the same sets. Also: false positives of the paired difference of two rows' means.

    python tests/benchmarks/transfer_coverage.py [--trials 2000] [--sets 5,5 6,9,18 …]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from lanser_bench.evaluation.statistics import Statistic, among, combine, interval, ratio_mean

K = 5
POPULATION = 20_000


@dataclass(frozen=True)
class World:
    name: str
    spread: float
    """Standard deviation of speakers on the logit scale."""
    unequal: bool
    """Class counts differ between speakers and classes."""

    def set_of(self, rng: np.random.Generator, n: int, easy: np.ndarray) -> list[Statistic]:
        """UAR of each head on n new speakers of a set; `easy` has shape (heads, K)."""
        speaker = self.spread * rng.standard_normal((n, 1))
        counts = np.full((n, K), 8)
        if self.unequal:
            counts = 1 + rng.poisson(8 * np.linspace(0.3, 1.7, K), (n, K))
        logits = easy[:, None] + speaker + 0.5 * self.spread * rng.standard_normal((1, n, K))
        hits = rng.binomial(counts, 1 / (1 + np.exp(-logits)))
        weights = np.full(K, 1 / K)
        return [ratio_mean(hit.astype(float), counts.astype(float), weights) for hit in hits]

    def sample(
        self, rng: np.random.Generator, sizes: list[int], easy: np.ndarray
    ) -> list[list[Statistic]]:
        """Statistics by tested set and head; `easy` has shape (sets, heads, K)."""
        return [self.set_of(rng, n, of) for n, of in zip(sizes, easy, strict=True)]


WORLDS = (World("equal classes", 0.5, False), World("unequal classes", 0.8, True))


def mean(sets: list[list[Statistic]]) -> Statistic:
    """Mean over all pairs, over the speakers of all sets."""
    names = [[f"{i}:{j:06d}" for j in range(len(heads[0].sums))] for i, heads in enumerate(sets)]
    every = sorted(name for own in names for name in own)
    parts = [
        among(head, own, every) for own, heads in zip(names, sets, strict=True) for head in heads
    ]
    return combine(parts, [1 / len(parts)] * len(parts))


def value(statistic: Statistic) -> float:
    return float(statistic.value(statistic.sums.sum(0)))


def simulate(
    world: World, sizes: list[int], trials: int, seed: int = 0
) -> tuple[float, float, float]:
    """Returns coverage of the first pair and of the mean, and false positives of a difference."""
    rng = np.random.default_rng([seed, *sizes])
    heads = len(sizes) - 1
    easy = np.linspace(-1, 1, K) + 0.7 * rng.standard_normal((len(sizes), heads, 1))
    whole = world.sample(rng, [POPULATION] * len(sizes), easy)
    truths = value(whole[0][0]), float(np.mean([value(h) for of in whole for h in of]))
    hits, alarms = np.zeros(2), 0
    for _ in range(trials):
        sets = world.sample(rng, sizes, easy)
        for i, statistic in enumerate((sets[0][0], mean(sets))):
            made = interval(statistic)
            assert made is not None
            hits[i] += made.low <= truths[i] <= made.high
        # Two rows with equally good heads, on the same speakers.
        both = world.sample(rng, sizes, np.concatenate([easy, easy], axis=1))
        rows = [mean([of[:heads] for of in both]), mean([of[heads:] for of in both])]
        made = interval(combine(rows, (1.0, -1.0)))
        alarms += made is not None and not made.low <= 0 <= made.high
    return hits[0] / trials, hits[1] / trials, alarms / trials


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=2000)
    parser.add_argument("--sets", nargs="+", default=["5,5", "6,6,6", "5,9,18", "18,18,18"])
    options = parser.parse_args()
    print(f"{options.trials} trials; coverage of one pair and of the mean, false positives")
    for sizes in options.sets:
        for world in WORLDS:
            found = simulate(world, [int(n) for n in sizes.split(",")], options.trials)
            print(f"speakers {sizes:10} {world.name:16}", *(f"{share:8.3f}" for share in found))


if __name__ == "__main__":
    main()

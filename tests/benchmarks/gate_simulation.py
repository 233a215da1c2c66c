"""The gate under the null, and with planted drops of the size that `lanser-bench power` names.

    python tests/benchmarks/gate_simulation.py [--pairs 200]

A null pair is one cell trained with other seeds, same settings, three seeds a side, tested on the
same speakers. Two worlds: answers drawn from speaker, seed and seed × speaker effects; and heads
that are really trained, on drawn embeddings with speaker effects: random ReLU features from the
seed, ridge regression on speaker folds. Speakers, recordings and seeds are drawn anew for each
pair. A planted drop turns right answers into wrong ones at random until the score has lost what
`power` names, which is told the worlds' spreads as a pilot would tell them.

The second table is the gate against the median of the last N commits (`gate --against-last N`),
each with seeds of its own. The last table is the coverage of the interval over seeds × speakers.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lanser_bench.evaluation.contrast import Contrast, Side, difference, score_of
from lanser_bench.evaluation.power import Design, detectable
from lanser_bench.evaluation.statistics import Statistic, ratio_mean
from lanser_bench.reporting.comparing.against_last import median_line
from lanser_bench.reporting.comparing.verdicts import ScoreTest, judged
from lanser_bench.reporting.groups import CellId

K = 6
SEEDS = 3
CELLS = 4
"""Cells of one gate: the family that Holm's method is over."""
Draw = Callable[[int], list[np.ndarray]]
"""Number of seeds → which answers are right, shape (speakers, K, each) per seed."""


def uar(right: np.ndarray) -> Statistic:
    """UAR of right answers, shape (speakers, K, each)."""
    hits = right.sum(2).astype(float)
    return ratio_mean(hits, np.full_like(hits, right.shape[2]), np.full(K, 1 / K))


@dataclass(frozen=True)
class Drawn:
    """Answers with speaker, seed and seed × speaker effects on the logit scale."""

    speakers: int
    each: int = 10
    over_seeds: float = 0.09
    """About 2 points of UAR."""
    name: str = "drawn answers"

    def world(self, rng: np.random.Generator) -> Draw:
        """New speakers; returns what trains cells on them."""
        hard = 0.5 * rng.standard_normal((self.speakers, 1, 1)) + np.linspace(-1, 1, K)[:, None]
        hard = hard + 0.8 * rng.standard_normal((self.speakers, K, self.each))

        def train(n: int) -> list[np.ndarray]:
            made = []
            for _ in range(n):
                seed = self.over_seeds * rng.standard_normal()
                taste = 0.2 * rng.standard_normal((self.speakers, K, 1))
                chance = 1 / (1 + np.exp(-(hard + seed + taste)))
                made.append(rng.random(chance.shape) < chance)
            return made

        return train


@dataclass(frozen=True)
class Trained:
    """Ridge heads on random features of drawn embeddings, five speaker folds."""

    speakers: int
    each: int = 10
    width: int = 64
    name: str = "trained heads"

    def world(self, rng: np.random.Generator) -> Draw:
        """New speakers and recordings; returns what trains heads on them."""
        dim, shape = 24, (self.speakers, K, self.each)
        classes = 0.45 * rng.standard_normal((K, dim))
        accents = 0.35 * rng.standard_normal((self.speakers, K, dim))
        voices = rng.standard_normal((self.speakers, 1, 1, dim))
        x = classes[:, None] + accents[:, :, None] + voices + rng.standard_normal((*shape, dim))
        x = x.reshape(-1, dim)
        gold = np.broadcast_to(np.arange(K)[:, None], shape).ravel()
        fold = np.broadcast_to((np.arange(self.speakers) % 5)[:, None, None], shape).ravel()
        targets = np.eye(K)[gold]

        def train(n: int) -> list[np.ndarray]:
            made = []
            for _ in range(n):
                hidden = np.maximum(x @ rng.standard_normal((dim, self.width)) / dim**0.5, 0)
                answers = np.zeros(len(x), np.int64)
                for k in range(5):
                    a, b = hidden[fold != k], hidden[fold == k]
                    middle = a.mean(0)
                    a, b = a - middle, b - middle
                    left = a.T @ a + 10.0 * np.eye(self.width)
                    weights = np.linalg.solve(left, a.T @ (targets[fold != k] - 1 / K))
                    answers[fold == k] = (b @ weights).argmax(1)
                made.append((answers == gold).reshape(shape))
            return made

        return train


World = Drawn | Trained


def pilot(world: World, rng: np.random.Generator, pairs: int = 200) -> tuple[float, float]:
    """Spread and seed spread of a world, in points: root mean squares over pairs."""
    squares = []
    for _ in range(pairs):
        train = world.world(rng)
        contrast = difference(side(train(SEEDS)), side(train(SEEDS)))
        over, _, shared = contrast._over_seeds
        # Differences may be negative: only their mean is the variance over seeds.
        squares.append((contrast.speaker_error**2 * world.speakers, (over - shared) * SEEDS / 2))
    means = np.mean(squares, 0)
    return 100 * float(means[0] ** 0.5), 100 * float(max(means[1], 0.0) ** 0.5)


def side(answers: list[np.ndarray]) -> Side:
    """One side of a comparison."""
    return Side([uar(right) for right in answers])


def dropped(answers: list[np.ndarray], points: float, rng: np.random.Generator) -> list[np.ndarray]:
    """Turns right answers wrong until so many points are lost on average."""
    score = float(np.mean([right.mean() for right in answers]))
    return [right & (rng.random(right.shape) >= points / 100 / score) for right in answers]


def gates(
    world: World, pairs: int, rng: np.random.Generator, drop: float, tolerance: float, cells: int
) -> float:
    """Share of gates with an alarm in their first cell, or in any cell if nothing is planted."""
    alarms = 0
    for _ in range(pairs):
        train = world.world(rng)
        tests = []
        for cell in range(cells):
            old, new = train(SEEDS), train(SEEDS)
            if drop and cell == 0:
                new = dropped(new, drop, rng)
            name = CellId("simulated", f"cell {cell}", "drawn", 0)
            tests.append(ScoreTest.of((name, "uar"), difference(side(new), side(old))))
        rows = judged(tests, tolerance)
        alarms += any(row.verdict == "worse" for row in (rows[:1] if drop else rows))
    return alarms / pairs


def against_last(
    world: World, pairs: int, rng: np.random.Generator, last: int, drop: float
) -> float:
    """Share of alarms against the median of `last` commits, each trained with seeds of its own."""
    alarms = 0
    for _ in range(pairs):
        train = world.world(rng)
        past = [
            {"side": s, "uar": score_of(s).value} for s in (side(train(SEEDS)) for _ in range(last))
        ]
        new = train(SEEDS)
        new = dropped(new, drop, rng) if drop else new
        middle = median_line(past, "uar")["side"]
        cell = CellId("simulated", "cell", "drawn", 0)
        test = ScoreTest.of((cell, "uar"), difference(side(new), middle))
        (row,) = judged([test], 0.01 if drop else 0.0)
        alarms += row.verdict == "worse"
    return alarms / pairs


def coverage(speakers: int, seeds: int, trials: int, rng: np.random.Generator) -> float:
    """Share of intervals over seeds × speakers that hold the score over all of both."""
    whole = Drawn(4000)
    truth = float(np.mean([right.mean() for right in whole.world(rng)(12)]))
    held = 0
    for _ in range(trials):
        train = Drawn(speakers, over_seeds=0.2).world(rng)
        made = Contrast([side(train(seeds))], [1.0]).metric().interval
        assert made is not None
        held += made.low <= truth <= made.high
    return held / trials


def main() -> None:
    """Prints false alarms, catches and coverage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--coverage-trials", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=6)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    print(f"{options.pairs} gates each, {SEEDS} training seeds a side, 18 speakers\n")
    print(
        f"{'world':<16}{'cells':>6}{'spread':>8}{'seeds':>7}{'power names':>13}"
        f"{'false alarms':>14}{'caught':>8}"
    )
    for world in (Drawn(18), Trained(18)):
        spread, over_seeds = pilot(world, rng)
        for cells in (1, CELLS):
            size = detectable(Design(18, spread, SEEDS, over_seeds, cells))
            assert size is not None
            # At tolerance 0 nothing but the test holds alarms back.
            false = gates(world, options.pairs, rng, 0.0, 0.0, cells)
            caught = gates(world, options.pairs, rng, size, 0.01, cells)
            print(
                f"{world.name:<16}{cells:>6}{spread:>8.1f}{over_seeds:>7.1f}{size:>13.1f}"
                f"{false:>14.3f}{caught:>8.3f}",
                flush=True,
            )
    print(f"\n{'world':<16}{'last':>6}{'false alarms':>14}{'caught':>8}")
    for world in (Drawn(18), Trained(18)):
        spread, over_seeds = pilot(world, rng)
        size = detectable(Design(18, spread, SEEDS, over_seeds, 1))
        assert size is not None
        for last in (1, 5, 10):
            false = against_last(world, options.pairs, rng, last, 0.0)
            caught = against_last(world, options.pairs, rng, last, size)
            print(f"{world.name:<16}{last:>6}{false:>14.3f}{caught:>8.3f}", flush=True)
    print("\ncoverage of 95 % intervals over seeds × speakers")
    for speakers in (5, 10, 18):
        for seeds in (2, 3, 5):
            share = coverage(speakers, seeds, options.coverage_trials, rng)
            print(f"{speakers:>4} speakers, {seeds} seeds{share:>10.3f}", flush=True)


if __name__ == "__main__":
    main()

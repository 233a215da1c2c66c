"""Coverage of the 95 % intervals of JSD, Brier, ECE and top-set F1 over speakers.

Each speaker has a number of utterances of its own; a head knows the distribution that its votes are
drawn from up to a shift of the speaker's own, and states it with sharper or flatter odds. The truth
is the score over a large population of such speakers; that of ECE has many votes and utterances a
bin, so that noise does not count as a gap.

    python tests/benchmarks/calibration_coverage.py [--trials 400] [--speakers 5 10 20 91]
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass

import numpy as np

from lanser_bench.evaluation import soft
from lanser_bench.evaluation.calibration import BINS
from lanser_bench.evaluation.contrast import Contrast, Side

K = 6
RATERS = 9
SCORES = ("jsd", "brier", "set_f1", "ece")
NOISE = 5e-4
"""What is left of noise in the truth."""


@dataclass(frozen=True)
class World:
    name: str
    odds: float
    """Power of the stated odds: above 1 is overconfident."""
    shift: float
    """Standard deviation of a speaker's own shift of the logits."""

    def sample(self, rng: np.random.Generator, speakers: int, each: int) -> soft.Distributions:
        """Returns the predictions on the utterances of some speakers."""
        sizes = 5 + rng.poisson(each - 5, speakers)
        unit = np.repeat(np.arange(speakers), sizes)
        logits = 1.5 * rng.standard_normal((len(unit), K))
        own = self.shift * rng.standard_normal((speakers, K))
        true = _softmax(logits + own[unit])
        votes = rng.multinomial(RATERS, true) / RATERS
        names = [f"{u:05d}" for u in unit]
        return soft.Distributions(names, votes, _softmax(self.odds * logits)[None])


WORLDS = (
    World("calibrated", 1.0, 0.0),
    World("calibrated, speakers differ", 1.0, 0.7),
    World("slightly overconfident", 1.15, 0.3),
    World("overconfident", 2.0, 0.3),
    World("underconfident", 0.6, 0.5),
)


def _softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(-1, keepdims=True))
    return weights / weights.sum(-1, keepdims=True)


def coverage(world: World, speakers: int, trials: int, each: int = 30) -> dict[str, list[float]]:
    """Returns score → coverage, mean width of the interval, mean of the score minus the truth."""
    truth = soft.soft_scores(world.sample(np.random.default_rng(0), 12_000, each), BINS)
    rows: dict[str, list[tuple[float, float, float]]] = {name: [] for name in SCORES}
    for trial in range(trials):
        rng = np.random.default_rng([1, trial, speakers])
        found = soft.soft_scores(world.sample(rng, speakers, each), BINS)
        for name in SCORES:
            metric, right = getattr(found, name), getattr(truth, name).value
            low, high = metric.interval.low, metric.interval.high
            inside = low <= right + NOISE and right <= high + NOISE
            rows[name].append((float(inside), high - low, metric.value - right))
    return {name: np.mean(of, axis=0).tolist() for name, of in rows.items()}


def false_positives(speakers: int, odds: float, trials: int, each: int = 30) -> dict[str, float]:
    """Returns score → share of pairs of equally good heads with p ≤ .05, paired by speaker."""
    hits = dict.fromkeys(SCORES, 0)
    for trial in range(trials):
        rng = np.random.default_rng([2, trial, speakers])
        unit = np.repeat(np.arange(speakers), each)
        logits = 1.5 * rng.standard_normal((len(unit), K))
        true = _softmax(logits + (0.4 * rng.standard_normal((speakers, K)))[unit])
        votes, names = rng.multinomial(RATERS, true) / RATERS, [f"{u:05d}" for u in unit]
        sides = []
        for _ in range(2):
            seen = logits + 0.7 * rng.standard_normal(logits.shape)
            data = soft.Distributions(names, votes, _softmax(odds * seen)[None])
            sides.append(soft.statistics(data, BINS))
        for name in SCORES:
            pair = [Side([side[name]], drawn=False) for side in sides]
            p_value = Contrast(pair, [1.0, -1.0]).p_value()
            hits[name] += p_value is not None and p_value <= 0.05
    return {name: n / trials for name, n in hits.items()}


def main() -> None:
    """Prints a line per number of speakers and world."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--trials", type=int, default=400)
    parser.add_argument("--speakers", type=int, nargs="+", default=[5, 10, 20, 91])
    arguments = parser.parse_args()
    print(f"coverage of 95 % intervals (width) in {arguments.trials} trials")
    print("speakers  world                             JSD             Brier        top-set F1    "
          "           ECE  bias of ECE")  # fmt: skip
    for speakers in arguments.speakers:
        for world in WORLDS:
            found = coverage(world, speakers, arguments.trials)
            cells = " ".join(f"{found[n][0]:9.3f} ({found[n][1]:.3f})" for n in SCORES)
            print(f"{speakers:8d}  {world.name:<26} {cells} {found['ece'][2]:+12.3f}", flush=True)
    print(f"\nfalse positives of the paired difference at 5 %, {arguments.trials} trials")
    for speakers in arguments.speakers:
        for name, odds in (("odds as they are", 1.0), ("odds squared", 2.0)):
            found = false_positives(speakers, odds, arguments.trials)
            cells = " ".join(f"{found[n]:17.3f}" for n in SCORES)
            print(f"{speakers:8d}  {name:<26}{cells}", flush=True)


if __name__ == "__main__":
    main()

"""Coverage of the interval of labels saved, by speakers, training seeds and true ratio.

    python tests/benchmarks/savings_simulation.py [--trials 400]

Curves rise by 4 points of UAR with each doubling of 10 to 160 labels; the main curve is the
control's, shifted by the true ratio. Speakers, training seeds and each cell of speaker × seed ×
budget add variation of 6, 1 and 4 points. The ratio is read at the second budget.
"""

from __future__ import annotations

import argparse

import numpy as np

from lanser_bench.evaluation.contrast import Side
from lanser_bench.evaluation.savings import Curve, labels_saved
from lanser_bench.evaluation.statistics import ratio_mean

LABELS = [10.0, 20.0, 40.0, 80.0, 160.0]


def cell(rng: np.random.Generator, ratio: float, people: np.ndarray, seeds: int) -> Curve:
    """A curve whose labels count `ratio` times."""
    levels = 0.01 * rng.standard_normal((seeds, 1))

    def side(labels: float) -> Side:
        mean = 0.3 + 0.04 * np.log2(ratio * labels / 10)
        hits = mean + people + levels + 0.04 * rng.standard_normal((seeds, len(people)))
        right = 100 * hits[..., None]
        return Side([ratio_mean(own, np.full_like(own, 100), np.ones(1)) for own in right])

    return Curve(LABELS, [side(labels) for labels in LABELS])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--trials", type=int, default=400)
    trials = parser.parse_args().trials
    print("speakers  seeds  true ratio  covered  open above  median ratio")
    for n_speakers, seeds, ratio in ((6, 3, 2.0), (12, 3, 2.0), (12, 3, 1.0), (12, 5, 4.0)):
        found = []
        for trial in range(trials):
            rng = np.random.default_rng(trial)
            people = 0.06 * rng.standard_normal(n_speakers)
            ours, theirs = cell(rng, ratio, people, seeds), cell(rng, 1.0, people, seeds)
            found.append(labels_saved(ours.sides[1], LABELS[1], theirs))
        ends = [saved.interval or (None, None) for saved in found]
        covered = np.mean([(a or 0) <= ratio <= (b or np.inf) for a, b in ends])
        above = np.mean([b is None for _, b in ends])
        middle = np.median([saved.ratio or (np.inf if saved.beyond else 0) for saved in found])
        print(
            f"{n_speakers:8}  {seeds:5}  {ratio:10}  {covered:7.3f}  {above:10.2f}  {middle:12.2f}"
        )


if __name__ == "__main__":
    main()

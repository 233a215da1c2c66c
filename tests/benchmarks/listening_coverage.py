"""Coverage of the intervals of listen or read, and false positives of the paired difference.

Each speaker has own rates at which voice and words are followed, drawn from a Dirichlet around the
true ones, and few conflict clips. Two classifiers with the same rates answer the same clips.

    python tests/benchmarks/listening_coverage.py [--trials 1000]
"""

from __future__ import annotations

import argparse

import numpy as np

from lanser_bench.evaluation.listening import Clips, statistics
from lanser_bench.evaluation.statistics import combine, interval

TRUTH = {"voice": 0.5, "words": 0.2, "difference": 0.3}
WORLDS = {
    "like speakers": (50.0, 8.0),
    "unlike speakers": (4.0, 8.0),
    "unlike, few clips": (4.0, 2.0),
}
"""Name → concentration of the Dirichlet, and mean number of conflict clips but one."""


def simulated(
    world: str, speakers: int, trials: int, seed: int = 0
) -> tuple[dict[str, float], dict[str, float]]:
    """Returns score → coverage, and score → false positives of the paired difference."""
    rng = np.random.default_rng([seed, speakers])
    concentration, mean = WORLDS[world]
    covered, wrong = dict.fromkeys(TRUTH, 0), dict.fromkeys(TRUTH, 0)
    for _ in range(trials):
        unit = np.repeat(np.arange(speakers), 1 + rng.poisson(mean, speakers))
        zero = np.zeros(len(unit), np.int64)
        clips = Clips([""] * len(unit), [f"s{u:02d}" for u in unit], zero + 1, zero)
        rates = rng.dirichlet(concentration * np.array([0.5, 0.2, 0.3]), speakers).cumsum(1)
        answers = [(rng.random(len(unit))[:, None] > rates[unit, :2]).sum(1) for _ in range(2)]
        a, b = (statistics(clips, given[None]) for given in answers)
        for name, truth in TRUTH.items():
            around, gap = interval(a[name]), interval(combine([a[name], b[name]], [1.0, -1.0]))
            assert around is not None
            assert gap is not None
            covered[name] += around.low <= truth <= around.high
            wrong[name] += not gap.low <= 0 <= gap.high
    shares = ({name: n / trials for name, n in counts.items()} for counts in (covered, wrong))
    return next(shares), next(shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    trials = parser.parse_args().trials
    print(f"coverage of 95 % intervals, and false positives of differences at 5 %, {trials} trials")
    print(f"{'speakers  world':<28}" + "".join(f"{name:>18}" for name in TRUTH))
    for speakers in (5, 10, 18):
        for world in WORLDS:
            covered, wrong = simulated(world, speakers, trials)
            cells = "".join(f"{covered[n]:>10.3f}  {wrong[n]:.3f} " for n in TRUTH)
            print(f"{speakers:>8}  {world:<18}{cells}")


if __name__ == "__main__":
    main()

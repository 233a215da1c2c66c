"""That gold permuted within training speakers, and features of noise, give chance.

Worlds of 6 speakers × 20 utterances with 4 labels and voices of their own. Shown are UAR, what it
is under permutations of the gold within speakers, and in how many worlds of noise the test
is significant. Where speakers have unlike mixtures of labels, permuting in training alone leaves
what tells the speakers' mixtures apart; permuting on both sides, as the test does, leaves nothing.

    python tests/benchmarks/permutation_chance.py [--permutations 200] [--worlds 100]
"""

from __future__ import annotations

import argparse

import numpy as np
from permutation import PermutationTest, permutation_test

from lanser_bench.evaluation import metrics
from lanser_bench.evaluation.budgets import parse_budget
from lanser_bench.evaluation.efficiency import Design, Labelled, run_study
from lanser_bench.evaluation.folds import Fold, make_folds

SPEAKERS, EACH, K, DIM = 6, 20, 4, 16
ALL = parse_budget(1.0)


def design(draws: int = 1, permute: bool = False) -> Design:
    return Design([ALL], draws, (1e-3, 1e-2, 1e-1), 2, True, permute, 0)


def world(seed: int, alike: bool = False) -> tuple[Labelled, list[Fold], np.ndarray, np.ndarray]:
    """Labels with their folds, features that hold them, and features of voices and noise alone."""
    rng = np.random.default_rng(seed)
    mixtures = rng.dirichlet(np.full(K, 5.0), SPEAKERS)
    labels = np.concatenate([rng.choice(K, EACH, p=mixture) for mixture in mixtures])
    if alike:
        labels = np.tile(np.arange(EACH) % K, SPEAKERS)
    speakers = [f"s{i}" for i in range(SPEAKERS) for _ in range(EACH)]
    data = Labelled([f"u{i}" for i in range(len(labels))], speakers, labels, K)
    folds = make_folds(
        "k-speaker-folds", ids=data.ids, speakers=speakers, labels=labels, seed=seed, k=3
    )
    noise = np.repeat(rng.standard_normal((SPEAKERS, DIM)), EACH, 0)
    noise += rng.standard_normal((len(labels), DIM))
    return data, folds, noise + 1.5 * rng.standard_normal((K, DIM))[labels], noise


def shown(what: str, found: PermutationTest) -> str:
    low, high = np.quantile(found.null, [0.025, 0.975])
    return (
        f"{what:<46}{found.uar:>7.3f}{found.null.mean():>9.3f}  [{low:.3f}, {high:.3f}]"
        f"{found.p_value:>9.4f}"
    )


def permuted_training(
    data: Labelled, folds: list[Fold], held: np.ndarray, draws: int
) -> np.ndarray:
    """UAR against true gold where training gold was permuted, shape (draws,)."""
    study = run_study(data, {"layer": held}, folds, design(draws, permute=True))
    found = study.classified(ALL)
    return np.array(
        [metrics.uar(metrics.confusion_matrix(found.gold, row, K)) for row in found.predicted]
    )


def main() -> None:
    """Prints the three worlds and the rate of false alarms."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--permutations", type=int, default=200)
    parser.add_argument("--worlds", type=int, default=100)
    options = parser.parse_args()
    print(
        f"{'chance is 0.250; ' + str(options.permutations) + ' permutations':<46}"
        f"{'UAR':>7}{'permuted':>9}  {'95 % of them':<14}{'p':>9}"
    )
    data, folds, held, noise = world(0)
    for what, values in (("features with the label", held), ("Gaussian features", noise)):
        found = permutation_test(
            data, {"l": values}, folds, design(), permutations=options.permutations
        )
        print(shown(what, found))
    for alike, speakers in ((True, "equal mixtures"), (False, "unlike mixtures")):
        data, folds, held, _ = world(0, alike)
        scores = permuted_training(data, folds, held, options.permutations)
        low, high = np.quantile(scores, [0.025, 0.975])
        print(
            f"{'gold permuted in training, ' + speakers:<46}{'':>7}{scores.mean():>9.3f}  "
            f"[{low:.3f}, {high:.3f}]"
        )
    p_values = []
    for seed in range(1, options.worlds + 1):
        data, folds, _, noise = world(seed)
        found = permutation_test(
            data, {"l": noise}, folds, design(), permutations=options.permutations
        )
        p_values.append(found.p_value)
    share = np.mean(np.array(p_values) <= 0.05)
    print(
        f"\nGaussian features: p ≤ .05 in {share:.3f} of {options.worlds} worlds, "
        f"mean p {np.mean(p_values):.2f}"
    )


if __name__ == "__main__":
    main()

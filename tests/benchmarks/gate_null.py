"""False alarms of every score of the gate, over pairs that differ only by chance.

    python tests/benchmarks/gate_null.py [--pairs 200]

Labels: two labelers with equal expected scores on one corpus of new speakers (or texts). A speaker
is harder for both, and harder for one of them; labelers abstain, and err independently.
Transcripts: word errors in the same way. Cells: two trainings of one cell with other seeds, three
seeds a side, with probes of values and of classes; scores vary over speakers, seeds, and seeds ×
speakers. The tolerance is 0: only the test prevents alarms. `alone` is the share of pairs in which
a score is worse at 5 % without correction, which should be 2.5 %; `gate` is the share in which it
is worse in the gate of all scores of its table.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable

import numpy as np

from lanser_bench.evaluation import label_quality as quality
from lanser_bench.evaluation.classes import Hit, class_statistics
from lanser_bench.evaluation.contrast import Contrast, Side, difference
from lanser_bench.evaluation.curves import area_weights
from lanser_bench.evaluation.label_quality import LabelRows, QualitySums
from lanser_bench.evaluation.predictions import (
    Classified,
    Predicted,
    classification,
    regression_from_sums,
    speaker_sums,
)
from lanser_bench.evaluation.statistics import Statistic, combine
from lanser_bench.reporting.comparing.verdicts import ALPHA, Score, ScoreTest, compared, judged
from lanser_bench.reporting.groups import CellId

K = 6
LOWER = {"labels.jsd", "labels.brier", "transcripts.wer", "transcripts.cer"} | {"identity:speaker"}
Rng = np.random.Generator
World = Callable[[Rng], dict[Score, Contrast]]


def cell(name: str) -> CellId:
    """A name of the simulation."""
    return CellId("simulated", name, "drawn", 0)


def labelings(speakers: int, each: int) -> World:
    """Pairs of labelers; 0 speakers are texts without any."""
    n = each * (speakers or 1)

    def draw(rng: Rng) -> dict[Score, Contrast]:
        gold = rng.choice(K, n, p=np.arange(1, K + 1) / 21)
        who = np.arange(n) // each if speakers else np.arange(n)
        units = quality.units_of([f"s{i:02d}" for i in who] if speakers else [None] * n)
        hard = 0.5 * rng.standard_normal(who.max() + 1)[who] + rng.standard_normal(n)
        pair = [labels(rng, gold, hard, who) for _ in range(2)]
        sums = [quality.label_sums(own, units, NAMES, NAMES) for own in pair]
        found = quality.quality_differences(*sums).items()
        contrasts = {(cell("labels"), f"labels.{name}"): c for name, c in found}
        length = rng.integers(4, 15, n)
        errors = [transcripts(rng, units, length, who) for _ in range(2)]
        for name, contrast in quality.quality_differences(*errors).items():
            contrasts[cell("labels"), f"transcripts.{name}"] = contrast
        return contrasts

    return draw


NAMES = [f"label {i}" for i in range(K)]


def labels(rng: Rng, gold: np.ndarray, hard: np.ndarray, who: np.ndarray) -> LabelRows:
    """One labeler's answers; label 0 is rare, so that it is sometimes never given."""
    taste = 0.3 * rng.standard_normal(who.max() + 1)[who]
    chance = 1 / (1 + np.exp(hard + taste - 0.3))
    wrong = rng.choice(K, len(gold), p=np.arange(1, K + 1) ** 3 / (np.arange(1, K + 1) ** 3).sum())
    answer = np.where(rng.random(len(gold)) < chance, gold, wrong)
    answer[rng.random(len(gold)) < 0.1] = -1
    scores = rng.dirichlet(np.full(K, 0.3), len(gold))
    scores[np.arange(len(gold)), np.maximum(answer, 0)] += 1
    shares = np.eye(K)[gold]
    return LabelRows(answer, gold, answer, quality.distances(scores, None, answer >= 0, shares))


def transcripts(rng: Rng, units: list[str], length: np.ndarray, who: np.ndarray) -> QualitySums:
    """One recogniser's errors."""
    rate = np.clip(0.15 + 0.05 * rng.standard_normal(who.max() + 1)[who], 0.02, 0.6)
    words = np.column_stack([rng.binomial(length, rate), length])
    characters = np.column_stack([rng.binomial(5 * length, rate / 2), 5 * length])
    return quality.error_sums(units, words, characters)


def cells(speakers: int, each: int = 30, seeds: int = 3) -> World:
    """Pairs of trainings of one cell: classes at two budgets, and values of a probe."""
    n = speakers * each
    names = [f"s{i // each:02d}" for i in range(n)]
    ids = [str(i) for i in range(n)]

    def draw(rng: Rng) -> dict[Score, Contrast]:
        who = np.arange(n) // each
        gold, truth = np.arange(n) % K, rng.standard_normal(n)
        hard = 0.5 * rng.standard_normal(speakers)[who] + 0.8 * rng.standard_normal(n)
        voice = 0.4 * rng.standard_normal(speakers)[who]

        def one() -> dict[str, Statistic]:
            shift, spread = 0.1 * rng.standard_normal(2)
            taste = 0.2 * rng.standard_normal(speakers)[who]
            right = [1 / (1 + np.exp(hard + taste - shift - level)) for level in (0.0, 0.8)]
            wrong = rng.integers(0, K, n)
            answers = [np.where(rng.random(n) < r, gold, wrong) for r in right]
            scored = [
                classification(Classified(ids, names, gold, a[None], K))["uar"] for a in answers
            ]
            noise = (0.8 + 0.1 * spread) * rng.standard_normal(n)
            predicted = 0.6 * truth + voice + 0.3 * taste + noise
            values = Predicted(ids, names, truth, 0.5 * predicted, np.zeros(n))
            moments = regression_from_sums(speaker_sums(values)[1])
            area = combine(scored, [float(w) for w in area_weights([0.1, 1.0])])
            probes = {
                "uar:emotion": hits(names, gold, answers[0] == gold),
                "identity:speaker": hits(names, who, rng.random(n) < right[0]),
            }
            found = {"uar": scored[1], "area": area, "r2": moments["r2"], "ccc": moments["ccc"]}
            return found | {m: class_statistics(rows)["uar"] for m, rows in probes.items()}

        drawn = [[one() for _ in range(seeds)] for _ in range(2)]
        sides = [{m: Side([own[m] for own in side]) for m in side[0]} for side in drawn]
        return {(cell("cell"), m): difference(sides[0][m], sides[1][m]) for m in sides[0]}

    return draw


def hits(speakers: list[str], classes: np.ndarray, right: np.ndarray) -> list[Hit]:
    """Recognised utterances of each speaker and class."""
    rows = list(zip(speakers, classes.tolist(), strict=True))
    every, good = Counter(rows), Counter(row for row, hit in zip(rows, right, strict=True) if hit)
    return [(who, "", str(name), good[who, name], n) for (who, name), n in every.items()]


def main() -> None:
    """Prints a line per score and world."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--seed", type=int, default=17)
    options = parser.parse_args()
    worlds = {
        "12 speakers × 20": labelings(12, 20),
        "24 speakers × 20": labelings(24, 20),
        "1,000 texts": labelings(0, 1000),
        "12 speakers, 3 seeds": cells(12),
        "24 speakers, 3 seeds": cells(24),
    }
    print(f"{options.pairs} null pairs each\n{'world':<24}{'score':<22}{'alone':>8}{'gate':>8}")
    for name, world in worlds.items():
        rng = np.random.default_rng(options.seed)
        alone: dict[str, int] = {}
        gated: dict[str, int] = {}
        for _ in range(options.pairs):
            tests = [ScoreTest.of(score, contrast) for score, contrast in world(rng).items()]
            for test in tests:
                (row,) = judged([test], 0.0, LOWER)
                worse = row.verdict == "worse" and (row.p_value or 1) <= ALPHA
                alone[row.metric] = alone.get(row.metric, 0) + worse
            rows = compared(tests, 0.0)
            for row in rows:
                gated[row.metric] = gated.get(row.metric, 0) + (row.verdict == "worse")
            any_worse = any(row.verdict == "worse" for row in rows)
            gated["any score"] = gated.get("any score", 0) + any_worse
        for metric, count in gated.items():
            single = f"{alone[metric] / options.pairs:.3f}" if metric in alone else "–"
            print(f"{name:<24}{metric:<22}{single:>8}{count / options.pairs:>8.3f}", flush=True)


if __name__ == "__main__":
    main()

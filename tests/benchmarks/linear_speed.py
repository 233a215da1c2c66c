"""How much faster the batched solver runs a label-efficiency study than a loop over scikit-learn.

Both do the same work in one run on one thread: the same folds, nested subsets, inner speaker folds,
strengths and layers, chosen by the same rule. Prints UAR by budget, both processor times (other
load on the machine does not count) and their ratio. As it stands: 8 budgets × 5 folds × 10 draws ×
7 strengths of one layer, which takes the loop minutes.

    python tests/benchmarks/linear_speed.py [--draws 10] [--layers 1] [--speakers 18] [--dim 384]
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from dataclasses import replace

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy starts its pool

import numpy as np  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

from lanser_bench.evaluation.budgets import class_orders, parse_budget, subset  # noqa: E402
from lanser_bench.evaluation.efficiency import (  # noqa: E402
    Cell,
    Design,
    Labelled,
    Study,
    budget_results,
    run_study,
)
from lanser_bench.evaluation.folds import Fold, make_folds  # noqa: E402
from lanser_bench.evaluation.selection import DEFAULT_STRENGTH, Answer, inner_groups, standardised  # noqa: E402

K = 8


def corpus(speakers: int, each: int, dim: int, layers: int, signal: float):
    """Embeddings with decaying spectrum, speaker offsets and a label that later layers hold."""
    rng = np.random.default_rng(0)
    labels = np.tile(np.arange(each) % K, speakers)
    spectrum = np.exp(-np.arange(dim) / (dim / 8))
    found = {}
    for layer in range(layers):
        mixing = rng.standard_normal((dim, dim)) * spectrum[:, None]
        centres = signal * (1 + layer / layers) * rng.standard_normal((K, dim))
        offsets = 0.7 * rng.standard_normal((speakers, dim)).repeat(each, 0)
        rows = centres[labels] + offsets + rng.standard_normal((len(labels), dim))
        found[f"layer_{layer:02d}"] = (rows @ mixing).astype(np.float32)
    names = [f"s{i:03d}" for i in range(speakers) for _ in range(each)]
    data = Labelled([f"u{i}" for i in range(len(labels))], names, labels, K)
    return data, found


def fitted(rows, labels, strength: float) -> LogisticRegression:
    return LogisticRegression(C=strength, class_weight="balanced", max_iter=2000).fit(rows, labels)


def logits_of(model: LogisticRegression, rows) -> np.ndarray:
    scores = np.full((len(rows), K), -50.0)
    scores[:, model.classes_] = np.log(np.maximum(model.predict_proba(rows), 1e-22))
    return scores


def loop_answer(sides, names, labels, speakers, rows, design: Design) -> Answer:
    """The linear protocol with one scikit-learn fit after another."""
    label = labels[rows]
    group = inner_groups([speakers[r] for r in rows], label, design.inner_folds, design.seed)
    layer, strength = len(names) - 1, DEFAULT_STRENGTH
    if group is not None:
        best = None
        for candidate, (train, _) in enumerate(sides):
            for value in design.strengths:
                held = np.zeros((len(rows), K))
                for g in range(group.max() + 1):
                    model = fitted(train[rows][group != g], label[group != g], value)
                    held[group == g] = logits_of(model, train[rows][group == g])
                loss = np.minimum(-held[np.arange(len(rows)), label], 20.0)
                balanced = np.mean([loss[label == c].mean() for c in np.unique(label)])
                key = (round(balanced, 6), -candidate, value)
                if best is None or key < best:
                    best, layer, strength = key, candidate, value
    train, test = sides[layer]
    predicted = fitted(train[rows], label, strength).predict(test)
    return Answer(predicted, names[layer], strength, group is not None)


def loop_study(data: Labelled, layers, folds: list[Fold], design: Design) -> Study:
    study = Study(data, folds, design)
    for number, fold in enumerate(folds):
        sides = [standardised(v.astype(np.float64), fold.train, fold.test) for v in layers.values()]
        speakers = [data.speakers[p] for p in fold.train]
        for draw in range(design.draws):
            orders = class_orders(data.ids, data.labels, fold.train, design.seed, number, draw)
            for budget in design.budgets:
                rows = np.searchsorted(fold.train, subset(orders, budget))
                if draw and len(rows) == len(fold.train):
                    continue
                found = loop_answer(
                    sides, list(layers), data.labels[fold.train], speakers, rows, design
                )
                study.cells.append(Cell(budget, number, draw, len(rows), found))
    return study


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--speakers", type=int, default=18)
    parser.add_argument("--each", type=int, default=60)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--signal", type=float, default=0.12)
    options = parser.parse_args()
    data, layers = corpus(
        options.speakers, options.each, options.dim, options.layers, options.signal
    )
    folds = make_folds("k-speaker-folds", ids=data.ids, speakers=data.speakers, labels=data.labels)
    budgets = [parse_budget(b) for b in (0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 1.0, "k=5")]
    strengths = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
    design = Design(budgets, options.draws, strengths, 3, True, False, 0)
    run_study(data, layers, folds[:1], replace(design, budgets=budgets[:2], draws=1))  # warm-up
    results, seconds = [], []
    for run in (run_study, loop_study):
        begin = time.process_time()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            study = run(data, layers, folds, design)
        seconds.append(time.process_time() - begin)
        results.append(budget_results(study))
    print(f"{'budget':>8} {'labels':>7} {'ours':>7} {'sklearn':>8} {'difference':>11}")
    for ours, theirs in zip(*results, strict=True):
        gap = 100 * (ours.uar.value - theirs.uar.value)
        print(
            f"{ours.budget:>8} {ours.n_labels:7.0f} {100 * ours.uar.value:7.2f} "
            f"{100 * theirs.uar.value:8.2f} {gap:11.2f}"
        )
    print(
        f"ours {seconds[0]:.1f} s, scikit-learn loop {seconds[1]:.1f} s: "
        f"{seconds[1] / seconds[0]:.1f} times as fast"
    )


if __name__ == "__main__":
    main()

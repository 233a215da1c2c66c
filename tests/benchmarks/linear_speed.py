"""How much faster the batched solver runs a label-efficiency study than loops over scikit-learn.

All do the same work in one process on one thread, and take turns fold by fold: the same nested
subsets, inner speaker folds, strengths and layers, chosen by the same rule. The opponents:

- skilled: strengths warm-started from the strongest penalty on, float32 and a tolerance of
  1e-2 in the search as in ours, a final fit in float64 at 1e-4, few rows in their own span;
- stopping: the same loop with our rule: weaker penalties are skipped after a loss of 5 %;
- plain: a fresh float64 fit with scikit-learn's default tolerance for every strength.

Prints UAR by budget and processor times (other load on the machine does not count).

    python tests/benchmarks/linear_speed.py [--draws 3] [--layers 1] [--speakers 18] [--dim 384]
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Iterator
from copy import copy
from dataclasses import replace
from functools import partial

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # before numpy starts its pool

import numpy as np  # noqa: E402
from _figures import figure  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402

from lanser_bench.evaluation.budgets import parse_budget  # noqa: E402
from lanser_bench.evaluation.efficiency import (  # noqa: E402
    Design,
    Labelled,
    Study,
    budget_results,
    run_design,
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


def fitted(rows, labels, strengths, tol=1e-4, start=None) -> Iterator[LogisticRegression]:
    """One model, fitted at one strength after another, each from the solution before."""
    model = LogisticRegression(class_weight="balanced", max_iter=2000, warm_start=True, tol=tol)
    if start is not None and start.coef_.shape == (len(np.unique(labels)), rows.shape[1]):
        model.coef_, model.intercept_ = start.coef_.copy(), start.intercept_.copy()
    for strength in strengths:
        model.C = strength
        yield model.fit(rows, labels)


def logits_of(model: LogisticRegression, rows) -> np.ndarray:
    scores = np.full((len(rows), K), -50.0)
    scores[:, model.classes_] = np.log(np.maximum(model.predict_proba(rows), 1e-22))
    return scores


def plain(sides, rows, label, group, strengths):
    """Held-out scores of each layer and strength, each from a separate fit."""
    held = np.zeros((len(sides), len(strengths), len(rows), K))
    for layer, (train, _) in enumerate(sides):
        for c, strength in enumerate(strengths):
            for g in range(group.max() + 1):
                model = next(fitted(train[rows][group != g], label[group != g], [strength]))
                held[layer, c, group == g] = logits_of(model, train[rows][group == g])
    return held, None


def balanced(held, label) -> np.ndarray:
    """Log-loss of held-out scores (…, n, K), the mean over classes."""
    loss = np.minimum(-held[..., np.arange(len(label)), label], 20.0)
    return np.mean([loss[..., label == c].mean(-1) for c in np.unique(label)], axis=0).round(6)


def skilled(sides, rows, label, group, strengths, stop: bool = False):
    """The same scores along the path of strengths, in float32; and a model to start from."""
    held = np.full((len(sides), len(strengths), len(rows), K), -20.0)
    models = {}
    for layer, (train, _) in enumerate(sides):
        own = train[rows]
        if len(own) < own.shape[1]:
            own = own @ np.linalg.qr(own.T)[0]  # its span: the same fit with fewer columns
        own = own.astype(np.float32)
        inside = [group != g for g in range(group.max() + 1)]
        paths = [fitted(own[i], label[i], strengths, 1e-2) for i in inside]
        for c, fits in enumerate(zip(*paths, strict=True)):
            for i, model in zip(inside, fits, strict=True):
                held[layer, c, ~i] = logits_of(model, own[~i])
                models[layer, c] = copy(model)
            loss = balanced(held[layer, : c + 1], label)
            if stop and loss[-1] > 1.05 * loss.min():
                break
    return held, models


def answer(search, sides, names, labels, speakers, rows, design: Design) -> Answer:
    """The linear protocol with one scikit-learn fit after another."""
    label = labels[rows]
    group = inner_groups([speakers[r] for r in rows], label, design.inner_folds, design.seed)
    layer, strength, start = len(names) - 1, DEFAULT_STRENGTH, None
    if group is not None:
        held, models = search(sides, rows, label, group, design.strengths)
        loss = balanced(held, label)
        layer, c = min(np.ndindex(loss.shape), key=lambda at: (loss[at], -at[0], at[1]))
        strength = design.strengths[c]
        start = models and models[layer, c]
    train, test = sides[layer]
    predicted = next(fitted(train[rows], label, [strength], start=start)).predict(test)
    return Answer(predicted, names[layer], strength, group is not None)


def loop_study(search, data: Labelled, layers, folds: list[Fold], design: Design) -> Study:
    def linear(_: int, fold: Fold):
        sides = [standardised(v.astype(np.float64), fold.train, fold.test) for v in layers.values()]
        speakers = [data.speakers[p] for p in fold.train]

        def fit(labels, chosen, _: int) -> Answer:
            rows = np.searchsorted(fold.train, chosen)
            return answer(search, sides, list(layers), labels[fold.train], speakers, rows, design)

        return fit

    return run_design(data, folds, design, linear)


RUNS = {
    "ours": run_study,
    "skilled": partial(loop_study, skilled),
    "stopping": partial(loop_study, partial(skilled, stop=True)),
    "plain": partial(loop_study, plain),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--speakers", type=int, default=18)
    parser.add_argument("--each", type=int, default=60)
    parser.add_argument("--dim", type=int, default=384)
    parser.add_argument("--layers", type=int, default=1)
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--signal", type=float, default=0.12)
    parser.add_argument("--against", nargs="+", default=list(RUNS)[1:], choices=list(RUNS)[1:])
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    data, layers = corpus(
        options.speakers, options.each, options.dim, options.layers, options.signal
    )
    folds = make_folds("k-speaker-folds", ids=data.ids, speakers=data.speakers, labels=data.labels)
    budgets = [parse_budget(b) for b in (0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 1.0, "k=5")]
    strengths = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
    design = Design(budgets, options.draws, strengths, 3, True, False, 0)
    run_study(data, layers, folds[:1], replace(design, budgets=budgets[:2], draws=1))  # warm-up
    names = ["ours", *options.against]
    seconds: dict[str, list[float]] = {name: [] for name in names}
    studies = {name: Study(data, folds, design) for name in names}
    for number, fold in enumerate(folds):
        for name in names:
            begin = time.process_time()
            cells = RUNS[name](data, layers, [fold], design).cells
            seconds[name].append(time.process_time() - begin)
            studies[name].cells += [replace(cell, fold=number) for cell in cells]
    results = [budget_results(studies[name]) for name in names]
    print(f"{'budget':>8} {'labels':>7}" + "".join(f"{name:>14}" for name in names))
    for row in zip(*results, strict=True):
        scores = "".join(f"{100 * one.uar.value:14.2f}" for one in row)
        print(f"{row[0].budget:>8} {row[0].n_labels:7.0f}{scores}")
    print(", ".join(f"{name} {sum(seconds[name]):.1f} s" for name in names))
    for name in options.against:
        ratios = [b / a for a, b in zip(seconds["ours"], seconds[name], strict=True)]
        figure("linear study", ratios, f"scikit-learn loop, {name}")


if __name__ == "__main__":
    main()

"""How well do the built-in labelers agree with human labels of written sentences?

    python tests/benchmarks/labeler_quality.py --data FOLDER [--rows N] [--labeler NAME ...]

FOLDER holds text_tweeteval_emotion and text_goemotions. Everything is zero-shot: no gold label is
seen before the comparison. `prior correction` is the label stage's `corpus-mean`, which sees the
texts and no label. Brackets hold 95 % percentile bootstrap intervals over texts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lanser_bench import Scores, Taxonomy, TextRecord
from lanser_bench.evaluation.metrics import confusion_matrix, uar
from lanser_bench.plugins import registry
from lanser_bench.stages._decision import decide
from lanser_bench.stages._label_quality import cohen_kappa
from lanser_bench.stages.label import Params
from lanser_bench.taxonomy import find_taxonomy

Ints = npt.NDArray[np.int64]
RESAMPLES = 1000
HEADER = ("labeler", "templates", "prior correction", "UAR", "kappa", "coverage", "most given",
          "texts/s")  # fmt: skip
TWEETS = Taxonomy.model_validate(
    {
        "name": "tweeteval-4",
        "version": "1",
        "citation": "Barbieri et al. 2020; Mohammad et al. 2018",
        "templates": ["I am {}.", "I feel {}.", "The speaker feels {}.", "This person is {}."],
        "labels": [
            {"name": "anger", "hypothesis": "angry", "synonyms": ["furious", "annoyed", "mad"]},
            {"name": "joy", "hypothesis": "happy", "synonyms": ["joyful", "delighted", "pleased"]},
            {"name": "optimism", "hypothesis": "optimistic", "synonyms": ["hopeful", "confident"]},
            {"name": "sadness", "hypothesis": "sad", "synonyms": ["unhappy", "heartbroken"]},
        ],
    }
)


def tweets(data: Path, split: str) -> tuple[Taxonomy, list[str], Ints]:
    """TweetEval emotion: taxonomy, texts, gold positions."""
    folder = data / "text_tweeteval_emotion"
    texts = (folder / f"{split}_text.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    gold = (folder / f"{split}_labels.txt").read_text(encoding="utf-8").split()
    return TWEETS, texts, np.array(gold, dtype=np.int64)


def comments(data: Path, split: str) -> tuple[Taxonomy, list[str], Ints]:
    """GoEmotions, rows with one label, grouped to Ekman's six and neutral by the shipped map."""
    folder = data / "text_goemotions"
    fine = find_taxonomy(registry(), "goemotions-28")
    coarse = find_taxonomy(registry(), "goemotions-ekman")
    group = fine.map_to(coarse).argmax(axis=1)
    lines = (folder / ("dev" if split == "val" else split)).with_suffix(".tsv")
    rows = [line.split("\t") for line in lines.read_text(encoding="utf-8").rstrip("\n").split("\n")]
    single = [(text, int(labels)) for text, labels, _ in rows if "," not in labels]
    return coarse, [text for text, _ in single], group[[label for _, label in single]]


def with_interval(score: Callable[[Ints], float], confusions: list[Ints]) -> str:
    """Formats the first confusion's score with the interval over the others."""
    low, high = np.quantile([score(c) for c in confusions[1:]], [0.025, 0.975])
    return f"{score(confusions[0]):.3f} [{low:.3f}, {high:.3f}]"


def row(scores: Scores, taxonomy: Taxonomy, gold: Ints, correction: str) -> str:
    """UAR, kappa, coverage and shares of the most frequent label, as table cells."""
    params = Params(prior_correction=correction)  # type: ignore[arg-type]
    decision = decide(scores.values, scores.kind, scores.abstained, taxonomy, params)
    covered = decision.index >= 0
    k = len(taxonomy.labels)
    random = np.random.default_rng(0)
    draws = [np.arange(len(gold)), *random.integers(len(gold), size=(RESAMPLES, len(gold)))]
    answers = np.where(covered, decision.index, k)
    confusions = [confusion_matrix(gold[d], answers[d], k + 1) for d in draws]
    counts = np.bincount(decision.index[covered], minlength=k)
    most = int(counts.argmax())
    kappa = with_interval(lambda c: cohen_kappa(c) or 0.0, confusions)
    return (
        f"{with_interval(uar, confusions)} | {kappa} | "
        f"{covered.mean():.3f} | {taxonomy.names[most]} {counts[most] / covered.sum():.2f}"
    )


def answers(
    labeler: str, records: list[TextRecord], taxonomy: Taxonomy
) -> Iterator[tuple[str, Scores, float]]:
    """Yields choice, scores and texts per second. Loading is not timed."""
    plain = registry().create("labeler", labeler, {})
    if labeler not in ("entailment", "similarity"):
        yield "", *timed(plain, records, taxonomy)
        return
    singles = []
    for template in taxonomy.templates:
        plugin = registry().create("labeler", labeler, {"templates": [template]})
        scores, rate = timed(plugin, records, taxonomy)
        singles.append(scores)
        yield template, scores, rate
    if labeler == "similarity":
        for words, more in (
            ("all averaged", {}),
            ("all averaged, no synonyms", {"synonyms": False}),
        ):
            plugin = registry().create("labeler", labeler, {"templates": "all", **more})
            yield words, *timed(plugin, records, taxonomy)
        return
    # The labeler's own arithmetic on averaged logits, without scoring every pair again.
    logits = np.mean([scores.logits for scores in singles], axis=0)
    for scoring in ("single", "independent"):
        plugin = registry().create("labeler", labeler, {"templates": "all", "scoring": scoring})
        kind = "distribution" if scoring == "single" else "independent"
        scores = Scores(plugin._values(logits), kind, singles[0].abstained, logits)
        yield f"all averaged, {scoring}", scores, rate / len(singles)


def timed(plugin: Any, records: list[TextRecord], taxonomy: Taxonomy) -> tuple[Scores, float]:
    """Scores and texts per second."""
    plugin.score(records[:2], taxonomy)
    begin = time.perf_counter()
    scores = plugin.score(records, taxonomy)
    return scores, len(records) / (time.perf_counter() - begin)


def main() -> None:
    """Prints one table per set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=1500, help="most texts of a set, drawn evenly")
    parser.add_argument("--split", choices=("val", "test"), default="test")
    parser.add_argument(
        "--labeler", action="append", help="default: random, similarity, entailment"
    )
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    for title, load in (("TweetEval emotion", tweets), ("GoEmotions-Ekman, one label", comments)):
        taxonomy, texts, gold = load(args.data, args.split)
        if len(texts) > args.rows:
            kept = np.linspace(0, len(texts) - 1, args.rows).astype(int)
            texts, gold = [texts[i] for i in kept], gold[kept]
        records = [TextRecord(id=str(i), text=text) for i, text in enumerate(texts)]
        majority = np.bincount(gold).max() / len(gold)
        print(
            f"\n{title}, {args.split}: {len(texts)} texts, {len(taxonomy.labels)} labels, "
            f"chance UAR {1 / len(taxonomy.labels):.3f}, largest class {majority:.2f}\n"
        )
        print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
        for name in args.labeler or ["random", "similarity", "entailment"]:
            for words, scores, rate in answers(name, records, taxonomy):
                for correction in ("none", "corpus-mean"):
                    cells = row(scores, taxonomy, gold, correction)
                    print(f"| {name} | {words} | {correction} | {cells} | {rate:.0f} |", flush=True)


if __name__ == "__main__":
    main()

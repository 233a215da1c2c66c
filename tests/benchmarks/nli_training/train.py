"""Train the embedded NLI adapter.

python -m tests.benchmarks.nli_training.train --snli FILE.tsv --out DIR
"""

from __future__ import annotations

import argparse
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from lanser_bench_plugins._file_hashes import file_sha256
from rich.console import Console

from .data import PAIRS_FILE, NliPair, read_pairs, split_by_premise
from .fit import Settings, accuracy, train
from .lora import load_merged, new_model, save_adapter

SNLI_HELD_OUT = 2000
PAIRS_HELD_OUT_FRACTION = 0.2
LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "onnx", "numpy")


@dataclass(frozen=True, slots=True)
class Split:
    """Training and held-out pairs of both sources; no premise is on both sides."""

    snli_train: list[NliPair]
    snli_held_out: list[NliPair]
    own_train: list[NliPair]
    own_held_out: list[NliPair]


def split_sources(snli: Path, pairs: Path, seed: int) -> Split:
    """Read both sources and hold out a part of each.

    Args:
        snli: a tab-separated file of SNLI pairs.
        pairs: this project's own pairs.
        seed: of the split.

    Returns:
        The four parts; the quality benchmark makes the same split again.

    Raises:
        ValueError: a file is malformed.
        OSError: a file cannot be read.
    """
    snli_train, snli_held_out = split_by_premise(read_pairs(snli), SNLI_HELD_OUT, seed)
    own = read_pairs(pairs)
    own_train, own_held_out = split_by_premise(own, round(len(own) * PAIRS_HELD_OUT_FRACTION), seed)
    return Split(snli_train, snli_held_out, own_train, own_held_out)


def describe(args: argparse.Namespace, settings: Settings, split: Split) -> dict[str, Any]:
    """Say what an adapter was made of.

    Args:
        args: the command line, for the files.
        settings: how it was trained.
        split: the pairs it was trained and is measured on.

    Returns:
        The record without metrics; files by name and hash, never by folder.
    """
    used = 0 if args.without_pairs else len(split.own_train)
    return {
        "rank": settings.rank,
        "alpha": settings.alpha,
        "training_data": [
            {
                "what": "SNLI development pairs with gold label (Bowman et al. 2015), CC BY-SA 4.0",
                "sha256": file_sha256(args.snli),
                "train": len(split.snli_train),
                "held_out": len(split.snli_held_out),
            },
            {
                "what": "pairs.tsv, NLI pairs about speakers and feelings written for this project",
                "sha256": file_sha256(args.pairs),
                "train": used,
                "held_out": len(split.own_held_out),
            },
        ],
        "settings": asdict(settings),
        "versions": {name: version(name) for name in LIBRARIES}
        | {"python": platform.python_version()},
    }


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line.

    Args:
        arguments: words after the program's name; those of the process if None.

    Returns:
        The values by name.
    """
    defaults = Settings()
    parser = argparse.ArgumentParser(
        prog="tests.benchmarks.nli_training.train", description=__doc__
    )
    parser.add_argument("--snli", type=Path, required=True, help="TSV: premise, hypothesis, label")
    parser.add_argument(
        "--pairs", type=Path, default=PAIRS_FILE, help="the same, this project's own pairs"
    )
    parser.add_argument("--without-pairs", action="store_true", help="train on SNLI alone")
    parser.add_argument("--out", type=Path, required=True, help="folder for the adapter")
    parser.add_argument("--epochs", type=int, default=defaults.epochs)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--learning-rate", type=float, default=defaults.learning_rate)
    parser.add_argument(
        "--pairs-repeat", type=int, default=defaults.pairs_repeat, help="times per epoch"
    )
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, save, load again and measure what was saved.

    Args:
        arguments: words after the program's name; those of the process if None.

    Raises:
        MissingDependencyError: the base is missing or another one.
        ValueError: a file of pairs is malformed.
    """
    args = parse_arguments(arguments)
    settings = Settings(
        epochs=args.epochs,
        seed=args.seed,
        learning_rate=args.learning_rate,
        pairs_repeat=args.pairs_repeat,
    )
    torch.set_num_threads(settings.threads)
    torch.use_deterministic_algorithms(True)
    # Nothing here reads memory before writing it, and filling it first costs time.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    split = split_sources(args.snli, args.pairs, settings.seed)
    own = [] if args.without_pairs else split.own_train * settings.pairs_repeat
    say = Console(highlight=False).print
    say(f"{len(split.snli_train)} SNLI pairs and {len(own)} own pairs per epoch")
    model, tokenizer = new_model(settings.rank, settings.alpha, settings.seed)
    train(model, tokenizer, [*split.snli_train, *own], settings, say)
    record = describe(args, settings, split)
    save_adapter(model, args.out, record)
    # Measured on what was written, float16 rounding and merging included.
    saved, tokenizer = load_merged(args.out)
    metrics = {
        "snli_held_out_accuracy": round(accuracy(saved, tokenizer, split.snli_held_out), 4),
        "pairs_held_out_accuracy": round(accuracy(saved, tokenizer, split.own_held_out), 4),
    }
    save_adapter(model, args.out, record | {"metrics": metrics})
    say(metrics)


if __name__ == "__main__":
    main()

"""NLI pairs: reading them, splitting by premise, batching by length, predicting."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from lanser_bench_plugins.nli.adapter import LABELS
from torch import Tensor

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

MAX_TOKENS = 128
PAIRS_FILE = Path(__file__).with_name("pairs.tsv")


@dataclass(frozen=True, slots=True)
class NliPair:
    """One premise with one hypothesis; `label` is a position in `LABELS`."""

    premise: str
    hypothesis: str
    label: int


def read_pairs(path: Path) -> list[NliPair]:
    """Read pairs from a tab-separated file with the header premise, hypothesis, label.

    Args:
        path: the file, UTF-8; labels are the words of `LABELS`.

    Returns:
        The pairs in the file's order.

    Raises:
        ValueError: a column is missing or a label unknown; the message names file and line.
        OSError: the file cannot be read.
    """
    pairs: list[NliPair] = []
    with path.open(encoding="utf-8", newline="") as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        if next(rows, None) != ["premise", "hypothesis", "label"]:
            raise ValueError(
                f"{path}, line 1: the header must be premise, hypothesis, label (tab-separated)"
            )
        for line, row in enumerate(rows, start=2):
            if len(row) != 3 or row[2] not in LABELS:
                raise ValueError(
                    f"{path}, line {line}: wanted premise, hypothesis and one of {LABELS}"
                )
            pairs.append(NliPair(row[0], row[1], LABELS.index(row[2])))
    return pairs


def split_by_premise(
    pairs: Sequence[NliPair], held_out: int, seed: int
) -> tuple[list[NliPair], list[NliPair]]:
    """Split pairs so that no premise stands on both sides.

    Args:
        pairs: all pairs.
        held_out: how many pairs to hold out at least (whole premises, so a few more are possible).
        seed: of the shuffle of the premises.

    Returns:
        Training pairs and held-out pairs, each in the order given.
    """
    premises = sorted({pair.premise for pair in pairs})
    random.Random(seed).shuffle(premises)
    sizes: dict[str, int] = {}
    for pair in pairs:
        sizes[pair.premise] = sizes.get(pair.premise, 0) + 1
    chosen: set[str] = set()
    count = 0
    for premise in premises:
        if count >= held_out:
            break
        chosen.add(premise)
        count += sizes[premise]
    train = [pair for pair in pairs if pair.premise not in chosen]
    return train, [pair for pair in pairs if pair.premise in chosen]


def length_buckets(
    lengths: Sequence[int], size: int, generator: random.Random | None
) -> list[list[int]]:
    """Group positions into batches of similar length.

    Args:
        lengths: tokens per item.
        size: items per batch.
        generator: shuffles items and batches (for training); None sorts by length alone.

    Returns:
        Batches of positions, every position once.
    """
    order = list(range(len(lengths)))
    if generator is None:
        order.sort(key=lambda position: lengths[position])
        return [order[start : start + size] for start in range(0, len(order), size)]
    generator.shuffle(order)
    # Sorting within stretches of 32 batches keeps padding low and each batch still a random draw.
    stretch = 32 * size
    order = [
        position
        for start in range(0, len(order), stretch)
        for position in sorted(order[start : start + stretch], key=lambda item: lengths[item])
    ]
    batches = [order[start : start + size] for start in range(0, len(order), size)]
    generator.shuffle(batches)
    return batches


class Tokens:
    """Pairs turned into token numbers once, to be padded batch by batch.

    Args:
        tokenizer: of the model that will read them.
        premises: first segments.
        hypotheses: second segments, as many.
    """

    def __init__(
        self, tokenizer: PreTrainedTokenizerBase, premises: Sequence[str], hypotheses: Sequence[str]
    ) -> None:
        self.tokenizer = tokenizer
        encoded = tokenizer(
            list(premises), list(hypotheses), truncation="only_first", max_length=MAX_TOKENS
        )
        self.rows = [
            {"input_ids": ids, "token_type_ids": types}
            for ids, types in zip(encoded["input_ids"], encoded["token_type_ids"], strict=True)
        ]
        self.lengths = [len(row["input_ids"]) for row in self.rows]

    def batch(self, positions: Sequence[int]) -> dict[str, Tensor]:
        """Pad some pairs to the longest of them.

        Args:
            positions: which pairs.

        Returns:
            The model's inputs, each pairs × tokens.
        """
        padded = self.tokenizer.pad(
            [self.rows[position] for position in positions], return_tensors="pt"
        )
        return dict(padded)


def iterate_batches(tokens: Tokens, size: int) -> Iterator[tuple[list[int], dict[str, Tensor]]]:
    """Go over all pairs from short to long.

    Args:
        tokens: the pairs.
        size: pairs per batch.

    Yields:
        The positions of a batch's pairs and the model's inputs.
    """
    for positions in length_buckets(tokens.lengths, size, None):
        yield positions, tokens.batch(positions)


@torch.inference_mode()
def predict(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    premises: Sequence[str],
    hypotheses: Sequence[str],
    size: int = 64,
) -> Tensor:
    """Score pairs.

    Args:
        model: an NLI classifier in eval mode.
        tokenizer: its tokenizer.
        premises: first segments.
        hypotheses: second segments, as many.
        size: pairs per batch.

    Returns:
        Logits, pairs × 3, float32, in the order given.
    """
    logits = torch.empty(len(premises), len(LABELS))
    for positions, inputs in iterate_batches(Tokens(tokenizer, premises, hypotheses), size):
        logits[positions] = model(**inputs).logits
    return logits

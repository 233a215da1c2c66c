"""Fit the adapter: the optimiser, its schedule, and the accuracy that says what came of it."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from .data import NliPair, Tokens, length_buckets, predict

if TYPE_CHECKING:
    from transformers import BertForSequenceClassification, PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Settings:
    """What decides the outcome beside the data; the record keeps all of it."""

    epochs: int = 2
    seed: int = 0
    rank: int = 16
    alpha: float = 32.0
    learning_rate: float = 1e-3
    batch_size: int = 32
    warmup: float = 0.06
    weight_decay: float = 0.01
    label_smoothing: float = 0.05
    pairs_repeat: int = 2
    threads: int = 2


def rate_at(step: int, steps: int, warmup: float) -> float:
    """Give the learning rate's factor: a linear rise, then half a cosine down to 0.

    Args:
        step: from 0.
        steps: in all.
        warmup: the fraction of steps that rises.

    Returns:
        A factor in 0…1.
    """
    rise = max(1, round(steps * warmup))
    if step < rise:
        return (step + 1) / rise
    return 0.5 * (1 + math.cos(math.pi * (step - rise) / max(1, steps - rise)))


def silence_dropout(model: BertForSequenceClassification) -> None:
    """Switch off every dropout but the head's.

    Args:
        model: changed in place.
    """
    # Drawing the masks takes 40 % of a training step on a CPU;
    # label smoothing and the low rank regularise instead.
    for name, module in model.named_modules():
        if isinstance(module, nn.Dropout) and name != "dropout":
            module.p = 0.0


def train(
    model: BertForSequenceClassification,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[NliPair],
    settings: Settings,
    say: Callable[[str], None],
) -> None:
    """Train adapter and head by cross-entropy, the products in bfloat16, the weights in float32.

    Args:
        model: an unmerged model, changed in place; left in eval mode.
        tokenizer: its tokenizer.
        pairs: all training pairs (a repeated pair counts as often as it stands here).
        settings: how.
        say: takes one line per epoch.
    """
    torch.manual_seed(settings.seed)
    generator = random.Random(settings.seed)
    tokens = Tokens(
        tokenizer, [pair.premise for pair in pairs], [pair.hypothesis for pair in pairs]
    )
    labels = torch.tensor([pair.label for pair in pairs])
    weights = [value for value in model.parameters() if value.requires_grad]
    optimiser = torch.optim.AdamW(
        weights, lr=settings.learning_rate, weight_decay=settings.weight_decay
    )
    steps = settings.epochs * math.ceil(len(pairs) / settings.batch_size)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: rate_at(step, steps, settings.warmup)
    )
    loss_of = nn.CrossEntropyLoss(label_smoothing=settings.label_smoothing)
    silence_dropout(model)
    # On two cores bfloat16 with plain attention took two thirds of the time of float32 with SDPA.
    model.set_attn_implementation("eager")
    model.train()
    for epoch in range(settings.epochs):
        started, total = time.monotonic(), 0.0
        for positions in length_buckets(tokens.lengths, settings.batch_size, generator):
            with torch.autocast("cpu", dtype=torch.bfloat16):
                logits = model(**tokens.batch(positions)).logits
            loss = loss_of(logits.float(), labels[positions])
            loss.backward()
            nn.utils.clip_grad_norm_(weights, 1.0)
            optimiser.step()
            schedule.step()
            optimiser.zero_grad(set_to_none=True)
            total += loss.item() * len(positions)
        seconds = time.monotonic() - started
        loss_text = f"loss {total / len(pairs):.4f}, {seconds:.0f} s"
        say(f"epoch {epoch + 1}/{settings.epochs}: {loss_text}")
    model.train(False)


def accuracy(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[NliPair]
) -> float:
    """Measure the fraction of pairs whose best label is the given one.

    Args:
        model: an NLI classifier in eval mode.
        tokenizer: its tokenizer.
        pairs: at least one pair.

    Returns:
        Accuracy, 0…1.
    """
    logits = predict(
        model, tokenizer, [pair.premise for pair in pairs], [pair.hypothesis for pair in pairs]
    )
    labels = torch.tensor([pair.label for pair in pairs])
    return float((logits.argmax(dim=1) == labels).double().mean())

"""Counting tokens, and batches within a budget of tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any


def token_counts(tokenizer: Any, texts: Sequence[str], **options: Any) -> list[int]:
    """Returns how many tokens whole texts have, without those that a tokenizer adds."""
    encoded = tokenizer(
        list(texts), add_special_tokens=False, truncation=False, verbose=False, **options
    )
    return [len(ids) for ids in encoded["input_ids"]]


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yields positions, longest first, so that rows × longest stays within `budget` tokens.

    A longer row forms its own batch.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    while order:
        size = max(1, budget // lengths[order[0]])
        yield order[:size]
        order = order[size:]

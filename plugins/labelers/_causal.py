"""Likelihood of words after a prompt, by a causal language model."""

from __future__ import annotations

import copy
import inspect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ._wording import Floats

ATTENTION = frozenset({"DynamicLayer", "DynamicSlidingWindowLayer"})
"""Layers of a cache of transformers that store keys and values only, which words can share."""


def log_likelihoods(
    model: Any, prompts: Sequence[Sequence[int]], words: Sequence[Sequence[int]], budget: int
) -> Floats:
    """Mean log-probability per token of every word after every prompt, shape (prompts, words).

    Each prompt is read once, and all words share its key-value cache, if all layers are attention.
    Other layers (Mamba, linear attention, convolutions) read each prompt with each word. A batch
    contains prompts of equal length, so there is no padding before a word; it has at most `budget`
    tokens. No prompt or word is empty.
    """
    import torch

    totals = np.zeros((len(prompts), len(words)), dtype=np.float32)
    with torch.inference_mode():
        score = _after_cache if _shares_cache(model, prompts[0][:1]) else _whole
        for rows in _equal_lengths(prompts, budget):
            ids = torch.tensor([list(prompts[row]) for row in rows], device=model.device)
            totals[rows] = score(model, ids, words, budget)
    totals /= np.array([len(word) for word in words], dtype=np.float32)
    return totals


def _shares_cache(model: Any, start: Sequence[int]) -> bool:
    """Returns whether words can share a prompt's cache: all layers are attention, by one token."""
    import torch

    answer = model(input_ids=torch.tensor([list(start)], device=model.device), use_cache=True)
    cache = getattr(answer, "past_key_values", None)
    layers = {type(layer).__name__ for layer in getattr(cache, "layers", ())}
    return type(cache).__name__ == "DynamicCache" and bool(layers) and layers <= ATTENTION


def _after_cache(model: Any, ids: Any, words: Sequence[Sequence[int]], budget: int) -> Floats:
    """Summed log-probability of each word after prompts of shape (n, length): (n, words)."""
    answer = model(input_ids=ids, use_cache=True, **_last(model, 1))
    logs = answer.logits[:, -1].float().log_softmax(-1)
    totals = np.asarray(logs[:, [word[0] for word in words]].cpu().numpy(), dtype=np.float32)
    longer = [i for i, word in enumerate(words) if len(word) > 1]
    step = _words_at_once(ids, words, budget)
    for begin in range(0, len(longer), step):
        columns = longer[begin : begin + step]
        totals[:, columns] += _rest(model, answer.past_key_values, ids, [words[i] for i in columns])
    return totals


def _whole(model: Any, ids: Any, words: Sequence[Sequence[int]], budget: int) -> Floats:
    """As `_after_cache`, but the model reads the prompt again with each word."""
    import torch

    step = _words_at_once(ids, words, budget)
    totals = []
    for begin in range(0, len(words), step):
        some = words[begin : begin + step]
        # Padding comes after all tokens that count, so a causal model needs no mask.
        wanted = torch.tensor(_padded(some), device=ids.device).repeat(len(ids), 1)
        width = wanted.shape[1]
        whole = torch.cat([ids.repeat_interleave(len(some), 0), wanted[:, :-1]], dim=1)
        logits = model(input_ids=whole, use_cache=False, **_last(model, width)).logits
        totals.append(_summed(logits[:, -width:], wanted, some, len(ids)))
    return np.concatenate(totals, axis=1)


def _rest(model: Any, memory: Any, ids: Any, words: Sequence[Sequence[int]]) -> Floats:
    """Summed log-probability of all tokens after each word's first: (prompts, words)."""
    import torch

    n, length = ids.shape
    padded = torch.tensor(_padded(words), device=ids.device).repeat(n, 1)
    # The cache grows in place, and the next words need it unchanged.
    shared = copy.deepcopy(memory)
    shared.batch_repeat_interleave(len(words))
    size = (len(padded), length + padded.shape[1] - 1)
    seen = torch.ones(size, dtype=torch.long, device=ids.device)
    answer = model(input_ids=padded[:, :-1], past_key_values=shared, attention_mask=seen)
    return _summed(answer.logits, padded[:, 1:], [word[1:] for word in words], n)


def _summed(logits: Any, wanted: Any, words: Sequence[Sequence[int]], n: int) -> Floats:
    """Sums the log-probabilities of the words' own tokens: (n, words)."""
    import torch

    width = wanted.shape[1]
    inside = [[1.0] * len(word) + [0.0] * (width - len(word)) for word in words]
    logs = logits.float().log_softmax(-1).gather(-1, wanted[..., None])[..., 0]
    total = (logs * torch.tensor(inside, device=logs.device).repeat(n, 1)).sum(-1)
    return np.asarray(total.reshape(n, len(words)).cpu().numpy(), dtype=np.float32)


def _padded(words: Sequence[Sequence[int]]) -> list[list[int]]:
    """Words of equal length, by their last token."""
    width = max(len(word) for word in words)
    return [[*word, *[word[-1]] * (width - len(word))] for word in words]


def _words_at_once(ids: Any, words: Sequence[Sequence[int]], budget: int) -> int:
    """Number of words after each of the prompts that fit into the budget of tokens."""
    width = ids.shape[1] + max(len(word) for word in words)
    return int(max(1, budget // (len(ids) * width)))


def _equal_lengths(prompts: Sequence[Sequence[int]], budget: int) -> Iterator[list[int]]:
    """Yields positions of prompts of one length, within the budget."""
    groups: dict[int, list[int]] = defaultdict(list)
    for row, prompt in enumerate(prompts):
        groups[len(prompt)].append(row)
    for length in sorted(groups, reverse=True):
        # Words multiply the rows, so prompts use only a quarter of the budget.
        size = max(1, budget // (4 * length))
        for begin in range(0, len(groups[length]), size):
            yield groups[length][begin : begin + size]


def _last(model: Any, count: int) -> dict[str, int]:
    """Skips the logits of all but the last tokens, if the model can."""
    supported = inspect.signature(model.forward).parameters
    return {"logits_to_keep": count} if "logits_to_keep" in supported else {}

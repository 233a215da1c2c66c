"""Likelihood of words after a prompt, by a causal language model."""

from __future__ import annotations

import copy
import inspect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ._wording import Floats


def log_likelihoods(
    model: Any, prompts: Sequence[Sequence[int]], words: Sequence[Sequence[int]], budget: int
) -> Floats:
    """Mean log-probability per token of every word after every prompt.

    Each prompt is read once, and all words share its key-value cache. A batch contains prompts of
    equal length, so there is no padding before a word.

    Args:
        model: a causal model of transformers with a key-value cache.
        prompts: tokens of each prompt, none empty.
        words: tokens of each word, none empty.
        budget: most tokens of a batch.

    Returns:
        Shape (prompts, words).
    """
    import torch

    totals = np.zeros((len(prompts), len(words)), dtype=np.float32)
    lengths = [len(word) for word in words]
    firsts = [word[0] for word in words]
    longer = [i for i, length in enumerate(lengths) if length > 1]
    with torch.inference_mode():
        for rows in _equal_lengths(prompts, budget):
            ids = torch.tensor([list(prompts[row]) for row in rows], device=model.device)
            answer = model(input_ids=ids, use_cache=True, **_last_only(model))
            logs = answer.logits[:, -1].float().log_softmax(-1)
            totals[rows] = logs[:, firsts].cpu().numpy()
            width = ids.shape[1] + max(lengths)
            step = max(1, budget // (len(rows) * width))
            for begin in range(0, len(longer), step):
                columns = longer[begin : begin + step]
                rest = _rest(model, answer.past_key_values, ids, [words[i] for i in columns])
                totals[np.ix_(rows, columns)] += rest
    totals /= np.array(lengths, dtype=np.float32)
    return totals


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


def _last_only(model: Any) -> dict[str, int]:
    """Skips the logits of all but a prompt's last token, if the model can."""
    supported = inspect.signature(model.forward).parameters
    return {"logits_to_keep": 1} if "logits_to_keep" in supported else {}


def _rest(model: Any, memory: Any, ids: Any, words: Sequence[Sequence[int]]) -> Floats:
    """Summed log-probability of all tokens after each word's first: (prompts, words)."""
    import torch

    n, length = ids.shape
    width = max(len(word) for word in words) - 1
    given = [[*word[:-1], *[word[-1]] * (width + 1 - len(word))] for word in words]
    wanted = [[*word[1:], *[word[-1]] * (width + 1 - len(word))] for word in words]
    inside = [[1.0] * (len(word) - 1) + [0.0] * (width + 1 - len(word)) for word in words]
    # The cache grows in place, and the next words need it unchanged.
    shared = copy.deepcopy(memory)
    shared.batch_repeat_interleave(len(words))
    device = ids.device
    steps = torch.tensor(given, device=device).repeat(n, 1)
    seen = torch.ones((len(steps), length + width), dtype=torch.long, device=device)
    logits = model(input_ids=steps, past_key_values=shared, attention_mask=seen).logits
    targets = torch.tensor(wanted, device=device).repeat(n, 1)
    logs = logits.float().log_softmax(-1).gather(-1, targets[..., None])[..., 0]
    total = (logs * torch.tensor(inside, device=device).repeat(n, 1)).sum(-1)
    return np.asarray(total.reshape(n, len(words)).cpu().numpy(), dtype=np.float32)

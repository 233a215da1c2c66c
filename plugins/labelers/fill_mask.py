"""Weak labels by a masked language model: how likely is "angry" in "… I am [MASK]."?

The cloze question of pattern-exploiting training (Schick & Schütze 2021, arXiv 2001.07676), without
the training. A word of several tokens is scored by its pseudo-log-likelihood: each token is
predicted with the preceding tokens visible and the following ones masked (Kauf & Ivanova 2023,
arXiv 2305.10588), and the sum is divided by their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .._tokens import batches
from ._language_models import (
    LanguageModelLabeler,
    LanguageModelOptions,
    Wording,
    longest_input,
    wording,
)
from ._wording import Floats

Frame = tuple[tuple[int, ...], int, tuple[int, ...]]
"""Tokens before the first mask, number of masks, tokens after the last one."""


class FillMaskOptions(LanguageModelOptions):
    """Options of `fill-mask`."""

    kind = "masked language model"
    example = "FacebookAI/roberta-base"


class FillMask(LanguageModelLabeler[FillMaskOptions]):
    """Scores each label by the likelihood of its word at the mask of a template."""

    Options = FillMaskOptions
    version = "1"
    opens = "fill-mask"
    head = "AutoModelForMaskedLM"

    def _room(self, templates: Sequence[str], words: list[str]) -> int:
        """Tokens of a text that fit beside the longest wording."""
        model, tokenizer = self._model
        longest = max(len(wording(tokenizer, t, word)) for t in templates for word in words)
        added = sum(token is not None for token in (tokenizer.cls_token_id, tokenizer.sep_token_id))
        return min(self.options.max_tokens, longest_input(model, tokenizer) - longest - added)

    def _likelihoods(self, texts: list[str], templates: Sequence[str], words: list[str]) -> Floats:
        """Mean log-probability per token of each word, mean over templates: (texts, words)."""
        _, tokenizer = self._model
        means = np.zeros((len(texts), len(words)), dtype=np.float32)
        for template in templates:
            wordings = [wording(tokenizer, template, word) for word in words]
            asked = _frames(wordings)
            logs = self._frame_logs(texts, asked)
            for column, one in enumerate(wordings):
                steps = [logs[frame][:, asked[frame].index(token)] for frame, token in _steps(one)]
                means[:, column] += np.mean(steps, axis=0) / len(templates)
        return means

    def _frame_logs(self, texts: list[str], asked: dict[Frame, list[int]]) -> dict[Frame, Floats]:
        """Log-probabilities of the asked tokens at each frame's first mask: (texts, asked)."""
        model, tokenizer = self._model
        inside = [self._tokens(text) for text in texts]
        limit = longest_input(model, tokenizer)
        jobs = [(row, frame) for frame in asked for row in range(len(texts))]
        sequences = [_sequence(inside[row], frame, tokenizer, limit) for row, frame in jobs]
        logs = {f: np.zeros((len(texts), len(tokens)), np.float32) for f, tokens in asked.items()}
        for batch in batches([len(ids) for ids, _ in sequences], self.options.batch_tokens):
            for job, log in zip(batch, self._forward([sequences[j] for j in batch]), strict=True):
                row, frame = jobs[job]
                logs[frame][row] = log[asked[frame]]
        return logs

    def _tokens(self, text: str) -> list[int]:
        return list(self._cut(text, self.options.max_tokens)["input_ids"])

    def _forward(self, sequences: list[tuple[list[int], int]]) -> Floats:
        """Log-probabilities of the whole vocabulary at one position of each sequence."""
        import torch

        model, tokenizer = self._model
        width = max(len(ids) for ids, _ in sequences)
        pad, device = tokenizer.pad_token_id or 0, self.options.device
        rows = [ids + [pad] * (width - len(ids)) for ids, _ in sequences]
        mask = [[1] * len(ids) + [0] * (width - len(ids)) for ids, _ in sequences]
        with torch.inference_mode():
            logits = model(
                input_ids=torch.tensor(rows, device=device),
                attention_mask=torch.tensor(mask, device=device),
            ).logits
            places = torch.tensor([place for _, place in sequences], device=device)
            at_mask = logits[torch.arange(len(rows), device=device), places].float()
            return np.asarray(at_mask.log_softmax(dim=-1).cpu().numpy(), dtype=np.float32)


def _steps(one: Wording) -> list[tuple[Frame, int]]:
    """The frames in which a word is predicted, token by token, and the token of each."""
    return [
        ((one.left + one.word[:i], len(one.word) - i, one.right), token)
        for i, token in enumerate(one.word)
    ]


def _frames(wordings: Sequence[Wording]) -> dict[Frame, list[int]]:
    """All distinct frames with the tokens asked in each; words of one token share a frame."""
    asked: dict[Frame, list[int]] = {}
    for one in wordings:
        for frame, token in _steps(one):
            tokens = asked.setdefault(frame, [])
            if token not in tokens:
                tokens.append(token)
    return asked


def _sequence(text: list[int], frame: Frame, tokenizer: Any, limit: int) -> tuple[list[int], int]:
    """Tokens of a text followed by a frame, and the position of the first mask."""
    before, masks, after = frame
    first = [tokenizer.cls_token_id] if tokenizer.cls_token_id is not None else []
    last = [tokenizer.sep_token_id] if tokenizer.sep_token_id is not None else []
    room = limit - len(first) - len(before) - masks - len(after) - len(last)
    start = [*first, *text[: max(0, room)], *before]
    return [*start, *[tokenizer.mask_token_id] * masks, *after, *last], len(start)

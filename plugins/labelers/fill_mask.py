"""Weak labels by a masked language model: how likely is "angry" in "… I am [MASK]."?

The cloze question of pattern-exploiting training (Schick & Schütze 2021, arXiv 2001.07676) without
the training. A word of several tokens is scored by its pseudo-log-likelihood, each token predicted
with those before it seen and those after it masked (Kauf & Ivanova 2023, arXiv 2305.10588), and
divided by their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from lanser_bench import Labeler, Scores, Taxonomy, TextRecord

from ..weights import resolve
from ._language_models import (
    LanguageModelOptions,
    Wording,
    batches,
    likelihood_scores,
    load,
    longest_input,
    wording,
)

Floats = npt.NDArray[np.float32]
Frame = tuple[tuple[int, ...], int, tuple[int, ...]]
"""Tokens before the first mask, number of masks, tokens after the last one."""


class FillMaskOptions(LanguageModelOptions):
    """Options of `fill-mask`."""

    @model_validator(mode="after")
    def _named(self) -> FillMaskOptions:
        if not self.model:
            raise ValueError(
                "name a masked language model in the option 'model', a folder or a hub id such as "
                "FacebookAI/roberta-base: none comes with lanser-bench"
            )
        return self


class FillMask(Labeler[FillMaskOptions]):
    """Scores each label by the likelihood of its word where a template has a mask."""

    Options = FillMaskOptions
    version = "1"
    libraries = ("torch", "transformers", "tokenizers")

    def fingerprint(self) -> str:
        """Revision of the weights."""
        return resolve(self.options.model).revision

    def describe(self) -> dict[str, Any]:
        """The model's name, and the licence of its weights."""
        return {"model": self.options.model, "licence": resolve(self.options.model).licence}

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores distinct texts; logits of shape (n, K) are log-likelihoods, less the prior."""
        return likelihood_scores(
            records, taxonomy, self.options, self._likelihoods, self._room, lambda: self._model[1]
        )

    def _room(self, templates: Sequence[str], words: list[str]) -> int:
        """Tokens of a text that are read beside every wording."""
        model, tokenizer = self._model
        filled = [wording(tokenizer, template, word) for template in templates for word in words]
        longest = max(len(one.left) + len(one.word) + len(one.right) for one in filled)
        added = sum(token is not None for token in (tokenizer.cls_token_id, tokenizer.sep_token_id))
        return min(self.options.max_tokens, longest_input(model, tokenizer) - longest - added)

    @cached_property
    def _model(self) -> tuple[Any, Any]:
        name = self.options.model
        return load(name, "AutoModelForMaskedLM", "masked language model", self.options.device)

    def _likelihoods(self, texts: list[str], templates: Sequence[str], words: list[str]) -> Floats:
        """Mean log-probability per token of each word, mean over templates: (texts, words)."""
        _, tokenizer = self._model
        found = np.zeros((len(texts), len(words)), dtype=np.float32)
        for template in templates:
            wordings = [wording(tokenizer, template, word) for word in words]
            frames, asked = _frames(wordings)
            logs = self._frame_logs(texts, frames, asked)
            for column, one in enumerate(wordings):
                steps = [logs[frame][:, asked[frame].index(token)] for frame, token in _steps(one)]
                found[:, column] += np.mean(steps, axis=0) / len(templates)
        return found

    def _frame_logs(
        self, texts: list[str], frames: list[Frame], asked: dict[Frame, list[int]]
    ) -> dict[Frame, Floats]:
        """Log-probabilities of the asked tokens at each frame's first mask: (texts, asked)."""
        model, tokenizer = self._model
        inside = [self._tokens(text) for text in texts]
        limit = longest_input(model, tokenizer)
        jobs = [(row, frame) for frame in frames for row in range(len(texts))]
        sequences = [_sequence(inside[row], frame, tokenizer, limit) for row, frame in jobs]
        found = {f: np.zeros((len(texts), len(asked[f])), dtype=np.float32) for f in frames}
        for batch in batches([len(ids) for ids, _ in sequences], self.options.batch_tokens):
            logs = self._forward([sequences[job] for job in batch])
            for job, log in zip(batch, logs, strict=True):
                row, frame = jobs[job]
                found[frame][row] = log[asked[frame]]
        return found

    def _tokens(self, text: str) -> list[int]:
        _, tokenizer = self._model
        ids = tokenizer(
            text,
            add_special_tokens=False,
            split_special_tokens=True,
            truncation=True,
            max_length=self.options.max_tokens,
        )["input_ids"]
        return list(ids)

    def _forward(self, sequences: list[tuple[list[int], int]]) -> Floats:
        """Log-probabilities of the whole vocabulary at one place of each sequence."""
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
    """The frames that a word is predicted in, token by token, and the token of each."""
    return [
        ((one.left + one.word[:i], len(one.word) - i, one.right), token)
        for i, token in enumerate(one.word)
    ]


def _frames(wordings: Sequence[Wording]) -> tuple[list[Frame], dict[Frame, list[int]]]:
    """All distinct frames, and the tokens asked in each: words of one token share theirs."""
    asked: dict[Frame, list[int]] = {}
    for one in wordings:
        for frame, token in _steps(one):
            tokens = asked.setdefault(frame, [])
            if token not in tokens:
                tokens.append(token)
    return list(asked), asked


def _sequence(text: list[int], frame: Frame, tokenizer: Any, limit: int) -> tuple[list[int], int]:
    """Tokens of a text and a frame after it, and the place of the first mask."""
    before, masks, after = frame
    first = [tokenizer.cls_token_id] if tokenizer.cls_token_id is not None else []
    last = [tokenizer.sep_token_id] if tokenizer.sep_token_id is not None else []
    room = limit - len(first) - len(before) - masks - len(after) - len(last)
    start = [*first, *text[: max(0, room)], *before]
    return [*start, *[tokenizer.mask_token_id] * masks, *after, *last], len(start)

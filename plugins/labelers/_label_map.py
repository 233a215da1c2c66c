"""Labels of a model or of a table, mapped into a taxonomy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator

from lanser_bench import PluginOptions, SettingsError, Taxonomy, known_taxonomy

from ._wording import Floats, ScoreKind

Wide = npt.NDArray[np.float64]
SHOWN = 8
"""Most labels in a message."""


class LabelMapOptions(PluginOptions):
    """Options of labelers that have labels of their own."""

    taxonomy: str | None = None
    """Taxonomy of the given labels, such as ``goemotions-28``; its written map leads to the
    taxonomy of the run. Null: the labels are those of the latter."""
    map: dict[str, dict[str, float]] = Field(default={})
    """The given labels to those of `taxonomy`: ``{LABEL_0: anger}`` or ``{LABEL_0: {anger: 0.5,
    fear: 0.5}}``. Labels that are left out have no counterpart. Empty: labels map by name or
    wording (``angry`` is anger), in any case, and all must be known."""

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


def source_of(options: LabelMapOptions) -> Taxonomy | None:
    """Returns the taxonomy that the options name; raises `TaxonomyError` if it is unknown."""
    return None if options.taxonomy is None else known_taxonomy(options.taxonomy)


@dataclass(frozen=True)
class LabelMap:
    """The way from some labels to those of a taxonomy."""

    labels: Sequence[str]
    """The given labels."""
    map: Mapping[str, Mapping[str, float]]
    """As in `LabelMapOptions`."""
    source: Taxonomy | None
    """Taxonomy that `map` leads to; None: that of the run."""
    whose: str
    """What has them, such as ``the model 'x'``."""
    where: str
    """Begins messages, such as ``labeler 'classifier'``."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Label → how often it was given, for messages."""

    def check(self) -> str:
        """Checks the labels that no run's taxonomy changes; returns the hash of `source`, or ""."""
        for name in self.map:
            if name not in self.labels:
                raise SettingsError(
                    f"{self.where}: 'map' names '{name}', which is not a label of {self.whose}. "
                    f"Its labels: {', '.join(self.labels)}."
                )
        if self.source is None:
            return ""
        self._rows(self.source)
        return self.source.hash

    def matrix(self, taxonomy: Taxonomy) -> Wide:
        """Returns the map to a taxonomy of K labels, shape (labels, K); raises as `check`."""
        self.check()
        if self.source is None:
            return self._rows(taxonomy)
        return self._rows(self.source) @ self.source.map_to(taxonomy)

    def _rows(self, source: Taxonomy) -> Wide:
        by_name = {plain(label.hypothesis): {label.name: 1.0} for label in source.labels}
        by_name |= {plain(name): {name: 1.0} for name in source.names}
        rows = np.zeros((len(self.labels), len(source.labels)))
        unknown = [label for label in self.labels if plain(label) not in by_name]
        if unknown and not self.map:
            named = [f"{n} ({self.counts[n]} ×)" if n in self.counts else n for n in unknown]
            rest = [f"{n}: {next(iter(by_name.get(plain(n), '?')))}" for n in self.labels]
            raise SettingsError(
                f"{self.where}: {self.whose} has the labels {', '.join(named[:SHOWN])}"
                f"{' …' if len(unknown) > SHOWN else ''}, which are not labels of {source.name}. "
                "Name the taxonomy of its labels in 'taxonomy', or write a 'map', with {} for a "
                f"label without a counterpart: {{{', '.join(rest[: 2 * SHOWN])}}}."
            )
        meant = self.map or {label: by_name[plain(label)] for label in self.labels}
        for row, label in enumerate(self.labels):
            for name, weight in meant.get(label, {}).items():
                rows[row, source.index(name)] = weight
        return rows


def mapped(
    scores: Wide, matrix: Wide, kind: ScoreKind
) -> tuple[Floats, Floats, npt.NDArray[np.bool_]]:
    """Maps scores of given labels to those of a taxonomy.

    Args:
        scores: shape (n, labels), in [0, 1].
        matrix: from `LabelMap.matrix`, shape (labels, K).
        kind: ``distribution``: probabilities add. ``independent``: of several labels with the same
            counterpart, the highest counts.

    Returns:
        Scores, shape (n, K); the same before unmapped mass is spread; and where labels without a
        counterpart outweigh the best label, shape (n,).
    """
    k, lacking = matrix.shape[1], 1 - matrix.sum(axis=1)
    if kind == "distribution":
        values = scores @ matrix
        unmapped = np.clip(scores @ lacking, 0, None)
        spread, filler = values + unmapped[:, None] / k, 1 / k
    else:
        values = np.stack([(scores * column).max(axis=1) for column in matrix.T], axis=1)
        unmapped = (scores * lacking).max(axis=1)
        spread, filler = values.copy(), 0.0
    best = values.max(axis=1)
    lost = (best <= 0) | (unmapped > best + 1e-9)
    spread[lost] = filler
    return spread.astype(np.float32), values.astype(np.float32), lost


def plain(label: str) -> str:
    """Returns a label as it is compared: in lower case, with spaces."""
    return " ".join(label.casefold().replace("_", " ").replace("-", " ").split())

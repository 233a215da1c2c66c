"""Taxonomies: a fixed set of labels with the wording that turns each into a hypothesis."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import TaxonomyError, did_you_mean
from .validation import describe

Weights = dict[str, float]
LabelMap = dict[str, Weights]
"""Source label → {target label: weight}; a source label left out is unmapped mass."""


class Label(BaseModel):
    """One label of a taxonomy."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    hypothesis: Annotated[str, Field(min_length=1)]
    """Adjective or noun phrase that fits the templates, such as ``angry``."""
    synonyms: tuple[str, ...] = ()
    """Further wordings, used by labelers that match words or average prototypes."""
    parent: str | None = None
    valence: float | None = Field(default=None, ge=-1, le=1)
    arousal: float | None = Field(default=None, ge=-1, le=1)


class NeutralRule(BaseModel):
    """What becomes of utterances that show no emotion, in a taxonomy without a neutral label."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["keep", "abstain"] = "keep"
    """``keep``: every utterance gets its best label. ``abstain``: utterances whose best score is
    below `min_confidence` abstain."""
    min_confidence: float = Field(default=0.0, ge=0, le=1)


class Taxonomy(BaseModel):
    """A named, versioned set of labels, read from a YAML file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]*$")]
    version: Annotated[str, Field(min_length=1)]
    title: str = ""
    citation: Annotated[str, Field(min_length=1)]
    notes: str = ""
    templates: Annotated[tuple[str, ...], Field(min_length=1)] = ("I am {}.",)
    """Hypothesis templates, each with one ``{}``; the first is the default."""
    labels: Annotated[tuple[Label, ...], Field(min_length=2)]
    neutral: str | None = None
    """Name of the neutral label, if there is one."""
    neutral_rule: NeutralRule = NeutralRule()
    maps: dict[str, LabelMap] = {}
    """Target taxonomy → map from this one's labels to the target's."""
    maps_from: dict[str, LabelMap] = {}
    """Source taxonomy → map from the source's labels to this one's."""

    @model_validator(mode="after")
    def _check(self) -> Taxonomy:
        names = self.names
        doubled = sorted({n for n in names if names.count(n) > 1})
        if doubled:
            raise ValueError(f"label '{doubled[0]}' is there twice")
        known = set(names)
        for label in self.labels:
            if label.parent is not None and label.parent not in known:
                raise ValueError(
                    f"label '{label.name}' has the unknown parent '{label.parent}'"
                    f".{did_you_mean(label.parent, known)}"
                )
        if self.neutral is not None and self.neutral not in known:
            raise ValueError(f"neutral label '{self.neutral}' is not one of the labels")
        for template in self.templates:
            if template.count("{}") != 1:
                raise ValueError(f"template '{template}' needs exactly one '{{}}'")
        for target, label_map in self.maps.items():
            for name in label_map.keys() - known:
                raise ValueError(
                    f"map to '{target}' names '{name}', which is not a label"
                    f".{did_you_mean(name, known)}"
                )
        for source, label_map in self.maps_from.items():
            for name in {t for weights in label_map.values() for t in weights} - known:
                raise ValueError(
                    f"map from '{source}' points to '{name}', which is not a label"
                    f".{did_you_mean(name, known)}"
                )
        for label_map in (*self.maps.values(), *self.maps_from.values()):
            for name, weights in label_map.items():
                if any(w <= 0 for w in weights.values()) or sum(weights.values()) > 1 + 1e-9:
                    raise ValueError(f"map of '{name}': weights must be positive and add up to ≤ 1")
        return self

    @cached_property
    def names(self) -> list[str]:
        """Label names in order: the order of every score column."""
        return [label.name for label in self.labels]

    @cached_property
    def hash(self) -> str:
        """Content hash over everything that can change a score, 32 hexadecimal digits."""
        content = self.model_dump(mode="json", exclude={"title", "citation", "notes"})
        text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    def index(self, name: str) -> int:
        """Column of a label; `TaxonomyError` with a suggestion if there is none."""
        try:
            return self.names.index(name)
        except ValueError:
            raise TaxonomyError(
                f"'{name}' is not a label of {self.name}.{did_you_mean(name, self.names)}"
            ) from None

    def hypotheses(self, template: str | None = None) -> list[str]:
        """One hypothesis per label, in order, from `template` or the taxonomy's first."""
        chosen = template or self.templates[0]
        return [chosen.replace("{}", label.hypothesis) for label in self.labels]

    def map_to(self, target: Taxonomy) -> npt.NDArray[np.float64]:
        """Returns the map to another taxonomy as a matrix of shape (K here, K there).

        Rows may add up to less than 1: the rest is unmapped mass, which becomes abstention. Equal
        taxonomies give the identity. Maps are not composed: what is not written does not exist.

        Raises:
            TaxonomyError: neither file writes the map.
        """
        if target.name == self.name or target.names == self.names:
            return np.eye(len(self.labels))
        written = self.maps.get(target.name) or target.maps_from.get(self.name)
        if written is None:
            raise TaxonomyError(
                f"There is no map from {self.name} to {target.name}: write `maps: "
                f"{{{target.name}: …}}` in the file of {self.name}."
            )
        matrix = np.zeros((len(self.labels), len(target.labels)))
        for name, weights in written.items():
            for other, weight in weights.items():
                matrix[self.index(name), target.index(other)] = weight
        return matrix


def load_taxonomy(path: Path) -> Taxonomy:
    """Reads a taxonomy file.

    Raises:
        TaxonomyError: the file is missing, is not YAML or is not a valid taxonomy; the sentence
            names the file and, where it is known, the line.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise TaxonomyError(f"Taxonomy file {path} cannot be read: {error.strerror}.") from None
    try:
        content: Any = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or "it is not YAML"
        raise TaxonomyError(f"Taxonomy file {path}{line}: {problem}.") from None
    if not isinstance(content, dict):
        raise TaxonomyError(f"Taxonomy file {path}: expected keys and values, found none.")
    try:
        return Taxonomy.model_validate(content)
    except ValidationError as error:
        raise TaxonomyError(describe(error, Taxonomy, f"Taxonomy file {path}")) from None

"""Taxonomies: fixed sets of labels, each with the wording of its hypothesis."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ._digest import digest
from ._yaml import read_yaml
from .errors import TaxonomyError, did_you_mean
from .validation import describe
from .wording import Fault, LanguageCode, Templates, Wording, template_faults


def _whole(weights: Any) -> Any:
    return {weights: 1.0} if isinstance(weights, str) else weights


def _composed(value: Any) -> Any:
    """Normalises all text (NFC), so that labels written on a Mac equal those of the data."""
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, list):
        return [_composed(item) for item in value]
    if isinstance(value, dict):
        return {_composed(key): _composed(item) for key, item in value.items()}
    return value


Weights = Annotated[dict[str, float], BeforeValidator(_whole)]
"""Target label → weight; in a file, a label alone means weight 1."""
LabelMap = dict[str, Weights]
"""Source label → {target label: weight}; a missing source label is unmapped mass."""

_PROSE = {"title", "citation", "notes"}
_NOT_HASHED = {*_PROSE, "languages"}
MAP_WORDS = {"maps": "to", "maps_from": "from"}
"""Field of a map → its direction in messages."""


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
    """Treatment of utterances without emotion, in a taxonomy without a neutral label."""

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
    templates: Templates = ("I am {}.",)
    labels: tuple[Label, ...]
    """At least two, in the order of every score column."""
    neutral: str | None = None
    """Name of the neutral label, if there is one."""
    neutral_rule: NeutralRule = NeutralRule()
    maps: dict[str, LabelMap] = {}
    """Target taxonomy → map from this one's labels to the target's."""
    maps_from: dict[str, LabelMap] = {}
    """Source taxonomy → map from the source's labels to this one's."""
    languages: dict[LanguageCode, Wording] = {}
    """Language → templates and labels for texts in it; other texts get the ones above."""

    @model_validator(mode="before")
    @classmethod
    def _one_spelling(cls, content: Any) -> Any:
        return _composed(content)

    @model_validator(mode="after")
    def _check(self) -> Taxonomy:
        for place, message in (
            *self._label_faults(),
            *template_faults(self.templates),
            *self._map_faults(),
            *self._language_faults(),
        ):
            raise PydanticCustomError("taxonomy", "{message}", {"message": message, "path": place})
        return self

    def _label_faults(self) -> Iterator[Fault]:
        """Yields (place in the file, message) for each fault of labels."""
        known = set(self.names)
        if len(self.labels) < 2:
            yield ("labels",), f"a taxonomy needs at least two labels, not {len(self.labels)}"
        for number, label in enumerate(self.labels):
            earlier = self.labels[:number]
            if label.name in (other.name for other in earlier):
                yield ("labels", number, "name"), f"duplicate label '{label.name}'"
            twin = next((o.name for o in earlier if o.hypothesis == label.hypothesis), None)
            if twin is not None:
                message = f"labels '{twin}' and '{label.name}' have the same hypothesis wording"
                yield ("labels", number, "hypothesis"), message
            others = known - {label.name}
            if label.parent is not None and label.parent not in others:
                message = f"label '{label.name}' has the unknown parent '{label.parent}'."
                message += did_you_mean(label.parent, others)
                yield ("labels", number, "parent"), message
        if self.neutral is not None and self.neutral not in known:
            message = f"neutral label '{self.neutral}' is not one of the labels"
            yield ("neutral",), f"{message}.{did_you_mean(self.neutral, known)}"

    def _language_faults(self) -> Iterator[Fault]:
        """Yields the faults of wordings in other languages."""
        for language, wording in self.languages.items():
            for place, message in wording.faults(self.names):
                yield ("languages", language, *place), message

    def _map_faults(self) -> Iterator[Fault]:
        """Yields (place in the file, message) for each fault of maps."""
        known = set(self.names)
        for kind, other, name, weights in self.written_maps():
            place = (kind, other, name)
            for label in [name] if kind == "maps" else weights:
                if label not in known:
                    message = f"the map {MAP_WORDS[kind]} {other} names '{label}', which is not a "
                    yield place, f"{message}label.{did_you_mean(label, known)}"
            if not all(w > 0 for w in weights.values()) or not sum(weights.values()) <= 1 + 1e-9:
                yield place, f"weights of '{name}' must be above 0 and add up to at most 1"

    def written_maps(self) -> Iterator[tuple[str, str, str, Weights]]:
        """Yields (field, other taxonomy, source label, weights) of every map in the file."""
        for kind, maps in (("maps", self.maps), ("maps_from", self.maps_from)):
            for other, label_map in maps.items():
                for name, weights in label_map.items():
                    yield kind, other, name, weights

    @cached_property
    def names(self) -> list[str]:
        """Label names, in the order of every score column."""
        return [label.name for label in self.labels]

    @cached_property
    def hash(self) -> str:
        """Hash of `content` without other languages, 32 hexadecimal digits.

        Labels are the same in every language, so corpora in several languages have one taxonomy.
        """
        return digest(self.content())

    def content(self, languages: Iterable[str] = ()) -> dict[str, Any]:
        """Returns everything that can change a score, as JSON values for `Taxonomy.bare`.

        Args:
            languages: the languages whose wordings can change a score. Without any, the content is
                that of a file without `languages`.
        """
        content = self.model_dump(mode="json", exclude=_NOT_HASHED)
        worded = {code: self.languages[code] for code in languages if code in self.languages}
        if worded:
            content["languages"] = {
                code: wording.model_dump(mode="json") for code, wording in worded.items()
            }
        return content

    @classmethod
    def bare(cls, content: dict[str, Any]) -> Taxonomy:
        """Returns the taxonomy of a `content`, without title and notes."""
        return cls.model_validate({**content, "citation": "(left out of keys)"})

    def in_language(self, language: str) -> Taxonomy:
        """Returns the taxonomy worded in a language; unchanged if the file has no such wording."""
        wording = self.languages.get(language)
        if wording is None:
            return self
        content = self.content()
        for label in content["labels"]:
            label["hypothesis"], *label["synonyms"] = wording.labels[label["name"]]
        return self.bare({**content, "templates": wording.templates})

    def index(self, name: str) -> int:
        """Returns a label's column; raises `TaxonomyError` with a suggestion if it is unknown."""
        try:
            return self.names.index(name)
        except ValueError:
            raise TaxonomyError(
                f"'{name}' is not a label of {self.name}.{did_you_mean(name, self.names)}"
            ) from None

    def hypotheses(self, template: str | None = None) -> list[str]:
        """Returns one hypothesis per label, from `template` or the taxonomy's first template."""
        chosen = template or self.templates[0]
        return [chosen.replace("{}", label.hypothesis) for label in self.labels]

    def map_to(self, target: Taxonomy) -> npt.NDArray[np.float64]:
        """Returns the map to another taxonomy as a matrix of shape (K source, K target).

        Rows may add up to less than 1: the rest is unmapped mass, which becomes abstention. Equal
        sets of labels map by name. Maps are never composed of other maps.

        Raises:
            TaxonomyError: neither file has the map, the files have different maps, or the map names
                a label that the target does not have.
        """
        matrix = np.zeros((len(self.labels), len(target.labels)))
        for name, weights in self._written_map(target).items():
            for other, weight in weights.items():
                if other not in target.names:
                    raise TaxonomyError(
                        f"The map from {self.name} to {target.name} names '{other}', which is not "
                        f"a label of {target.name}.{did_you_mean(other, target.names)}"
                    )
                matrix[self.index(name), target.names.index(other)] = weight
        return matrix

    def _written_map(self, target: Taxonomy) -> LabelMap:
        if set(target.names) == set(self.names):
            return {name: {name: 1.0} for name in self.names}
        here, there = self.maps.get(target.name), target.maps_from.get(self.name)
        if here is not None and there is not None and here != there:
            raise TaxonomyError(
                f"{self.name} (maps) and {target.name} (maps_from) have different maps from the "
                "first to the second. Remove one of them."
            )
        written = here if here is not None else there
        if written is None:
            raise TaxonomyError(
                f"There is no map from {self.name} to {target.name}. Add `maps: "
                f"{{{target.name}: …}}` to the file of {self.name}."
            )
        return written


def mapped_choice(
    scores: npt.NDArray[np.floating[Any]], matrix: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Maps scores from one taxonomy's labels to another's.

    Args:
        scores: shape (n, K source); rows add up to at most 1.
        matrix: shape (K source, K target), from `Taxonomy.map_to`.

    Returns:
        Target scores, shape (n, K target), and the best target label, shape (n,): −1 if labels
        without a counterpart have more probability than the best one.
    """
    target = np.asarray(scores, dtype=np.float64) @ matrix
    unmapped = scores.sum(axis=1) - target.sum(axis=1)
    best = target.argmax(axis=1)
    top = target[np.arange(len(target)), best] if len(target) else np.zeros(0)
    return target, np.where((top <= 0) | (unmapped > top + 1e-9), -1, best)


def surely_mapped(matrix: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Maps labels of people, which have no score: each to the one label with most of its weight.

    Args:
        matrix: shape (K source, K target), from `Taxonomy.map_to`.

    Returns:
        Positions of target labels, shape (K source,): −1 where none has more than half the weight.
    """
    return np.where(matrix.max(axis=1) > 0.5, matrix.argmax(axis=1), -1)


def load_taxonomy(path: Path) -> Taxonomy:
    """Reads a taxonomy file.

    Raises:
        TaxonomyError: the file is missing, is not YAML or is not a valid taxonomy; the message
            names the file and the line.
    """
    what = "Taxonomy file"
    file = read_yaml(Path(path), what, TaxonomyError)
    if not isinstance(file.content, dict):
        raise TaxonomyError(f"{what} {path}: expected keys and values, such as `name: my-labels`.")
    try:
        taxonomy = Taxonomy.model_validate(file.content)
    except ValidationError as error:
        raise TaxonomyError(
            describe(error, Taxonomy, lambda place: f"{what} {path}, line {file.line(place)}")
        ) from None
    # Not checked in the model: taxonomies built in code may use the default.
    if taxonomy.neutral is None and "neutral_rule" not in file.content:
        raise TaxonomyError(
            f"{what} {path}: there is no neutral label, so the file must define the treatment of "
            "utterances without emotion. Add `neutral_rule: {kind: keep}` or `{kind: abstain, "
            "min_confidence: …}`, or name the label in `neutral`."
        )
    if taxonomy.neutral is not None and "neutral_rule" in file.content:
        raise TaxonomyError(
            f"{what} {path}, line {file.line(('neutral_rule',))}: neutral_rule is for taxonomies "
            f"without a neutral label, but this one has '{taxonomy.neutral}'. Remove one."
        )
    return taxonomy

"""Wordings: hypothesis templates and label words of a taxonomy, in one language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from .errors import did_you_mean
from .languages import language_code

Fault = tuple[tuple[str | int, ...], str]
"""Place in a file, and message."""


def _code(language: str) -> str:
    code = language_code(language)
    if code is None:
        raise ValueError(f"'{language}' is not a language: write its code, such as de")
    return code


def _listed(words: Any) -> Any:
    return [words] if isinstance(words, str) else words


LanguageCode = Annotated[str, AfterValidator(_code)]
"""A language of a file, as its ISO 639-1 code."""
Templates = Annotated[tuple[str, ...], Field(min_length=1)]
"""Hypothesis templates, each with one ``{}``; the first is the default."""
Words = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    BeforeValidator(_listed),
    Field(min_length=1),
]
"""A label's hypothesis wording, followed by synonyms; in a file, a text alone has none."""


class Wording(BaseModel):
    """Templates and labels of a taxonomy in another language."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    templates: Templates
    labels: dict[str, Words]
    """Label → its words; all labels of the taxonomy."""

    def faults(self, names: Sequence[str]) -> Iterator[Fault]:
        """Yields the faults of this wording of a taxonomy's labels."""
        yield from template_faults(self.templates)
        missing = [name for name in names if name not in self.labels]
        if missing:
            yield ("labels",), f"no wording for {', '.join(missing)}"
        owners: dict[str, str] = {}
        for name, (hypothesis, *_) in self.labels.items():
            if name not in names:
                yield ("labels", name), f"'{name}' is not a label.{did_you_mean(name, names)}"
            twin = owners.setdefault(hypothesis, name)
            if twin != name:
                message = f"labels '{twin}' and '{name}' have the same hypothesis wording"
                yield ("labels", name), message


def template_faults(templates: Sequence[str]) -> Iterator[Fault]:
    """Yields the fault of each template without exactly one slot."""
    for number, template in enumerate(templates):
        if template.count("{}") != 1:
            yield ("templates", number), f"template '{template}' needs exactly one '{{}}'"

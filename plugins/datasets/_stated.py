"""Datasets of the user's own, which the options describe."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import Field, field_validator

from lanser_bench import Card, Dataset, PluginOptions, SettingsError

from ._columns import closest, nfc_names


class LabelOptions(PluginOptions):
    """Which labels of the data count, and their names."""

    taxonomy: str | None = None
    """Taxonomy of the labels: a name, or the path of a YAML file."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Label of the data (or name of a folder) → label of the taxonomy, where they differ."""
    leave_out: tuple[str, ...] = ()
    """Labels of the data whose utterances are left out, such as ``[other]``; `data check` counts
    them."""

    @field_validator("leave_out", "labels", "label_names", "weights", check_fields=False)
    @classmethod
    def _composed(cls, names: Any) -> Any:
        return nfc_names(names)


class LeftOut:
    """Counts the utterances that the option `leave_out` removes by its labels."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._counts = dict.fromkeys(labels, 0)
        self._others: set[str] = set()

    def __call__(self, labels: Iterable[str]) -> bool:
        """Whether an utterance with these labels is left out."""
        for label in labels:
            if label in self._counts:
                self._counts[label] += 1
                return True
            self._others.add(label)
        return False

    def notes(self) -> list[str]:
        """Returns a sentence on them; raises `SettingsError` if a label does not occur."""
        for label in (label for label, count in self._counts.items() if not count):
            labels = sorted({*self._others, *self._counts} - {label})
            raise SettingsError(
                f"No utterance has the label '{label}' of the option `leave_out`."
                f"{closest(label, self._others)} Labels: {', '.join(labels) or 'none'}."
            )
        counts = ", ".join(f"{label} {count}" for label, count in self._counts.items())
        return [f"Left out by label (option `leave_out`): {counts}."] if counts else []


class StatedOptions(LabelOptions):
    """Facts about the user's recordings that no file states."""

    language: str | None = None
    """ISO 639-1 code of rows or recordings without one."""
    fixed_sentences: bool = False
    """Set it if all speakers read the same few sentences."""
    title: str
    licence: str = "not stated"
    citation: str = "not stated"


StatedT = TypeVar("StatedT", bound=StatedOptions)


class StatedDataset(Dataset[StatedT]):
    """A dataset whose options give its card."""

    def __init__(self, options: StatedT) -> None:
        super().__init__(options)
        self.card = Card(
            title=options.title,
            licence=options.licence,
            citation=options.citation,
            url=self.url(),
            language=options.language or "",
            taxonomy=options.taxonomy,
            fixed_sentences=options.fixed_sentences,
        )

    def url(self) -> str:
        """Returns the address of the set; empty if it has none."""
        return ""


def renamed(gold: Mapping[str, float], labels: Mapping[str, str]) -> dict[str, float]:
    """Returns gold in the taxonomy's labels; weights of labels that become one add up."""
    weights: dict[str, float] = defaultdict(float)
    for label, weight in gold.items():
        weights[labels.get(label, label)] += weight
    return dict(weights)


def single_gold(
    label: str | None, taxonomy: str | None, labels: dict[str, str]
) -> dict[str, float]:
    """Returns a label as gold, by the options of its dataset; empty without label or taxonomy."""
    return {labels.get(label, label): 1.0} if label is not None and taxonomy is not None else {}

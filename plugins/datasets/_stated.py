"""Sets of the user's own: nobody else can say what they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from pydantic import field_validator

from lanser_bench import Card, Dataset, PluginOptions, SettingsError

from ._columns import closest, nfc_names


class LabelOptions(PluginOptions):
    """Which labels of the data count."""

    leave_out: tuple[str, ...] = ()
    """Labels of the data whose utterances are left out, such as ``[other]``; `data check` counts
    them."""

    @field_validator("leave_out", "labels", "label_names", "weights", check_fields=False)
    @classmethod
    def _composed(cls, names: Any) -> Any:
        return nfc_names(names)


class LeftOut:
    """Counts the utterances that the option `leave_out` leaves out."""

    def __init__(self, labels: Sequence[str]) -> None:
        """`labels` as the data write them."""
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
        """Returns a sentence if utterances were left out.

        Raises:
            SettingsError: a label of the option does not occur.
        """
        for label, count in self._counts.items():
            if not count:
                raise SettingsError(
                    f"No utterance has the label '{label}' of the option `leave_out`."
                    f"{closest(label, self._others)} Labels: "
                    f"{', '.join(sorted({*self._others, *self._counts} - {label})) or 'none'}."
                )
        told = ", ".join(f"{label} {count}" for label, count in self._counts.items())
        return [f"Left out by label (option `leave_out`): {told}."] if told else []


class StatedOptions(LabelOptions):
    """What only the user can say of recordings of their own."""

    taxonomy: str | None = None
    """Taxonomy of the labels: a name, or the path of a YAML file."""
    language: str | None = None
    """ISO 639-1 code of rows or recordings that do not say it."""
    fixed_sentences: bool = False
    """Set it where all speakers read the same few sentences."""
    title: str
    licence: str = "not stated"
    citation: str = "not stated"


StatedT = TypeVar("StatedT", bound=StatedOptions)


class StatedDataset(Dataset[StatedT]):
    """A set whose card is what the options state."""

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
        """Where the set comes from, if it has an address."""
        return ""

"""Sets of the user's own: nobody else can say what they are."""

from __future__ import annotations

from typing import TypeVar

from lanser_bench import Card, Dataset, PluginOptions


class StatedOptions(PluginOptions):
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

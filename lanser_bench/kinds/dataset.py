"""Datasets: a local folder in, utterances out."""

from __future__ import annotations

import re
import unicodedata
from abc import abstractmethod
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from .base import OptionsT, Plugin

GoldKind = Literal["single", "multi", "distribution"]


def label_word(text: str) -> str:
    """Returns a label in lower case and composed Unicode, without digits and outer punctuation."""
    return re.sub(r"[\W\d_]+", " ", unicodedata.normalize("NFC", text)).strip().casefold()


@dataclass(frozen=True, slots=True)
class Utterance:
    """One utterance of a manifest. Only `id` is required."""

    id: str
    """Unique inside its dataset."""
    audio: Path | None = None
    """Absolute path of the recording; None for text-only sets."""
    start: float | None = None
    """Start of the span in the recording, in seconds; None for the beginning."""
    end: float | None = None
    speaker: str | None = None
    """Unique inside its dataset; the harness adds the dataset's name before comparing."""
    dialogue_id: str | None = None
    turn: int | None = None
    sentence_id: str | None = None
    """Equal for utterances that say the same scripted sentence."""
    language: str | None = None
    split: str | None = None
    transcript: str | None = None
    gold: Mapping[str, float] = field(default_factory=dict)
    """Human label weights, in the labels of the dataset's taxonomy; empty if unlabelled."""
    gold_kind: GoldKind = "single"
    extras: Mapping[str, Any] = field(default_factory=dict)
    """Numbers and strings that probes may use, such as the voice settings of `synthetic`. ``votes``
    is the number of votes behind a gold distribution."""
    origin: str | None = None
    """Source of this row, such as ``calls.csv, line 7``; for messages only, in no key."""


@dataclass(frozen=True, slots=True)
class Card:
    """Facts that a user needs before using a dataset."""

    title: str
    licence: str
    citation: str
    url: str = ""
    language: str = ""
    taxonomy: str | None = None
    """Name of the taxonomy of its gold labels; None for unlabelled corpora."""
    fixed_sentences: bool = False
    """True if all speakers read the same few sentences, so that text carries no emotion."""
    notes: str = ""
    dimensions: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    """Extras that are human ratings of a dimension of emotion, such as ``valence`` → lowest and
    highest value of the scale."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """How a dataset would read an unknown folder or file."""

    root: Path | None
    """Its folder; None if an option names it."""
    options: Mapping[str, Any]
    findings: tuple[str, ...] = ()
    """What was guessed, such as ``speaker: column 'Sprecher'``."""
    certainty: float = 0.5
    """From 0 to 1; the proposal with most wins. 1: a file says what the folder is."""
    dataset: str = ""
    """The plugin's name, which the harness adds."""


class Dataset(Plugin[OptionsT]):
    """Reads a local folder in its original layout. Never downloads unless asked to."""

    card: Card
    """Set on the class, or on the instance if options decide it, as in `manifest`."""
    protocols: ClassVar[Mapping[str, str]] = {}
    """Official fold protocol, by its common name → the harness's own protocol that makes its folds
    from the dataset's columns, such as ``{"tfds-crema-d": "split"}``."""
    protocol_options: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Official protocol → the options that decide its labels and clips, with their values. With
    other values, scores under the protocol's name would not be comparable."""
    needs_root: ClassVar[bool] = True
    """False for a dataset that makes its own files, like `synthetic`."""

    def __init__(self, options: OptionsT) -> None:
        """Keeps the options."""
        super().__init__(options)
        self.notes: list[str] = []
        """Decisions that `utterances` made for the user, one sentence each; in no key."""
        self.storage = Path(".lanser/store/datasets")
        """Folder for recordings that `utterances` takes out of archives; the harness names one in
        its store. Files there are kept, and must be complete under their final names."""

    @classmethod
    def propose(cls, path: Path, emotions: Container[str]) -> Proposal | None:
        """Returns how to read a folder or file, for `data init`; None if it is not this dataset's.

        By default, a folder is this dataset's if it is read without options. `emotions` has words
        for emotions as `label_word` returns them.

        Raises:
            LanserError: it is not this dataset's, with the reason.
        """
        if not (cls.needs_root and path.is_dir()):
            return None
        dataset = cls(cls.Options())  # type: ignore[arg-type]
        listed = list(dataset.utterances(path))
        certainty = 0.4 if dataset.notes else 0.9
        return Proposal(path, {}, (f"corpus: {dataset.card.title}",), certainty) if listed else None

    @abstractmethod
    def utterances(self, root: Path) -> Iterable[Utterance]:
        """Yields the utterances in a fixed order.

        Args:
            root: the dataset's folder; for a dataset that needs none, a folder for the files that
                it makes.

        Raises:
            DataError: the folder is not this dataset's; says how to get or name it.
        """

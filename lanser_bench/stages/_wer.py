"""Word and character error rates between reference transcripts and recognised ones."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict

if TYPE_CHECKING:
    import jiwer

# An apostrophe inside a word belongs to it; every other sign separates words.
_SIGNS = re.compile(r"[^\w\s']|_|(?<!\w)'|'(?!\w)")


class WordErrors(BaseModel):
    """Word errors over all utterances whose reference has words."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    wer: float
    """Substitutions, deletions and insertions by the number of reference words."""
    words: int
    """Words of the references."""
    utterances: int
    """Utterances with a reference."""
    substitutions: int
    deletions: int
    insertions: int
    cer: float
    """Character edits by the number of the references' characters, spaces among them."""


def normalised(text: str) -> str:
    """Returns a text as words to compare: lower case, no punctuation, single spaces.

    Numbers, spellings and contractions stay as they are, so the rate is a little above what a
    normaliser for one language gives.
    """
    folded = unicodedata.normalize("NFKC", text).replace("’", "'").casefold()
    return " ".join(_SIGNS.sub(" ", folded).split())


class ErrorCounts:
    """Errors summed up block by block."""

    def __init__(self) -> None:
        """Begins with no utterance."""
        self._utterances = 0
        self._words: Counter[str] = Counter()
        self._signs: Counter[str] = Counter()

    def add(self, references: Sequence[str], texts: Sequence[str]) -> None:
        """Compares recognised texts with references, both `normalised`."""
        pairs = [
            (normalised(reference), normalised(text))
            for reference, text in zip(references, texts, strict=True)
        ]
        pairs = [pair for pair in pairs if pair[0]]
        if not pairs:
            return
        import jiwer

        references, texts = [a for a, _ in pairs], [b for _, b in pairs]
        self._utterances += len(pairs)
        _count(self._words, jiwer.process_words(references, texts))
        _count(self._signs, jiwer.process_characters(references, texts))

    def total(self) -> WordErrors | None:
        """Returns the errors of all utterances; None if no reference has a word."""
        if not self._utterances:
            return None
        rates = [
            (found["substitutions"] + found["deletions"] + found["insertions"]) / found["reference"]
            for found in (self._words, self._signs)
        ]
        return WordErrors(
            wer=rates[0],
            words=self._words["reference"],
            utterances=self._utterances,
            substitutions=self._words["substitutions"],
            deletions=self._words["deletions"],
            insertions=self._words["insertions"],
            cer=rates[1],
        )


def _count(counts: Counter[str], found: jiwer.WordOutput | jiwer.CharacterOutput) -> None:
    for name in ("substitutions", "deletions", "insertions"):
        counts[name] += getattr(found, name)
    counts["reference"] += found.hits + found.substitutions + found.deletions


def word_errors(references: Sequence[str], texts: Sequence[str]) -> WordErrors | None:
    """Compares recognised texts with references, both `normalised`.

    Returns:
        The errors summed over utterances; None if no reference has a word.
    """
    counts = ErrorCounts()
    counts.add(references, texts)
    return counts.total()

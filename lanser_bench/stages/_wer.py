"""Word and character error rates between reference transcripts and recognised ones."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from ..evaluation.summaries import WordErrors

# An apostrophe inside a word belongs to it; every other sign separates words.
_SIGNS = re.compile(r"[^\w\s']|_|(?<!\w)'|'(?!\w)")


def normalised(text: str) -> str:
    """Returns a text as words to compare: lower case, no punctuation, single spaces.

    Numbers, spellings and contractions stay as they are, so the rate is a little above what a
    normaliser for one language gives.
    """
    folded = unicodedata.normalize("NFKC", text).replace("’", "'").casefold()
    return " ".join(_SIGNS.sub(" ", folded).split())


def word_errors(references: Sequence[str], texts: Sequence[str]) -> WordErrors | None:
    """Compares recognised texts with references, both `normalised`.

    Returns:
        The errors summed over utterances; None if no reference has a word.
    """
    pairs = [
        (normalised(reference), normalised(text))
        for reference, text in zip(references, texts, strict=True)
    ]
    pairs = [pair for pair in pairs if pair[0]]
    if not pairs:
        return None
    import jiwer

    references, texts = [a for a, _ in pairs], [b for _, b in pairs]
    found = jiwer.process_words(references, texts)
    return WordErrors(
        wer=found.wer,
        words=found.hits + found.substitutions + found.deletions,
        utterances=len(pairs),
        substitutions=found.substitutions,
        deletions=found.deletions,
        insertions=found.insertions,
        cer=jiwer.cer(references, texts),
    )

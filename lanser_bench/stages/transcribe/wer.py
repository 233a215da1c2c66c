"""Word and character error rates between reference transcripts and recognised ones."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from itertools import islice

from ...evaluation.summaries import WordErrors

_BLOCK = 256
"""Utterances compared at a time: their alignments are many objects for each word and character."""
_EDITS = ("substitutions", "deletions", "insertions")
# An apostrophe inside a word belongs to it; every other sign separates words.
_SIGNS = re.compile(r"[^\w\s']|_|(?<!\w)'|'(?!\w)")


def normalised(text: str) -> str:
    """Returns a text as words to compare: lower case, no punctuation, single spaces.

    Numbers, spellings and contractions stay as they are, so the rate is a little above what a
    normaliser for one language gives.
    """
    folded = unicodedata.normalize("NFKC", text).replace("’", "'").casefold()
    return " ".join(_SIGNS.sub(" ", folded).split())


def word_errors(references: Iterable[str], texts: Iterable[str]) -> WordErrors | None:
    """Compares recognised texts with references, both `normalised`, a block at a time.

    Returns:
        The errors summed over utterances; None if no reference has a word.
    """
    utterances = 0
    words: Counter[str] = Counter()
    signs: Counter[str] = Counter()
    both = zip(map(normalised, references), map(normalised, texts), strict=True)
    pairs = (pair for pair in both if pair[0])
    while block := list(islice(pairs, _BLOCK)):
        import jiwer

        utterances += len(block)
        for counts, process in ((words, jiwer.process_words), (signs, jiwer.process_characters)):
            found = process([reference for reference, _ in block], [text for _, text in block])
            counts.update({name: getattr(found, name) for name in ("hits", *_EDITS)})
    if not utterances:
        return None
    wer, cer = (sum(c[n] for n in _EDITS) / (c.total() - c["insertions"]) for c in (words, signs))
    return WordErrors(
        wer=wer,
        words=words.total() - words["insertions"],
        utterances=utterances,
        **{name: words[name] for name in _EDITS},
        cer=cer,
    )

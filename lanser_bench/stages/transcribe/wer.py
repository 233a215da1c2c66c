"""Word and character error rates between reference transcripts and recognised ones."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np

from ...evaluation.arrays import Ints
from ...evaluation.summaries import WordErrors

_BLOCK = 256
"""Utterances compared at a time: alignments have many objects per word and character."""
_EDITS = ("substitutions", "deletions", "insertions")
# An apostrophe inside a word belongs to it; all other punctuation separates words.
_PUNCTUATION = re.compile(r"[^\w\s']|_|(?<!\w)'|'(?!\w)")


def normalised(text: str) -> str:
    """Returns a text for comparison: lower case, no punctuation, single spaces.

    Numbers, spellings and contractions are not normalised, so error rates are slightly higher than
    with a normaliser for one language.
    """
    folded = unicodedata.normalize("NFKC", text).replace("’", "'").casefold()
    return " ".join(_PUNCTUATION.sub(" ", folded).split())


def word_errors(references: Iterable[str], texts: Iterable[str]) -> WordErrors | None:
    """Compares recognised texts with references, both `normalised`, block by block.

    Returns:
        The errors summed over utterances; None if no reference has a word.
    """
    utterances = 0
    words: Counter[str] = Counter()
    characters: Counter[str] = Counter()
    all_pairs = zip(map(normalised, references), map(normalised, texts), strict=True)
    pairs = (pair for pair in all_pairs if pair[0])
    while block := list(islice(pairs, _BLOCK)):
        import jiwer

        utterances += len(block)
        block_references, block_texts = map(list, zip(*block, strict=True))
        levels = (words, jiwer.process_words), (characters, jiwer.process_characters)
        for counts, process in levels:
            alignment = process(block_references, block_texts)
            counts.update({name: getattr(alignment, name) for name in ("hits", *_EDITS)})
    if not utterances:
        return None
    wer, cer = (
        sum(c[n] for n in _EDITS) / (c.total() - c["insertions"]) for c in (words, characters)
    )
    return WordErrors(
        wer=wer,
        words=words.total() - words["insertions"],
        utterances=utterances,
        **{name: words[name] for name in _EDITS},
        cer=cer,
    )


def utterance_edits(references: Iterable[str], texts: Iterable[str]) -> tuple[Ints, Ints]:
    """Returns the word and the character edits of each of n utterances, as `word_errors` sums them.

    Returns:
        Two arrays of shape (n, 2): edits, and length of the reference; 0 without a reference.
    """
    import jiwer

    pairs = [(normalised(a), normalised(b)) for a, b in zip(references, texts, strict=True)]
    known = [i for i, (reference, _) in enumerate(pairs) if reference]
    found = np.zeros((2, len(pairs), 2), np.int64)
    for begin in range(0, len(known), _BLOCK):
        rows = known[begin : begin + _BLOCK]
        own, recognised = map(list, zip(*(pairs[i] for i in rows), strict=True))
        found[0, rows] = _counted(jiwer.process_words(own, recognised))
        found[1, rows] = _counted(jiwer.process_characters(own, recognised))
    return found[0], found[1]


def _counted(alignment: Any) -> list[tuple[int, int]]:
    """Returns edits and length of the reference of each text of an alignment of `jiwer`."""
    counts = []
    for reference, chunks in zip(alignment.references, alignment.alignments, strict=True):
        sizes = [
            max(c.ref_end_idx - c.ref_start_idx, c.hyp_end_idx - c.hyp_start_idx)
            for c in chunks
            if c.type != "equal"
        ]
        counts.append((sum(sizes), len(reference)))
    return counts

"""English word forms without a dictionary: the spellings that belong to a label's wording.

Forms are generated from a known word ("surprised" → surprise, surprises, surprising …) and looked
up whole. Stripping endings from the words of a text would be shorter, but would find "mad" in
"made". Irregular forms ("wept") are found only if they are listed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

TOKEN = re.compile(r"[a-z]+(?:['’][a-z]+)?|[.,;:!?…]", re.IGNORECASE)
VOWELS = frozenset("aeiou")
# Words of a wording that do not name a feeling: "full of admiration", "in awe of someone".
FILLERS = frozenset(
    {"a", "about", "an", "at", "by", "for", "full", "i", "in", "is", "it", "me", "my", "myself"}
    | {"of", "on", "someone", "something", "that", "the", "to", "what", "with"}
)


def tokens(text: str) -> list[str]:
    """Words in lower case and punctuation, in order; "don't" is one word."""
    return [token.lower().replace("’", "'") for token in TOKEN.findall(text)]


def phrases(wording: str) -> Iterator[tuple[str, ...]]:
    """Yields the sequence of words to look for: a wording without fillers at its ends."""
    words = [word for word in tokens(wording) if word[0].isalpha()]
    kept = [i for i, word in enumerate(words) if word not in FILLERS]
    if kept:
        yield tuple(words[kept[0] : kept[-1] + 1])


def forms(word: str) -> set[str]:
    """All regular forms of a word and of the verb or noun that it may be derived from."""
    return {word}.union(*map(_inflected, {word, *_bases(word)}))


def _bases(word: str) -> Iterator[str]:
    """Yields words of which `word` may be a participle or an adjective."""
    if word.endswith("ied") and len(word) > 4:
        yield word[:-3] + "y"
    elif word.endswith("ed") and len(word) > 4:
        yield word[:-2]
        yield word[:-1]
        yield from _undoubled(word[:-2])
    if word.endswith("ing") and len(word) > 5:
        yield word[:-3]
        yield word[:-3] + "e"
        yield from _undoubled(word[:-3])
    for ending in ("ful", "ness", "less"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) > 2:
            yield stem[:-1] + "y" if stem.endswith("i") else stem


def _undoubled(stem: str) -> Iterator[str]:
    if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in VOWELS:
        yield stem[:-1]


def _inflected(word: str) -> set[str]:
    """The word with the regular endings of verbs, nouns, adjectives and adverbs."""
    words = {word, f"{word}'s", f"{word}ful", f"{word}fully"}
    if word.endswith("y") and len(word) > 2 and word[-2] not in VOWELS:
        endings = ("ies", "ied", "ier", "iest", "ily", "iness", "ying")
        return words | {word[:-1] + ending for ending in endings}
    plural = "es" if re.search(r"(s|x|z|ch|sh)$", word) else "s"
    words |= {word + ending for ending in (plural, "ly", "ness")}
    if word.endswith("e"):
        return words | {word[:-1] + ending for ending in ("ing", "ed", "er", "est")}
    stems = {word}
    # One vowel before one last consonant: sad → sadder.
    if re.search(r"[^aeiou][aeiou][bdgklmnprt]$", word):
        stems.add(word + word[-1])
    return words | {stem + ending for stem in stems for ending in ("ing", "ed", "er", "est")}

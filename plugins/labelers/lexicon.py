"""Weak labels by word lists: which label's words does the text say?

The simplest text-only baseline, and the bottom of the quality ladder. Two sources of words:

- ``taxonomy``: the label's own names, hypothesis wordings and synonyms with their regular English
  forms (`_word_forms`), no outside list. It labels few texts, those that name a feeling, and
  abstains on the others.
- ``vader``: valence by VADER (Hutto & Gilbert 2014, ICWSM 8, 216-225; MIT), which knows 7,500 words
  but only whether they are good or bad: labels are told apart by their valence in the taxonomy and
  by nothing else, so among the emotions it suits sentiment-3 alone.

Lists of words by emotion (NRC EmoLex, WordNet-Affect) are for research only or say nothing of their
licence in their packages, so none is built in; a list of your own comes in by the option `words`.
"""

from __future__ import annotations

import hashlib
import importlib.util
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lanser_bench import (
    Labeler,
    MissingDependencyError,
    PluginOptions,
    Scores,
    SettingsError,
    Taxonomy,
    TextRecord,
)

from ._word_forms import forms, phrases, tokens
from ._wording import softmax

Floats = npt.NDArray[np.float32]
NEGATIONS = frozenset(
    {"aint", "barely", "cannot", "cant", "dont", "hardly", "neither", "never", "no", "nobody"}
    | {"none", "nor", "not", "nothing", "scarcely", "without"}
)
STRONGER = frozenset(
    {"absolutely", "completely", "deeply", "extremely", "incredibly", "really", "so", "such"}
    | {"terribly", "totally", "truly", "utterly", "very"}
)
WEAKER = frozenset(
    {"bit", "fairly", "kinda", "little", "partly", "quite", "rather", "slightly", "somewhat"}
)
CLAUSE_ENDS = frozenset([*".,;:!?…", "but", "yet", "though", "although"])
REACH = 3
"""Words before a match in which a negation or an intensity word bears on it."""
STRONG, WEAK = 1.5, 0.5


class LexiconOptions(PluginOptions):
    """Options of `lexicon`."""

    source: Literal["taxonomy", "vader"] = "taxonomy"
    """Where words come from: the labels' own wordings, or VADER's valence (needs
    ``pip install vaderSentiment``)."""
    words: dict[str, tuple[str, ...]] = Field(default={})
    """More words and phrases by label, for ``taxonomy``."""
    negation: bool = True
    """A match within three words after "not", "never", "don't" … counts for nothing."""
    unmatched: Literal["abstain", "neutral"] = "abstain"
    """What becomes of a text without any known word: no label, or the taxonomy's neutral one."""
    smoothing: float = Field(default=0.5, gt=0)
    """Weight that is spread over all labels before any word is seen: one plain match among K
    labels scores (1 + s/K) / (1 + s), however many labels there are."""
    width: float = Field(default=0.5, gt=0)
    """For ``vader``: labels score by a Gaussian of this width in the distance between the text's
    compound valence and theirs, both from −1 to 1."""


class Lexicon(Labeler[LexiconOptions]):
    """Counts each label's words in the text, minding negation and intensity. English only."""

    Options = LexiconOptions
    version = "1"

    def fingerprint(self) -> str:
        """Hash of VADER's word lists and rules; empty where the taxonomy itself is the list."""
        if self.options.source == "taxonomy":
            return ""
        folder = _vader_folder()
        files = [*sorted(folder.glob("*_lexicon.txt")), folder / "vaderSentiment.py"]
        whole = b"".join(file.read_bytes() for file in files)
        return f"sha256:{hashlib.sha256(whole).hexdigest()}"

    def describe(self) -> dict[str, Any]:
        """Where the words come from."""
        return {"words": self.options.source}

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores texts; logits of shape (n, K) are weighted counts, or closeness in valence.

        Raises:
            TaxonomyError: `words` names a label that is none.
            SettingsError: a label has no valence and the source is VADER.
        """
        by_valence = self.options.source == "vader"
        evidence = self._closeness if by_valence else self._counts
        found = evidence([record.text for record in records], taxonomy)
        if by_valence:
            values = softmax(found)
        else:
            values = found + np.float32(self.options.smoothing / len(taxonomy.labels))
            values = values / values.sum(axis=1, keepdims=True)
        unmatched = ~found.any(axis=1)
        silent = np.array([not record.text.strip() for record in records], dtype=bool)
        values[unmatched] = 1 / len(taxonomy.labels)
        if self.options.unmatched == "neutral":
            values[unmatched & ~silent] = self._neutral_row(taxonomy)
            unmatched = silent
        return Scores(values, "distribution", unmatched | silent, found)

    def _neutral_row(self, taxonomy: Taxonomy) -> Floats:
        """What one match of the neutral label would score."""
        if taxonomy.neutral is None:
            raise SettingsError(
                f"labeler 'lexicon': unmatched is 'neutral', and {taxonomy.name} has no neutral "
                "label. Use 'abstain'."
            )
        k = len(taxonomy.labels)
        row = np.full(k, self.options.smoothing / k, dtype=np.float32)
        row[taxonomy.index(taxonomy.neutral)] += 1
        return np.asarray(row / row.sum(), dtype=np.float32)

    def _counts(self, texts: list[str], taxonomy: Taxonomy) -> Floats:
        """Weighted number of matches, shape (n, K)."""
        entries = self._entries(taxonomy)
        found = np.zeros((len(texts), len(taxonomy.labels)), dtype=np.float32)
        for row, text in enumerate(texts):
            for columns, weight in _matches(tokens(text), entries, self.options.negation):
                found[row, list(columns)] += weight / len(columns)
        return found

    def _entries(self, taxonomy: Taxonomy) -> Entries:
        """First form → (the rest of the phrase, columns), made once per taxonomy."""
        if taxonomy.hash not in self._known:
            columns: dict[tuple[str, ...], set[int]] = defaultdict(set)
            for name in self.options.words:
                taxonomy.index(name)  # refuses a label that is none, with a suggestion
            for column, label in enumerate(taxonomy.labels):
                own = self.options.words.get(label.name, ())
                for wording in (label.name, label.hypothesis, *label.synonyms, *own):
                    for phrase in phrases(wording.replace("_", " ")):
                        for first in forms(phrase[0]) if len(phrase) == 1 else {phrase[0]}:
                            columns[first, *phrase[1:]].add(column)
            self._known[taxonomy.hash] = _by_first_word(columns)
        return self._known[taxonomy.hash]

    def _closeness(self, texts: list[str], taxonomy: Taxonomy) -> Floats:
        """Log of a Gaussian in the distance of valences, shape (n, K); zeros where no word is."""
        bare = [label.name for label in taxonomy.labels if label.valence is None]
        if bare:
            raise SettingsError(
                f"labeler 'lexicon': VADER knows only valence, and {taxonomy.name} gives none for "
                f"{', '.join(bare)}. Add `valence` to these labels, or use source: taxonomy."
            )
        valences = np.array([label.valence for label in taxonomy.labels], dtype=np.float32)
        said = [self._vader.polarity_scores(text)["compound"] for text in texts]
        compound = np.array(said, dtype=np.float32).reshape(-1, 1)
        closeness = -((compound - valences) ** 2) / np.float32(2 * self.options.width**2)
        return np.asarray(np.where(compound == 0, 0, closeness), dtype=np.float32)

    @cached_property
    def _known(self) -> dict[str, Entries]:
        return {}

    @cached_property
    def _vader(self) -> Any:
        _vader_folder()
        return import_module("vaderSentiment.vaderSentiment").SentimentIntensityAnalyzer()


Entries = Mapping[str, list[tuple[tuple[str, ...], frozenset[int]]]]
"""First word → rest of the phrase and the labels that it speaks for, longest phrase first."""


def _by_first_word(columns: Mapping[tuple[str, ...], set[int]]) -> Entries:
    found: dict[str, list[tuple[tuple[str, ...], frozenset[int]]]] = defaultdict(list)
    for phrase in sorted(columns, key=lambda words: (-len(words), words)):
        found[phrase[0]].append((phrase[1:], frozenset(columns[phrase])))
    return dict(found)


def _matches(
    words: list[str], entries: Entries, negation: bool
) -> Iterator[tuple[frozenset[int], float]]:
    """Yields (columns, weight) of every match from left to right; matches do not overlap."""
    place = 0
    while place < len(words):
        found = next(
            (
                (rest, columns)
                for rest, columns in entries.get(words[place], ())
                if tuple(words[place + 1 : place + 1 + len(rest)]) == rest
            ),
            None,
        )
        if found is None:
            place += 1
            continue
        weight = _weight(words[max(0, place - REACH) : place], negation)
        if weight:
            yield found[1], weight
        place += 1 + len(found[0])


def _weight(before: list[str], negation: bool) -> float:
    """Weight of a match by the words of its own clause before it; 0 if it is denied."""
    for place in reversed(range(len(before))):
        if before[place] in CLAUSE_ENDS:
            before = before[place + 1 :]
            break
    denied = any(word in NEGATIONS or word.endswith("n't") for word in before)
    # "not only sad" denies nothing.
    if negation and denied and "only" not in before:
        return 0.0
    near = before[-2:]
    if any(word in STRONGER for word in near):
        return STRONG
    return WEAK if any(word in WEAKER for word in near) else 1.0


def _vader_folder() -> Path:
    """The folder of VADER's word lists, found without importing it."""
    spec = importlib.util.find_spec("vaderSentiment")
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(
            "labeler 'lexicon' with source: vader needs VADER's word lists (MIT): "
            "pip install vaderSentiment."
        )
    return Path(spec.submodule_search_locations[0])

"""Weak labels by word lists: which label's words occur in the text?

The simplest text-only baseline, and the bottom of the quality ladder. It has two sources of words:

- ``taxonomy``: the labels' own names, hypothesis wordings and synonyms with their regular English
  forms (`_word_forms`), no external list. It labels the few texts that name a feeling and abstains
  on the others.
- ``vader``: valence by VADER (Hutto & Gilbert 2014, ICWSM 8, 216-225; MIT), which rates 7,500 words
  as good or bad. Labels differ only by their valence in the taxonomy, so it suits sentiment-3 but
  not emotions.

Lists of words by emotion (NRC EmoLex, WordNet-Affect) are for research only, or their packages name
no licence, so none is built in. Add your own list by the option `words`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
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

from .._optional import import_optional, package_folder
from ._word_forms import forms, phrases, tokens
from ._wording import Floats, softmax

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
"""Number of words before a match in which a negation or an intensity word affects it."""
STRONG, WEAK = 1.5, 0.5
VADER = "labeler 'lexicon' with source: vader needs VADER's word lists (MIT)"
INSTALL_VADER = "pip install vaderSentiment."


class LexiconOptions(PluginOptions):
    """Options of `lexicon`."""

    source: Literal["taxonomy", "vader"] = "taxonomy"
    """Source of words: the labels' own wordings, or VADER's valence (needs
    ``pip install vaderSentiment``)."""
    words: dict[str, tuple[str, ...]] = Field(default={})
    """Additional words and phrases by label, for ``taxonomy``."""
    negation: bool = True
    """Ignores a match within three words after "not", "never", "don't" …"""
    unmatched: Literal["abstain", "neutral"] = "abstain"
    """Label of a text without any known word: none, or the taxonomy's neutral one."""
    smoothing: float = Field(default=0.5, gt=0)
    """Prior weight s, spread over all K labels: one plain match scores (1 + s/K) / (1 + s)."""
    width: float = Field(default=0.5, gt=0)
    """For ``vader``: a label's score is a Gaussian of this width in the distance between its
    valence and the text's compound valence, both from −1 to 1."""


class Lexicon(Labeler[LexiconOptions]):
    """Counts each label's words in the text, with negation and intensity. English only."""

    Options = LexiconOptions
    version = "1"

    def __init__(self, options: LexiconOptions) -> None:
        super().__init__(options)
        self._known: dict[str, Entries] = {}

    def fingerprint(self) -> str:
        """Hash of VADER's word lists and rules; empty for ``taxonomy``."""
        if self.options.source == "taxonomy":
            return ""
        folder = _vader_folder()
        files = [*sorted(folder.glob("*_lexicon.txt")), folder / "vaderSentiment.py"]
        whole = b"".join(file.read_bytes() for file in files)
        return f"sha256:{hashlib.sha256(whole).hexdigest()}"

    def describe(self) -> dict[str, Any]:
        """The source of the words."""
        return {"words": self.options.source}

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores texts; logits of shape (n, K) are weighted counts, or closeness in valence.

        Raises:
            TaxonomyError: `words` names an unknown label.
            SettingsError: a label has no valence and the source is VADER.
        """
        by_valence = self.options.source == "vader"
        evidence = self._closeness if by_valence else self._counts
        raw = evidence([record.text for record in records], taxonomy)
        if by_valence:
            values = softmax(raw)
        else:
            values = raw + np.float32(self.options.smoothing / len(taxonomy.labels))
            values = values / values.sum(axis=1, keepdims=True)
        unmatched = ~raw.any(axis=1)
        silent = np.array([not record.text.strip() for record in records], dtype=bool)
        values[unmatched] = 1 / len(taxonomy.labels)
        if self.options.unmatched == "neutral":
            values[unmatched & ~silent] = self._neutral_row(taxonomy)
            unmatched = silent
        return Scores(values, "distribution", unmatched | silent, raw)

    def _neutral_row(self, taxonomy: Taxonomy) -> Floats:
        """The scores of one match of the neutral label."""
        if taxonomy.neutral is None:
            raise SettingsError(
                f"labeler 'lexicon': unmatched is 'neutral', but {taxonomy.name} has no neutral "
                "label. Use 'abstain'."
            )
        k = len(taxonomy.labels)
        row = np.full(k, self.options.smoothing / k, dtype=np.float32)
        row[taxonomy.index(taxonomy.neutral)] += 1
        return np.asarray(row / row.sum(), dtype=np.float32)

    def _counts(self, texts: list[str], taxonomy: Taxonomy) -> Floats:
        """Weighted number of matches, shape (n, K)."""
        entries = self._entries(taxonomy)
        counts = np.zeros((len(texts), len(taxonomy.labels)), dtype=np.float32)
        for row, text in enumerate(texts):
            for columns, weight in _matches(tokens(text), entries, self.options.negation):
                counts[row, list(columns)] += weight / len(columns)
        return counts

    def _entries(self, taxonomy: Taxonomy) -> Entries:
        """First form → (rest of the phrase, columns), computed once per taxonomy."""
        if taxonomy.hash not in self._known:
            columns: dict[tuple[str, ...], set[int]] = defaultdict(set)
            for name in self.options.words:
                taxonomy.index(name)  # refuses an unknown label
            for column, label in enumerate(taxonomy.labels):
                own = self.options.words.get(label.name, ())
                for wording in (label.name, label.hypothesis, *label.synonyms, *own):
                    for first, *rest in phrases(wording.replace("_", " ")):
                        for form in {first} if rest else forms(first):
                            columns[form, *rest].add(column)
            entries: dict[str, list[tuple[tuple[str, ...], frozenset[int]]]] = defaultdict(list)
            for phrase in sorted(columns, key=lambda words: (-len(words), words)):
                entries[phrase[0]].append((phrase[1:], frozenset(columns[phrase])))
            self._known[taxonomy.hash] = entries
        return self._known[taxonomy.hash]

    def _closeness(self, texts: list[str], taxonomy: Taxonomy) -> Floats:
        """Log of a Gaussian in the distance of valences, shape (n, K); zeros for no known word."""
        bare = [label.name for label in taxonomy.labels if label.valence is None]
        if bare:
            raise SettingsError(
                f"labeler 'lexicon': VADER rates only valence, but {taxonomy.name} gives none for "
                f"{', '.join(bare)}. Add `valence` to these labels, or use source: taxonomy."
            )
        valences = np.array([label.valence for label in taxonomy.labels], dtype=np.float32)
        scores = [self._vader.polarity_scores(text)["compound"] for text in texts]
        compound = np.array(scores, dtype=np.float32).reshape(-1, 1)
        closeness = -((compound - valences) ** 2) / np.float32(2 * self.options.width**2)
        return np.asarray(np.where(compound == 0, 0, closeness), dtype=np.float32)

    @cached_property
    def _vader(self) -> Any:
        library = import_optional("vaderSentiment.vaderSentiment", VADER, INSTALL_VADER)
        return library.SentimentIntensityAnalyzer()


Entries = Mapping[str, list[tuple[tuple[str, ...], frozenset[int]]]]
"""First word → rest of the phrase and its labels, longest phrase first."""


def _matches(
    words: list[str], entries: Entries, negation: bool
) -> Iterator[tuple[frozenset[int], float]]:
    """Yields (columns, weight) of every match from left to right; matches do not overlap."""
    place = 0
    while place < len(words):
        length = 1
        for rest, columns in entries.get(words[place], ()):
            if tuple(words[place + 1 : place + 1 + len(rest)]) == rest:
                weight = _weight(words[max(0, place - REACH) : place], negation)
                if weight:
                    yield columns, weight
                length += len(rest)
                break
        place += length


def _weight(before: list[str], negation: bool) -> float:
    """Weight of a match by the preceding words of its own clause; 0 if it is negated."""
    for place in reversed(range(len(before))):
        if before[place] in CLAUSE_ENDS:
            before = before[place + 1 :]
            break
    negated = any(word in NEGATIONS or word.endswith("n't") for word in before)
    # "not only sad" is no negation.
    if negation and negated and "only" not in before:
        return 0.0
    near = before[-2:]
    if any(word in STRONGER for word in near):
        return STRONG
    return WEAK if any(word in WEAKER for word in near) else 1.0


def _vader_folder() -> Path:
    """The folder of VADER's word lists."""
    folder = package_folder("vaderSentiment")
    if folder is None:
        raise MissingDependencyError(f"{VADER}: {INSTALL_VADER}")
    return folder

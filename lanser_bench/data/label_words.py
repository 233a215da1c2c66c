"""Finds the taxonomy that labels of unknown data mean, by their words in several languages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..kinds.dataset import label_word
from ..plugins.discovery import Registry
from ..plugins.taxonomies import find_taxonomy
from ..taxonomy import Taxonomy

_NOUNS = {
    "anger": "ang anger angry wut ärger zorn ira enojo enfado rabia colère rabbia raiva wütend",
    "boredom": "bor boredom bored langeweile aburrimiento ennui noia tédio",
    "calm": "cal calm ruhe ruhig calma calme serenità",
    "contempt": "con contempt verachtung desprecio mépris disprezzo",
    "disgust": "dis disgust disgusted ekel asco dégoût disgusto nojo",
    "excited": "exc excited excitement aufgeregt emoción excitation",
    "fear": "fea fear fearful angst furcht miedo peur paura medo",
    "frustrated": "fru frustrated frustration frustración",
    "joy": "joy joyful hap happy freude glück glücklich alegría felicidad feliz joie gioia",
    "neutral": "neu neutral neutro neutre neutrale",
    "sadness": "sad sadness trauer traurig traurigkeit tristeza triste tristesse tristezza",
    "surprise": "sur surprise surprised überraschung überrascht sorpresa surpresa",
}
"""A concept and its words: names and codes in datasets, nouns in other languages. By knowledge of
the languages; the user sees and confirms each match."""
_CONCEPTS = {
    word: {name, *words.split()} for name, words in _NOUNS.items() for word in words.split()
}


def words_of(taxonomy: Taxonomy) -> dict[str, str]:
    """Returns folded word → label: names first, then wordings and synonyms in all languages."""
    labels = taxonomy.labels
    worded = [(label.name, (label.hypothesis, *label.synonyms)) for label in labels]
    worded += [item for one in taxonomy.languages.values() for item in one.labels.items()]
    words = {label_word(label.name): label.name for label in labels}
    for name, others in worded:
        for word in others:
            words.setdefault(label_word(word), name)
    for word, name in list(words.items()):
        for other in _CONCEPTS.get(word, ()):
            words.setdefault(other, name)
    return words


def emotion_words(registry: Registry) -> frozenset[str]:
    """Returns all words of all taxonomies, folded."""
    names = registry.names("taxonomy")
    return frozenset(w for name in names for w in words_of(find_taxonomy(registry, name)))


def likely_taxonomy(
    registry: Registry, labels: Mapping[str, int], name: str | None = None
) -> tuple[Taxonomy, dict[str, str]]:
    """Returns the taxonomy that fits labels best, and label of the data → label of the taxonomy.

    It has a label for most utterances, keeps labels apart, has their names, has wordings in other
    languages, and is small, in this order. Labels without a match are missing in the map.

    Args:
        registry: the taxonomies.
        labels: label of the data → number of utterances.
        name: the taxonomy, if it is known.
    """

    def rank(taxonomy: Taxonomy) -> tuple[int, int, int, bool, int, str]:
        matched = _matched(labels, taxonomy)
        renamed = sum(label != name for label, name in matched.items())
        merged = len(matched) - len(set(matched.values()))
        rows = sum(labels[label] for label in matched)
        return -rows, merged, renamed, not taxonomy.languages, len(taxonomy.labels), taxonomy.name

    names = registry.names("taxonomy") if name is None else [name]
    best = min((find_taxonomy(registry, n) for n in names), key=rank)
    return best, _matched(labels, best)


def _matched(labels: Iterable[str], taxonomy: Taxonomy) -> dict[str, str]:
    words = words_of(taxonomy)
    return {label: words[label_word(label)] for label in labels if label_word(label) in words}

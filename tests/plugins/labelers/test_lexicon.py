"""Word lists: what is matched, what is denied, and silence where nothing is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from lanser_bench_plugins.labelers._word_forms import forms, phrases

from lanser_bench import MissingDependencyError, SettingsError, TaxonomyError, TextRecord
from lanser_bench.plugins.discovery import registry
from lanser_bench.plugins.taxonomies import find_taxonomy
from lanser_bench.testing import LabelerSuite
from lanser_bench.testing._labeler import TAXONOMY


def lexicon(**options: Any) -> Any:
    return registry().create("labeler", "lexicon", options)


def scores(*texts: str, taxonomy: Any = TAXONOMY, **options: Any) -> Any:
    return lexicon(**options).score([TextRecord(id=t, text=t) for t in texts], taxonomy)


class TestLexiconContract(LabelerSuite):
    texts = (
        "I am so angry at you!",
        "What a joyful, happy day.",
        "She spoke sadly, and not angrily.",
        "The bus leaves at nine.",
        "Delighted, furious and a bit sad.",
        "No.",
    )

    def make(self) -> Any:
        return lexicon()


@pytest.mark.parametrize(
    ("word", "found"),
    [
        ("sad", {"sadder", "sadly", "sadness"}),
        ("happy", {"happier", "happily", "happiness"}),
        ("surprised", {"surprise", "surprising", "surprises"}),
        ("terrified", {"terrify", "terrifying", "terrifies"}),
        ("loving", {"love", "loves", "loved"}),
        ("annoyed", {"annoy", "annoying"}),
        ("joyful", {"joy", "joys"}),
    ],
)
def test_regular_forms_are_made(word: str, found: set[str]) -> None:
    assert found <= forms(word)


def test_look_alikes_are_not_forms() -> None:
    assert "made" not in forms("mad")
    assert "fearless" not in forms("fear")
    assert "happen" not in forms("happy")


def test_wordings_lose_their_fillers() -> None:
    assert list(phrases("full of admiration")) == [("admiration",)]
    assert list(phrases("in awe of someone")) == [("awe",)]
    assert list(phrases("let down")) == [("let", "down")]
    assert list(phrases("of it")) == []


def test_texts_that_name_a_feeling_get_its_label_and_others_none() -> None:
    found = scores("I am so angry!", "He laughed happily.", "a sad, sad day", "the bus is late")
    assert found.values.argmax(axis=1).tolist()[:3] == [0, 1, 2]
    assert found.abstained.tolist() == [False, False, False, True]
    np.testing.assert_allclose(found.values[3], 1 / 3)


def test_one_plain_match_scores_as_documented() -> None:
    found = scores("angry", smoothing=0.6)
    np.testing.assert_allclose(found.values[0], [1.2 / 1.6, 0.2 / 1.6, 0.2 / 1.6])


@pytest.mark.parametrize(
    "text",
    ["I am not happy", "I don't feel very happy", "never been happy", "I’m not at all happy"],
)
def test_a_denied_word_counts_for_nothing(text: str) -> None:
    assert scores(text).abstained.all()
    assert scores(text, negation=False).values.argmax() == 1


def test_a_negation_ends_with_its_clause() -> None:
    found = scores("No, I am happy", "not only happy", "I can't, but happy", "not now. Happy!")
    assert found.values.argmax(axis=1).tolist() == [1, 1, 1, 1]
    assert not found.abstained.any()


def test_intensity_words_weigh() -> None:
    plain, strong, weak = scores("sad", "very sad", "a bit sad").logits[:, 2]
    assert (plain, strong, weak) == (1.0, 1.5, 0.5)


def test_words_of_one_s_own_and_phrases_are_matched_whole() -> None:
    mine = {"sadness": ("let down", "wept")}
    found = scores("they let me down", "they let down the team", "she wept", words=mine)
    assert found.abstained.tolist() == [True, False, False]
    assert found.values[1:].argmax(axis=1).tolist() == [2, 2]
    with pytest.raises(TaxonomyError, match="Did you mean 'sadness'"):
        scores("x", words={"sadnes": ("wept",)})


def test_a_word_of_two_labels_is_shared_between_them() -> None:
    found = scores("we shout", words={"anger": ("shout",), "joy": ("shout",)})
    assert found.logits[0].tolist() == [0.5, 0.5, 0.0]


def test_texts_without_a_known_word_may_be_neutral() -> None:
    taxonomy = find_taxonomy(registry(), "goemotions-ekman")
    found = scores("the bus is late", "", taxonomy=taxonomy, unmatched="neutral")
    assert taxonomy.names[found.values[0].argmax()] == "neutral"
    assert found.abstained.tolist() == [False, True]
    with pytest.raises(SettingsError, match="has no neutral label"):
        scores("the bus is late", unmatched="neutral")


def test_vader_tells_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match="pip install vaderSentiment"):
        lexicon(source="vader").fingerprint()


def test_vader_tells_labels_apart_by_valence() -> None:
    pytest.importorskip("vaderSentiment")
    sentiment = find_taxonomy(registry(), "sentiment-3")
    texts = ("what a wonderful day", "this is a horrible mess", "the bus leaves at nine", "")
    found = scores(*texts, taxonomy=sentiment, source="vader")
    assert found.values.argmax(axis=1).tolist()[:2] == [2, 0]
    assert found.abstained.tolist() == [False, False, True, True]
    assert lexicon(source="vader").fingerprint().startswith("sha256:")


def test_vader_refuses_labels_without_valence() -> None:
    with pytest.raises(SettingsError, match="none for anger, joy, sadness"):
        scores("fine", source="vader")

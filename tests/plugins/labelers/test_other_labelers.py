"""Similarity and the controls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lanser_bench_plugins import _devices, _sentence_model

from lanser_bench import PluginError, TaxonomyError, TextRecord
from lanser_bench.plugins.discovery import registry
from lanser_bench.testing import LabelerSuite
from lanser_bench.testing._labeler import TAXONOMY


def create(name: str, **options: Any) -> Any:
    return registry().create("labeler", name, options)


class TestSimilarityContract(LabelerSuite):
    @pytest.fixture(autouse=True)
    def _folder(self, sentences: Path) -> None:
        type(self).folder = sentences

    folder: Path

    def make(self) -> Any:
        return create("similarity", model=str(self.folder))


@pytest.mark.slow
class TestRealSimilarity(LabelerSuite):
    def make(self) -> Any:
        return create("similarity", templates="all")


@pytest.mark.slow
def test_the_embedded_sentence_model_answers_as_sentence_transformers_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    name = _sentence_model.OWN_MODEL
    ours = _sentence_model.load_sentence_model(name, "cpu")
    monkeypatch.setattr(_sentence_model, "OWN_MODEL", "")
    theirs = _sentence_model.load_sentence_model(name, "cpu")
    texts = ["I won! ", "", "So it goes.", "Not at all what I had hoped for, ÄÖ. " * 60]
    options = {"batch_size": 2, "normalize_embeddings": True, "show_progress_bar": False}
    np.testing.assert_allclose(
        ours.encode(texts, **options), theirs.encode(texts, **options), atol=1e-6
    )
    assert ours.encode("Yes").shape == theirs.encode("Yes").shape
    assert ours.encode("Yes").shape == (ours.get_sentence_embedding_dimension(),)
    cut = _sentence_model.exceeds_limit(theirs, texts)
    assert _sentence_model.exceeds_limit(ours, texts) == cut == [False, False, False, True]


class TestOracleContract(LabelerSuite):
    def make(self) -> Any:
        return create("oracle")


class TestRandomContract(LabelerSuite):
    def make(self) -> Any:
        return create("random", seed=1)


@pytest.mark.parametrize(
    ("name", "options", "worded"),
    [
        ("entailment", {}, {"en"}),  # the embedded models are made for English
        ("similarity", {}, {"en"}),
        ("similarity", {"model": "org/multilingual"}, {"en", "de"}),
        ("entailment", {"model": "org/multilingual", "templates": "all"}, {"en", "de"}),
        ("entailment", {"model": "org/multilingual", "templates": ["I am {}."]}, set()),
        ("fill-mask", {"model": "org/multilingual"}, {"en", "de"}),
        ("shuffled", {"member": {"name": "lexicon"}}, {"en", "de"}),
        ("ensemble", {"members": ["lexicon", "similarity"]}, {"en"}),
    ],
)
def test_labels_are_worded_in_the_languages_that_a_labeler_is_made_for(
    name: str, options: dict[str, Any], worded: set[str]
) -> None:
    labeler = create(name, **options)
    assert {language for language in ("en", "de") if labeler.worded_in(language)} == worded


def test_example_sentences_stand_in_the_prototypes(sentences: Path) -> None:
    text = "we won the cup"
    options: dict[str, Any] = {"model": str(sentences), "synonyms": False}
    record = [TextRecord(id="a", text=text)]
    plain = create("similarity", **options).score(record, TAXONOMY)
    taught = create("similarity", **options, examples={"sadness": [text]}).score(record, TAXONOMY)
    assert plain.logits is not None
    assert taught.logits is not None
    # The prototype of h and e is (h + e) / |h + e|, whose product with e is √((1 + h·e) / 2).
    cosine = plain.logits[0, 2]
    np.testing.assert_allclose(taught.logits[0, 2], np.sqrt((1 + cosine) / 2), atol=1e-5)
    np.testing.assert_allclose(taught.logits[0, :2], plain.logits[0, :2], atol=1e-6)


def test_examples_of_unknown_labels_are_refused(sentences: Path) -> None:
    labeler = create("similarity", model=str(sentences), examples={"sad": ["oh no"]})
    with pytest.raises(TaxonomyError, match="Did you mean 'sadness'"):
        labeler.score([TextRecord(id="a", text="x")], TAXONOMY)


class TestMajorityContract(LabelerSuite):
    def make(self) -> Any:
        return create("majority", member="oracle")


class TestShuffledContract(LabelerSuite):
    def make(self) -> Any:
        return create("shuffled", member={"name": "random", "seed": 1}, seed=3)


VOTES = np.array([[1], [0], [1], [-1], [2], [1]], np.int16)


def test_majority_gives_the_most_frequent_label_where_its_member_has_one() -> None:
    labeler = create("majority", member="oracle")
    assert labeler.reads == {"gold"}
    assert labeler.control
    settled = labeler.settle(VOTES, TAXONOMY)
    assert settled.rows.tolist() == [0, 0, 0, -1, 0, 0]
    assert settled.table.tolist() == [[0, 1, 0]]
    assert settled.facts["label"] == "joy"


def test_shuffled_deals_out_the_same_labels_anew() -> None:
    labeler = create("shuffled", member="lexicon")
    rows = labeler.settle(VOTES, TAXONOMY).rows
    assert rows[3] == -1
    assert sorted(rows.tolist()) == sorted(VOTES[:, 0].tolist())
    deals = {
        tuple(create("shuffled", member="lexicon", seed=s).settle(VOTES, TAXONOMY).rows)
        for s in range(9)
    }
    assert len(deals) > 3
    np.testing.assert_array_equal(labeler.settle(VOTES, TAXONOMY).rows, rows)


def test_a_control_of_a_control_is_refused() -> None:
    with pytest.raises(PluginError, match="'majority' needs the whole corpus itself"):
        create("shuffled", member={"name": "majority", "member": "lexicon"})


@pytest.mark.slow
def test_similarity_tells_plain_emotions_apart() -> None:
    texts = ("I am so angry with you!", "I am so happy today!", "I feel so sad and lonely.")
    records = [TextRecord(id=text, text=text) for text in texts]
    found = create("similarity").score(records, TAXONOMY)
    assert found.values.argmax(axis=1).tolist() == [0, 1, 2]


def test_a_text_that_is_a_label_s_wording_is_nearest_to_it(sentences: Path) -> None:
    labeler = create("similarity", model=str(sentences), synonyms=False)
    records = [TextRecord(id=h, text=h) for h in TAXONOMY.hypotheses()]
    found = labeler.score(records, TAXONOMY)
    assert found.values.argmax(axis=1).tolist() == [0, 1, 2]
    np.testing.assert_allclose(np.diag(found.logits), 1, atol=1e-5)


def test_synonyms_move_the_prototypes_of_the_labels_that_have_some(sentences: Path) -> None:
    records = [TextRecord(id="x", text="the bus leaves at nine")]
    plain = create("similarity", model=str(sentences), synonyms=False).score(records, TAXONOMY)
    rich = create("similarity", model=str(sentences)).score(records, TAXONOMY)
    moved = ~np.isclose(plain.logits[0], rich.logits[0], atol=1e-6)
    assert moved.tolist() == [True, True, False]


def test_temperature_sharpens(sentences: Path) -> None:
    records = [TextRecord(id="x", text="the bus leaves at nine")]
    sharp = create("similarity", model=str(sentences), temperature=0.01).score(records, TAXONOMY)
    flat = create("similarity", model=str(sentences), temperature=1.0).score(records, TAXONOMY)
    assert sharp.values.max() > flat.values.max()


def test_the_oracle_repeats_gold_and_makes_weights_add_up() -> None:
    gold: list[dict[str, float] | None] = [{"joy": 1.0}, {"anger": 0.2, "joy": 0.2}, None, {}]
    records = [TextRecord(id=str(i), text="", gold=g) for i, g in enumerate(gold)]
    found = create("oracle").score(records, TAXONOMY)
    np.testing.assert_allclose(found.values[:2], [[0, 1, 0], [0.5, 0.5, 0]])
    assert found.abstained.tolist() == [False, False, True, True]


def test_chance_is_even_and_hangs_on_id_and_seed_alone() -> None:
    records = [TextRecord(id=str(i), text="") for i in range(3000)]
    found = create("random").score(records, TAXONOMY).values
    shares = np.bincount(found.argmax(axis=1), minlength=3) / 3000
    np.testing.assert_allclose(shares, 1 / 3, atol=0.03)
    again = create("random").score([TextRecord(id="7", text="words")], TAXONOMY).values
    np.testing.assert_array_equal(found[7], again[0])
    other = create("random", seed=1).score(records[:1], TAXONOMY).values
    assert not np.allclose(found[0], other[0])


def test_a_labeler_says_under_which_licence_its_weights_are() -> None:
    similarity = registry().create("labeler", "similarity").describe()
    assert similarity["licence"] == "Apache-2.0"
    entailment = registry().create("labeler", "entailment").describe()
    assert entailment["licence"].startswith("CC BY-SA 4.0")
    members = {"members": ["similarity", "entailment", "lexicon"]}
    both = registry().create("labeler", "ensemble", members).describe()
    assert both["licence"] == f"{similarity['licence']}; {entailment['licence']}"
    dealt = registry().create("labeler", "shuffled", {"member": "similarity"}).describe()
    assert dealt["licence"] == "Apache-2.0"


def test_shorter_types_are_close_to_float32(
    sentences: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_devices, "_cpu_computes", lambda _: True)  # slowly, on every CPU
    records = [TextRecord("a", "we won"), TextRecord("b", "it rains")]
    exact = create("similarity", model=str(sentences)).score(records, TAXONOMY).logits
    half = create("similarity", model=str(sentences), precision="bf16").score(records, TAXONOMY)
    np.testing.assert_allclose(half.logits, exact, atol=0.05)
    assert not np.array_equal(half.logits, exact)

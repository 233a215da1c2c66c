"""A text counts as truncated exactly where its last word cannot move a score."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_language_models import causal_folder, masked_folder

from lanser_bench import SettingsError, TextRecord
from lanser_bench.plugins.discovery import registry
from lanser_bench.testing._labeler import TAXONOMY

CLASSES = {"CONTRADICTION": "anger", "NEUTRAL": "sadness", "ENTAILMENT": "joy"}


@pytest.fixture(scope="module")
def masked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return masked_folder(tmp_path_factory.mktemp("masked"))


@pytest.fixture(scope="module")
def causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return causal_folder(tmp_path_factory.mktemp("causal"))


def create(name: str, **options: Any) -> Any:
    return registry().create("labeler", name, options)


def records(*texts: str) -> list[TextRecord]:
    return [TextRecord(id=str(i), text=text) for i, text in enumerate(texts)]


@pytest.mark.parametrize(
    ("name", "folder", "options"),
    [
        ("entailment", "nli", {"max_tokens": 32}),
        (
            "entailment",
            "nli",
            {"max_tokens": 50, "templates": ["He is {}."], "scoring": "independent"},
        ),
        ("similarity", "sentences", {}),
        ("fill-mask", "masked", {"max_tokens": 16}),
        ("fill-mask", "masked", {"max_tokens": 500}),
        ("classifier", "nli", {"max_tokens": 16, "map": CLASSES}),
        ("classifier", "nli", {"max_tokens": 500, "map": CLASSES}),
        ("llm", "causal", {"max_tokens": 16, "templates": "all"}),
        ("llm", "causal", {"max_tokens": 5000}),
    ],
)
def test_what_is_cut_is_counted(
    name: str, folder: str, options: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    labeler = create(name, model=str(request.getfixturevalue(folder)), **options)
    lengths = [4, 8, *range(10, 70), 120, 300]
    ends = [
        [" ".join("we won it"[i % 9] for i in range(n) if i % 3) + end for n in lengths]
        for end in (" a", " b")
    ]
    found = [labeler.score(records(*texts), TAXONOMY) for texts in ends]
    blind = np.isclose(found[0].logits, found[1].logits, atol=1e-6)
    blind = blind.reshape(len(lengths), len(TAXONOMY.labels), -1).all(axis=2).any(axis=1)
    for one in found:
        np.testing.assert_array_equal(one.truncated, blind)
    assert 0 < blind.sum() < len(lengths)


def test_a_hypothesis_is_never_cut(nli: Path) -> None:
    template = "I have been, as everybody here can tell at once, {}."
    labeler = create("entailment", model=str(nli), templates=[template], max_tokens=16)
    with pytest.raises(SettingsError, match="leaves no room for a text within 16"):
        labeler.score(records("we won"), TAXONOMY)


def test_an_example_that_the_model_cuts_is_refused(sentences: Path) -> None:
    labeler = create("similarity", model=str(sentences), examples={"joy": ["we won " * 200]})
    with pytest.raises(SettingsError, match="shorten it"):
        labeler.score(records("we won"), TAXONOMY)


def test_labelers_made_of_others_pass_it_on(nli: Path) -> None:
    member = {"name": "entailment", "model": str(nli), "max_tokens": 32}
    texts = records("we won", "we won it " * 30, "")
    for labeler in (
        create("ensemble", members=["lexicon", member]),
        create("shuffled", member=member),
    ):
        assert labeler.score(texts, TAXONOMY).truncated.tolist() == [False, True, False]
    lexicons = create("ensemble", members=["lexicon", {"name": "lexicon", "negation": False}])
    assert lexicons.score(texts, TAXONOMY).truncated is None


def test_who_is_made_for_which_language(nli: Path) -> None:
    assert create("entailment").languages == create("similarity").languages == {"en"}
    assert create("entailment", model=str(nli)).languages == frozenset()
    assert create("ensemble", members=["entailment", "lexicon"]).languages == {"en"}
    assert create("shuffled", member="similarity").languages == {"en"}

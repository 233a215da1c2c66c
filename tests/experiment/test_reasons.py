from __future__ import annotations

from typing import Any

import pytest

from lanser_bench.experiment.planning.spec_diff import differences
from lanser_bench.store import PluginIdentity, Spec

WORDS = {"name": "mood", "labels": ["glad", "sad"]}


def plugin(**changes: Any) -> PluginIdentity:
    return PluginIdentity(
        **{
            "kind": "labeler",
            "name": "words",
            "distribution": "lanser-bench",
            "version": "1",
            "source": "aaaa1111",
            "options": {"sharp": 2.0, "dtype": None},
            "weights": "11112222",
            "libraries": {"numpy": "2.0"},
            **changes,
        }
    )


def spec(**changes: Any) -> Spec:
    return Spec(
        **{
            "stage": "label",
            "stage_version": "1",
            "plugins": {"labeler": plugin()},
            "params": {
                "taxonomy": WORDS,
                "gold_taxonomy": None,
                "label": {"temperature": 1.0},
                "labels": ["a"],
                "libraries": {"soxr": "1.0"},
            },
            "parents": {"utterances": "1234" * 8},
            "seed": 0,
            "threads": 2,
            **changes,
        }
    )


def params(**changes: Any) -> Spec:
    return spec(params={**spec().params, **changes})


def using(**changes: Any) -> Spec:
    return spec(plugins={"labeler": plugin(**changes)})


@pytest.mark.parametrize(
    ("new", "phrase"),
    [
        (spec(stage_version="2"), "stage version 1 → 2"),
        (spec(seed=3), "seed 0 → 3"),
        (spec(seed=None), "seed 0 → none"),
        (spec(threads=1), "threads 2 → 1"),
        (spec(parents={"utterances": "9abc" * 8}), "utterances changed: 1234 → 9abc"),
        (spec(parents={"utterances": "1234" * 8, "transcripts": "5678"}), "transcripts is new"),
        (spec(parents={}), "utterances is gone"),
        (using(name="random"), "labeler words → random"),
        (spec(plugins={}), "labeler words → none"),
        (using(version="2"), "labeler words: version 1 → 2"),
        (using(source="bbbb2222"), "labeler words: source changed: aaaa → bbbb"),
        (using(weights="33334444"), "labeler words: weights 11112222 → 33334444"),
        (using(weights=""), "labeler words: weights 11112222 → none"),
        (using(distribution="other"), "labeler words: now from other, before from lanser-bench"),
        (using(options={"sharp": 1.0, "dtype": None}), "labeler words: sharp 2.0 → 1.0"),
        (using(options={"sharp": 2.0, "dtype": "bf16"}), "labeler words: dtype none → bf16"),
        (using(libraries={"numpy": "2.1"}), "library numpy 2.0 → 2.1"),
        (using(libraries={}), "library numpy 2.0 → none"),
        (params(libraries={"soxr": "1.1"}), "library soxr 1.0 → 1.1"),
        (params(label={"temperature": 2.0}), "label.temperature 1.0 → 2.0"),
        (params(labels=["a", "b"]), 'labels ["a"] → ["a", "b"]'),
        (params(taxonomy={**WORDS, "name": "other"}), "taxonomy mood → other"),
        (params(gold_taxonomy=WORDS), "gold taxonomy none → mood"),
    ],
)
def test_every_kind_of_change_has_its_words(new: Spec, phrase: str) -> None:
    assert differences(spec(), new, {}, {}) == [phrase]


def test_the_content_of_a_taxonomy_is_named_by_its_hashes() -> None:
    (phrase,) = differences(spec(), params(taxonomy={**WORDS, "labels": ["glad"]}), {}, {})
    assert phrase.startswith("taxonomy mood changed: ")
    old, new = phrase.removeprefix("taxonomy mood changed: ").split(" → ")
    assert len(old) == len(new) == 4
    assert old != new


def test_the_content_of_a_file_is_named_by_its_hashes() -> None:
    one, two = (
        using(options={"words": "sha256:aaaabbbb"}),
        using(options={"words": "sha256:ccccdd"}),
    )
    assert differences(one, two, {}, {}) == ["labeler words: content of words changed: aaaa → cccc"]


def test_a_changed_manifest_is_looked_into() -> None:
    def manifest(content: str, utterances: int) -> Spec:
        return Spec(
            stage="manifest",
            stage_version="1",
            params={"content": content, "utterances": utterances},
        )

    one, two = manifest("aaaa0000", 200), manifest("bbbb0000", 201)
    (phrase,) = differences(
        spec(parents={"utterances": one.key}),
        spec(parents={"utterances": two.key}),
        {one.key: one},
        {two.key: two},
    )
    assert phrase == (
        f"utterances changed: {one.key[:4]} → {two.key[:4]} "
        "(rows changed: aaaa → bbbb; utterances 200 → 201)"
    )


def test_a_long_value_is_named_by_its_hash() -> None:
    (phrase,) = differences(spec(), params(labels=["word"] * 50), {}, {})
    assert phrase.startswith('labels ["a"] → ')
    assert len(phrase) < 40

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from lanser_bench.errors import LeakageError
from lanser_bench.evaluation.leakage import Side, check_leakage, fixed_sentence_warning


@dataclass
class Rows:
    ids: list[str]
    speakers: list[str | None]
    audio_sha: list[str | None]
    sentence_ids: list[str | None]
    start: list[float | None] = field(default_factory=lambda: [None] * 4)
    end: list[float | None] = field(default_factory=lambda: [None] * 4)


def rows(**changes) -> Rows:
    values = {
        "ids": ["u0", "u1", "u2", "u3"],
        "speakers": ["a", "a", "b", "b"],
        "audio_sha": ["s0", "s1", "s2", "s3"],
        "sentence_ids": [None] * 4,
    }
    return Rows(**(values | changes))


def check(table: Rows) -> list[str]:
    return check_leakage(Side(table, [0, 1]), Side(table, [2, 3]), "fold 3")


def test_a_clean_split_passes() -> None:
    assert check(rows()) == []


def test_a_shared_speaker_is_refused_naming_the_utterances() -> None:
    with pytest.raises(
        LeakageError, match=r"fold 3: speaker 'a' .*training has u0, u1; test has u2"
    ):
        check(rows(speakers=["a", "a", "a", "b"]))


def test_shared_audio_is_refused_naming_the_utterances() -> None:
    with pytest.raises(LeakageError, match=r"u1 \(training\) and u3 \(test\)"):
        check(rows(audio_sha=["s0", "same", "s2", "same"]))


def test_overlapping_spans_of_one_recording_are_refused() -> None:
    shared = {"audio_sha": ["film", "film", "film", "s3"]}
    apart = rows(**shared, start=[0, 4, 2, None], end=[2, 5, 4, None])
    assert check(apart) == []
    crossing = rows(**shared, start=[0, 4, 1.5, None], end=[2, 5, 4, None])
    with pytest.raises(LeakageError, match=r"u0 \(training\) and u2 \(test\)"):
        check(crossing)
    whole = rows(**shared, start=[None, 4, 7, None], end=[None, 5, 8, None])
    with pytest.raises(LeakageError, match=r"u0 \(training\) and u2 \(test\)"):
        check(whole)


def test_a_shared_sentence_is_told() -> None:
    warnings = check(rows(sentence_ids=["x", None, "x", "y"]))
    assert len(warnings) == 1
    assert "1 of 2 test utterances" in warnings[0]
    assert "(u2)" in warnings[0]


def test_fixed_sentences_are_told() -> None:
    assert "2 scripted sentences" in (fixed_sentence_warning(["a", "b"] * 10) or "")
    assert fixed_sentence_warning([f"s{i}" for i in range(20)]) is None
    assert fixed_sentence_warning([None] * 20) is None

"""Sample rates, channels and formats are counted; a warning says where they give labels away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lanser_bench.audio import AudioFacts
from lanser_bench.data.traits import recording_traits


def traits(clips: list[tuple[str, int]], field: str = "sample_rate") -> dict[str, Any]:
    """Traits of clips of a label (empty: none; several with `+`) and a value each."""
    rows = [
        {"gold": dict.fromkeys(filter(None, label.split("+")), 1.0), "audio_sha": str(i)}
        for i, (label, _) in enumerate(clips)
    ]
    facts = {}
    for i, (_, value) in enumerate(clips):
        values: dict[str, Any] = {"sample_rate": 16_000, "channels": 1, field: value}
        facts[str(i)] = AudioFacts(1.0, peak=1, rms=1, clipped=0, format="WAV PCM_16", **values)
    paths = {str(i): Path("set") / label / "a.wav" for i, (label, _) in enumerate(clips)}
    return recording_traits(rows, facts, paths)


def test_values_are_counted() -> None:
    found = traits([("joy", 8_000), ("joy", 16_000), ("", 16_000)])
    assert found["sample_rates"] == {"16000": 2, "8000": 1}
    assert found["channels"] == {"1": 3}
    assert found["formats"] == {"WAV PCM_16": 3}
    assert found["warnings"] == []


def test_a_rate_that_follows_labels_is_told_with_its_numbers() -> None:
    [warning] = traits([("anger", 8_000)] * 4 + [("joy", 48_000)] * 4)["warnings"]
    assert warning.startswith("The sample rate follows the labels: anger 8000 Hz (4 of 4 clips, ")
    assert "joy 48000 Hz (4 of 4 clips, 0 of 4 others)" in warning


def test_one_class_among_many_is_enough() -> None:
    clips = [(label, 2 if label == "fear" else 1) for label in ["fear", "joy", "anger", "sad"] * 10]
    [warning] = traits(clips, "channels")["warnings"]
    assert warning.startswith(
        "The number of channels follows the labels: fear 2 (10 of 10 clips, 0 of 30 others)."
    )


@pytest.mark.parametrize(
    "clips",
    [
        [("anger", 8_000)] * 3 + [("joy", 48_000)] * 3,  # too few to say
        [("anger", rate) for rate in (8_000, 48_000) * 20]
        + [("joy", rate) for rate in (8_000, 48_000) * 20],
        [("anger", 8_000)] * 30
        + [("anger", 48_000)] * 10
        + [("joy", 8_000)] * 20
        + [("joy", 48_000)] * 20,  # a weak relation
        [("joy", 16_000)] * 40,
        [("", 8_000)] * 20 + [("joy", 16_000)] * 20,  # no label to give away
    ],
)
def test_no_warning_without_a_strong_relation(clips: list[tuple[str, int]]) -> None:
    assert traits(clips)["warnings"] == []


def test_clips_of_several_labels_count_for_each() -> None:
    [warning] = traits([("joy+fear", 8_000)] * 8 + [("anger", 16_000)] * 8)["warnings"]
    assert "fear 8000 Hz (8 of 8" in warning
    assert "joy 8000 Hz (8 of 8" in warning


def test_folders_stand_for_labels_where_there_are_none(tmp_path: Path) -> None:
    rows = [{"gold": {}, "audio_sha": str(i)} for i in range(8)]
    facts = {str(i): AudioFacts(1.0, 8_000 * (1 + i // 4), 1, 1, 1, 0) for i in range(8)}
    paths = {str(i): tmp_path / "ab"[i // 4] / "x.wav" for i in range(8)}
    [warning] = recording_traits(rows, facts, paths)["warnings"]
    assert warning.startswith("The sample rate follows the folders: a 8000 Hz")

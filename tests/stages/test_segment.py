"""Segment: recordings become utterances with ids, spans and what holds for the whole recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from speech_bench import Bench, tone

from lanser_bench.data.utterances import read_summary, read_utterances
from lanser_bench.errors import DataError, PluginError
from lanser_bench.stages import segment


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def recordings(bench: Bench) -> str:
    base: dict[str, Any] = {
        "speaker": "set:s1",
        "language": "en",
        "transcript": "a whole story",
        "gold": {"sad": 1.0},
        "extras": {"room": 3},
    }
    return bench.manifest(
        [
            base | {"id": "a", "audio_sha": bench.clip("a", tone(80_000)), "seconds": 5.0},
            base
            | {
                "id": "b",
                "audio_sha": bench.clip("b", tone(64_000)),
                "seconds": 2.5,
                "start": 1.0,
                "end": 3.5,
            },
        ]
    )


def test_utterances_have_ids_and_spans_in_the_recording(bench: Bench) -> None:
    artifact = bench.cut(recordings(bench), "windows", length_s=2.0)
    table = read_utterances(artifact)
    assert table.ids == ["a#0000", "a#0001", "a#0002", "b#0000", "b#0001"]
    assert table.start == pytest.approx([0.0, 2.0, 4.0, 1.0, 3.0])
    assert table.end == pytest.approx([2.0, 4.0, 5.0, 3.0, 3.5])
    assert table.seconds == pytest.approx([2.0, 2.0, 1.0, 2.0, 0.5])
    assert table.turns == [0, 1, 2, 0, 1]
    assert table.dialogue_ids == ["a", "a", "a", "b", "b"]


def test_what_holds_for_the_recording_is_inherited_but_not_its_text(bench: Bench) -> None:
    table = read_utterances(bench.cut(recordings(bench), "windows", length_s=2.0))
    assert set(table.speakers) == {"set:s1"}
    assert set(table.languages) == {"en"}
    assert table.gold[3] == {"sad": 1.0}
    assert table.extras[0] == {"room": 3}
    assert table.transcripts == [None] * 5
    whole = read_utterances(bench.cut(recordings(bench), "windows", length_s=10.0))
    assert whole.transcripts == ["a whole story"] * 2


def test_a_recording_without_speech_is_named(bench: Bench) -> None:
    rows = [
        {"id": "loud", "audio_sha": bench.clip("loud", tone(32_000)), "seconds": 2.0},
        {"id": "still", "audio_sha": bench.clip("still", np.zeros(32_000)), "seconds": 2.0},
    ]
    artifact = bench.cut(bench.manifest(rows), "fixed", spans=[(0.1, 0.9), (1.0, 2.0)])
    assert read_utterances(artifact).ids == ["loud#0000", "loud#0001"]
    summary = read_summary(artifact)
    assert summary["counts"]["recordings_without_speech"] == 1
    assert [problem["utterance"] for problem in summary["problems"]] == ["still"]
    assert artifact.meta["counts"]["utterances"] == 2


def test_no_utterance_at_all_is_an_error(bench: Bench) -> None:
    row = {"id": "still", "audio_sha": bench.clip("still", np.zeros(32_000)), "seconds": 2.0}
    with pytest.raises(DataError, match="finds no utterance in any of 1 recordings"):
        bench.cut(bench.manifest([row]), "fixed", spans=[(0.0, 1.0)])


@pytest.mark.parametrize(
    "spans", [[(0.0, 9.0)], [(1.0, 0.5)], [(0.0, 1.0), (0.5, 2.0)], [(-1.0, 1.0)]]
)
def test_impossible_spans_are_the_plugins_fault(
    bench: Bench, spans: list[tuple[float, float]]
) -> None:
    row = {"id": "a", "audio_sha": bench.clip("a", tone(32_000)), "seconds": 2.0}
    with pytest.raises(PluginError, match=r"segmenter 'fixed' gave the span .* for 'a'"):
        bench.cut(bench.manifest([row]), "fixed", spans=spans)


def test_one_new_recording_cuts_only_its_own_shard_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "CAPACITY", 1)
    rows = [
        {"id": f"r{i}", "audio_sha": bench.clip(f"r{i}", tone(20_000 + i)), "seconds": 1.25}
        for i in range(4)
    ]
    bench.cut(bench.manifest(rows[:3]), "windows")
    counts = bench.cut(bench.manifest(rows), "windows").meta["counts"]
    assert counts["shards"] - counts["shards_reused"] <= 2
    assert counts["shards_reused"] >= 2

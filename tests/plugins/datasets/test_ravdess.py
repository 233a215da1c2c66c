"""RAVDESS: the code in its file names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lanser_bench_plugins.datasets.ravdess import Ravdess, RavdessOptions

from lanser_bench import DataError
from lanser_bench.data.listing import Part
from lanser_bench.data.manifest import build_manifest
from lanser_bench.data.utterances import read_utterances
from lanser_bench.plugins.discovery import load_plugins
from lanser_bench.store import Store


def reader(**options: Any) -> Ravdess:
    return Ravdess(RavdessOptions(**options))


@pytest.mark.parametrize("suffix", ["wav", "flac"])
def test_file_names_are_decoded(
    tmp_path: Path, write_clip: Callable[[Path], None], suffix: str
) -> None:
    write_clip(tmp_path / "Actor_12" / f"03-01-06-02-01-02-12.{suffix}")
    write_clip(tmp_path / "Actor_07" / f"03-01-08-01-02-01-07.{suffix}")
    first, second = reader().utterances(tmp_path)
    assert first.id == "03-01-08-01-02-01-07"
    assert first.gold == {"surprised": 1.0}
    assert first.speaker == "actor-07"
    assert first.transcript == "Dogs are sitting by the door."
    assert first.extras == {"sex": "male", "intensity": "normal", "repetition": 1}
    assert second.gold == {"fearful": 1.0}
    assert second.sentence_id == "statement-01"
    assert second.extras == {"sex": "female", "intensity": "strong", "repetition": 2}


def test_song_and_other_modalities_are_left_to_the_option(
    tmp_path: Path, write_clip: Callable[[Path], None]
) -> None:
    for name in ("03-01-01-01-01-01-01", "03-02-02-01-01-01-01", "01-01-03-01-01-01-01"):
        write_clip(tmp_path / "Actor_01" / f"{name}.wav")
    assert [u.gold for u in reader().utterances(tmp_path)] == [{"neutral": 1.0}]
    assert [u.gold for u in reader(channel="song").utterances(tmp_path)] == [{"calm": 1.0}]


def test_actors_are_chosen_and_dealt_to_the_two_sides_of_a_split(
    tmp_path: Path, write_clip: Callable[[Path], None]
) -> None:
    for actor in ("01", "02", "03"):
        write_clip(tmp_path / f"03-01-01-01-01-01-{actor}.wav")
    assert {u.split for u in reader().utterances(tmp_path)} == {None}
    chosen = reader(actors=[1, 3], test_actors=[3]).utterances(tmp_path)
    assert [(u.speaker, u.split) for u in chosen] == [("actor-01", "train"), ("actor-03", "test")]
    with pytest.raises(DataError, match=r"of actors \[9\]"):
        list(reader(actors=[9]).utterances(tmp_path))


def test_a_folder_without_ravdess_says_what_it_should_hold(
    tmp_path: Path, write_clip: Callable[[Path], None]
) -> None:
    write_clip(tmp_path / "a.wav")
    with pytest.raises(DataError, match=r"Actor_01/03-01-01-01-01-01-01\.wav"):
        list(reader().utterances(tmp_path))


def test_a_code_outside_the_corpus_is_refused(
    tmp_path: Path, write_clip: Callable[[Path], None]
) -> None:
    write_clip(tmp_path / "03-01-09-01-01-01-01.wav")
    with pytest.raises(DataError, match="emotion 09"):
        list(reader().utterances(tmp_path))


@pytest.mark.data
def test_the_real_corpus_with_its_one_identical_pair(data_root: Path, tmp_path: Path) -> None:
    registry, store = load_plugins(only=""), Store(tmp_path)
    built = build_manifest(registry, store, "ravdess", {}, data_root / "ravdess")
    assert built.counts["utterances"] == 1080
    assert built.counts["speakers"] == 18
    assert built.counts["labels"]["neutral"] == 72
    assert [(p["utterance"], p["problem"]) for p in built.problems] == [
        ("03-01-03-01-02-02-07", "same sound as 03-01-03-01-02-01-07")
    ]
    small = build_manifest(
        registry, store, "ravdess", {}, data_root / "ravdess", part=Part(limit=36)
    )
    table = read_utterances(small.artifact)
    assert len(set(table.speakers)) == 18
    assert len({label for gold in table.gold for label in gold}) == 8

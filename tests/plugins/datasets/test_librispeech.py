"""LibriSpeech: its tree, its transcripts and cut-down copies of both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lanser_bench_plugins.datasets.librispeech import LibriSpeech, LibriSpeechOptions

from lanser_bench import DataError


def reader(**options: Any) -> LibriSpeech:
    return LibriSpeech(LibriSpeechOptions(**options))


@pytest.fixture
def corpus(tmp_path: Path, write_clip: Callable[[Path], None]) -> Path:
    root = tmp_path / "LibriSpeech"
    for subset, chapter in (("dev-clean", "84/121"), ("train-clean-100", "19/198")):
        name = chapter.replace("/", "-")
        for number in range(2):
            write_clip(root / subset / chapter / f"{name}-{number:04d}.flac")
        texts = "".join(f"{name}-{number:04d} WORDS OF {number}\n" for number in range(2))
        (root / subset / chapter / f"{name}.trans.txt").write_text(texts)
    (root / "SPEAKERS.TXT").write_text(";ID |SEX| SUBSET\n19 | F | train-clean-100 | 25 | K\n")
    return root


def test_the_original_tree_is_read(corpus: Path) -> None:
    found = {u.id: u for u in reader().utterances(corpus)}
    assert list(found) == ["84-121-0000", "84-121-0001", "19-198-0000", "19-198-0001"]
    u = found["19-198-0001"]
    assert (u.speaker, u.split, u.language) == ("19", "train-clean-100", "en")
    assert u.transcript == "WORDS OF 1"
    assert u.extras == {"chapter": "198", "sex": "female"}
    assert not u.gold


def test_subsets_can_be_chosen_and_unknown_ones_are_named(corpus: Path) -> None:
    assert {u.split for u in reader(subsets=["dev-clean"]).utterances(corpus)} == {"dev-clean"}
    with pytest.raises(DataError, match="it contains dev-clean, train-clean-100"):
        list(reader(subsets=["test-clean"]).utterances(corpus))


def test_a_listed_file_that_is_missing_is_not_dropped(corpus: Path) -> None:
    (corpus / "dev-clean/84/121/84-121-0001.flac").unlink()
    missing = [u for u in reader().utterances(corpus) if u.audio and not u.audio.exists()]
    assert [u.id for u in missing] == ["84-121-0001"]


def test_transcripts_of_a_cut_down_copy_come_from_its_table(
    tmp_path: Path, write_clip: Callable[[Path], None]
) -> None:
    for number in range(2):
        write_clip(tmp_path / "audio/26/495" / f"26-495-{number:04d}.flac")
    (tmp_path / "manifest.csv").write_text("id,transcript,sex\n26-495-0000,HELLO,male\n")
    first, second = reader().utterances(tmp_path)
    assert (first.transcript, first.split, first.extras["sex"]) == ("HELLO", None, "male")
    assert second.transcript is None


def test_a_malformed_transcript_line_is_named(corpus: Path) -> None:
    (corpus / "dev-clean/84/121/84-121.trans.txt").write_text("just words\n")
    with pytest.raises(DataError, match=r"84-121.trans.txt, line 1"):
        list(reader().utterances(corpus))


@pytest.mark.data
def test_the_real_samples(data_root: Path) -> None:
    small = list(reader().utterances(data_root / "librispeech"))
    assert len(small) == 93
    assert all(u.transcript for u in small)
    large = list(reader().utterances(data_root / "librispeech_261spk"))
    assert len({u.speaker for u in large}) == 261
    assert sum(1 for u in large if u.split == "test-other" and u.transcript) == 100

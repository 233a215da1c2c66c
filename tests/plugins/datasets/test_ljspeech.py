"""LJ Speech: its table without quotes, and cut-down copies."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from lanser_bench_plugins.datasets.ljspeech import LJSpeech

from lanser_bench import DataError, PluginOptions


def test_the_original_layout_gives_the_normalised_text(
    tmp_path: Path, write_clip: Callable[[Path], None]
) -> None:
    write_clip(tmp_path / "wavs/LJ001-0001.wav")
    (tmp_path / "metadata.csv").write_text(
        'LJ001-0001|in 1455, a "Bible|in fourteen fifty-five, a "Bible\nLJ001-0002|b|c\n'
    )
    first, second = LJSpeech(PluginOptions()).utterances(tmp_path)
    assert first.transcript == 'in fourteen fifty-five, a "Bible'
    assert first.speaker == second.speaker == "lj"
    assert second.audio == tmp_path / "wavs/LJ001-0002.wav"
    assert not second.audio.exists()


def test_transcripts_of_a_cut_down_copy_come_from_its_table(
    tmp_path: Path, write_clip: Callable[[Path], None]
) -> None:
    write_clip(tmp_path / "audio/LJ001-0001.flac")
    (tmp_path / "manifest.csv").write_text('id,transcript\nLJ001-0001,"Printing, in the"\n')
    (only,) = LJSpeech(PluginOptions()).utterances(tmp_path)
    assert only.transcript == "Printing, in the"


def test_another_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "readme.txt").write_text("nothing")
    with pytest.raises(DataError, match=r"LJSpeech-1\.1"):
        list(LJSpeech(PluginOptions()).utterances(tmp_path))


@pytest.mark.data
def test_the_real_sample(data_root: Path) -> None:
    found = list(LJSpeech(PluginOptions()).utterances(data_root / "ljspeech"))
    assert len(found) == 32
    assert all(u.transcript for u in found)

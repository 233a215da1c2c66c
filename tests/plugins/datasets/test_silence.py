"""Clips without speech: their level, length and known empty transcript."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from lanser_bench_plugins.datasets.silence import SECONDS, Silence, SilenceOptions


def test_clips_have_the_planned_level_and_length_and_are_made_once(tmp_path: Path) -> None:
    clips = list(Silence(SilenceOptions()).utterances(tmp_path))
    assert {clip.transcript for clip in clips} == {""}
    found = set()
    for clip in clips:
        assert clip.audio is not None
        samples, rate = soundfile.read(clip.audio)
        level = 10 * np.log10(np.mean(samples**2))
        assert level == pytest.approx(clip.extras["level_db"], abs=0.2)
        found.add((round(len(samples) / rate), clip.extras["level_db"]))
    assert found == {(s, level) for s in SECONDS for level in SilenceOptions().levels_db}
    made = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.wav")}
    more = list(Silence(SilenceOptions(clips=17)).utterances(tmp_path))
    assert [clip.audio for clip in more[:16]] == [clip.audio for clip in clips]
    assert all(path.stat().st_mtime_ns == when for path, when in made.items())

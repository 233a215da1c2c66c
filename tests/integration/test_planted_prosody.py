"""The probe gives the known answer on a small corpus whose prosody is planted."""

from __future__ import annotations

from pathlib import Path

import pytest
from benchmarks.planted_prosody import CEILING, measured


@pytest.mark.slow
def test_an_encoder_that_holds_pitch_gives_back_what_was_planted(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    found = measured(tmp_path, congruence=1.0, clips=140, speakers=5)
    assert found.as_planted
    assert found.disjoint
    pitch = {row: scores["planted_pitch"].value for row, scores in found.scores.items()}
    assert pitch["pitch-contour"] > 0.9
    assert 0.1 < pitch["text"] < pitch[CEILING] < pitch["pitch-contour"]

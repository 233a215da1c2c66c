"""openSMILE's functionals: the contract, and the message if the package is missing."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
import pytest
from lanser_bench_plugins import _optional

from lanser_bench import MissingDependencyError
from lanser_bench.plugins.discovery import registry
from lanser_bench.testing import EncoderSuite

installed = pytest.mark.skipif(
    importlib.util.find_spec("opensmile") is None,
    reason="openSMILE (extra opensmile) is not installed",
)


def voice(seconds: float, gain: float = 0.1, pitch: float = 150.0) -> Any:
    t = np.arange(round(seconds * 16_000)) / 16_000
    buzz = sum(np.sin(2 * np.pi * k * pitch * t) / k for k in range(1, 20))
    return (gain * buzz).astype(np.float32)


@installed
@pytest.mark.slow
class TestContract(EncoderSuite):
    def make(self) -> Any:
        return registry().create("encoder", "egemaps")


@installed
@pytest.mark.slow
def test_functionals_hold_pitch_and_survive_odd_clips() -> None:
    encoder = registry().create("encoder", "egemaps")
    clips = [voice(1.0), voice(1.0, pitch=300.0), np.zeros(8_000, np.float32), voice(0.01)]
    low, high, *odd = (layers[0][0] for layers in encoder.extract(clips))
    assert low.shape == (88,)
    # The first functional is the mean pitch in semitones above 27.5 Hz.
    assert high[0] - low[0] == pytest.approx(12, abs=0.5)
    assert all(np.isfinite(values).all() for values in odd)


def test_it_says_how_to_get_open_smile(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> None:
        raise ImportError(f"No module named '{name}'")

    monkeypatch.setattr(_optional, "import_module", absent)
    encoder = registry().create("encoder", "egemaps")
    with pytest.raises(MissingDependencyError, match=r"lanser-bench\[opensmile\].*research"):
        encoder.extract([voice(0.5)])


def test_the_licence_is_told() -> None:
    assert "research" in registry().create("encoder", "egemaps").describe()["licence"]

"""Praat's and openSMILE's targets: known answers, and the messages if they are missing."""

from __future__ import annotations

import importlib.util
from importlib import import_module
from typing import Any

import numpy as np
import pytest
from lanser_bench_plugins import _optional

from lanser_bench import SAMPLE_RATE, MissingDependencyError, SettingsError, Speech
from lanser_bench.plugins.discovery import registry

praat = pytest.mark.skipif(
    importlib.util.find_spec("parselmouth") is None,
    reason="Praat (extra praat) is not installed",
)
smile = pytest.mark.skipif(
    importlib.util.find_spec("opensmile") is None,
    reason="openSMILE (extra opensmile) is not installed",
)


def pulses(jitter: float = 0.0, shimmer: float = 0.0, noise: float = 0.0) -> Speech:
    """A pulse train at 125 Hz through a resonance; periods and amplitudes alternate."""
    time = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    sign = (-1.0) ** np.arange(240)
    at = 0.01 + np.cumsum((1 + sign * jitter / 2) / 125)
    wave = np.zeros_like(time)
    for when, size in zip(at, 1 + sign * shimmer / 2, strict=True):
        after = time - when
        own = after >= 0
        wave[own] += size * np.exp(-300 * after[own]) * np.sin(2 * np.pi * 700 * after[own])
    wave += noise * np.random.default_rng(0).standard_normal(len(wave))
    return Speech((0.1 * wave).astype(np.float32))


def measured(*batch: Speech) -> dict[str, Any]:
    probe = registry().create("probe", "voice-quality", {})
    return dict(zip(probe.targets, probe.measure(list(batch)).T, strict=True))


@praat
def test_jitter_shimmer_and_noise_are_found_as_planted() -> None:
    found = measured(pulses(), pulses(jitter=0.02), pulses(shimmer=0.1), pulses(noise=0.1))
    steady, jittered, shimmered, noisy = found["jitter_local_pct"]
    assert steady < 0.2
    assert jittered == pytest.approx(2, rel=0.15)
    assert max(shimmered, noisy) < 1
    assert found["shimmer_local_pct"][2] == pytest.approx(10, rel=0.2)
    assert found["shimmer_local_pct"][0] < 1
    assert found["hnr_db"][0] > found["hnr_db"][3] + 10


@praat
def test_without_voice_there_is_no_quality() -> None:
    silence, short = np.zeros(SAMPLE_RATE, np.float32), pulses().samples[:300]
    found = measured(Speech(silence), Speech(short), Speech(short[:0]))
    assert all(np.isnan(values).all() for values in found.values())


@smile
@pytest.mark.slow
def test_functionals_are_those_of_open_smile() -> None:
    names = ("F0semitoneFrom27.5Hz_sma3nz_amean", "equivalentSoundLevel_dBp")
    probe = registry().create("probe", "egemaps", {"names": names})
    low, quiet = (Speech(gain * pulses().samples) for gain in (1.0, 0.1))
    found = probe.measure([low, quiet, Speech(low.samples[:100])])
    assert found.shape == (3, 2)
    assert found[0, 0] == pytest.approx(12 * np.log2(125 / 27.5), abs=0.5)
    assert found[0, 1] - found[1, 1] == pytest.approx(20, abs=0.5)
    assert registry().create("probe", "egemaps", {}).measure([low]).shape == (1, 25)
    with pytest.raises(SettingsError, match="no functional 'pitch'"):
        registry().create("probe", "egemaps", {"names": ("pitch",)}).measure([low])


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("egemaps", r"probe 'egemaps' needs openSMILE.*lanser-bench\[opensmile\]"),
        ("voice-quality", r"probe 'voice-quality' needs Praat.*\[praat\]"),
    ],
)
def test_what_is_absent_is_named_with_its_extra(
    monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    def absent(wanted: str) -> Any:
        if wanted.partition(".")[0] in ("opensmile", "parselmouth"):
            raise ImportError(f"No module named '{wanted}'")
        return import_module(wanted)

    monkeypatch.setattr(_optional, "import_module", absent)
    with pytest.raises(MissingDependencyError, match=words):
        registry().create("probe", name, {}).measure([pulses()])

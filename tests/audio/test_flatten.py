from __future__ import annotations

import numpy as np
import pytest
from lanser_bench_plugins.probes.prosody import Prosody, ProsodyOptions

from lanser_bench import MissingDependencyError, Speech
from lanser_bench.audio.flatten import levelled, resynthesise

RATE = 16_000


def spoken() -> np.ndarray:
    """Syllables of a gliding voice: harmonics of 120 to 220 Hz, each syllable at its own level."""
    t = np.arange(int(1.2 * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(120 + 80 * t) / RATE
    voice = sum(np.sin(h * phase) / h for h in range(1, 12))
    level = np.repeat([0.02, 0.1, 0.04, 0.1, 0.02, 0.05], len(t) // 6)
    syllables = np.clip(3 * np.sin(np.pi * 5 * t) ** 2, 0, 1)
    return (voice * level * syllables).astype(np.float32)


def prosody(samples: np.ndarray) -> dict[str, float]:
    probe = Prosody(ProsodyOptions())
    return dict(zip(probe.targets, probe.measure([Speech(samples)])[0], strict=True))


def test_a_cue_is_taken_out_and_its_mean_and_the_other_cue_stay() -> None:
    pytest.importorskip("pyworld")
    plain, flat, level = (prosody(resynthesise(spoken(), cue)) for cue in ("none", "f0", "energy"))
    assert flat["f0_sd_st"] < 0.1 * plain["f0_sd_st"]
    assert flat["f0_mean_st"] == pytest.approx(plain["f0_mean_st"], abs=0.3)
    assert flat["loudness_range_db"] == pytest.approx(plain["loudness_range_db"], abs=2)
    assert level["loudness_range_db"] < 0.5 * plain["loudness_range_db"]
    assert level["loudness_mean_db"] == pytest.approx(plain["loudness_mean_db"], abs=2)
    assert level["f0_sd_st"] == pytest.approx(plain["f0_sd_st"], rel=0.2)


def test_a_low_hoarse_end_does_not_draw_the_pitch_down() -> None:
    pytest.importorskip("pyworld")
    t = np.arange(RATE // 2) / RATE
    low = sum(np.sin(2 * np.pi * h * 90 * t) / h for h in range(1, 12))
    hoarse = 0.02 * low + 0.05 * np.random.default_rng(0).standard_normal(len(t))
    sound = np.concatenate([spoken(), hoarse]).astype(np.float32)
    flat = prosody(resynthesise(sound, "f0"))["f0_mean_st"]
    assert flat == pytest.approx(prosody(sound)["f0_mean_st"], abs=0.3)


def test_resynthesis_keeps_the_length_and_gives_the_same_bits_again() -> None:
    pytest.importorskip("pyworld")
    for samples in (spoken()[:5001], np.zeros(300, np.float32)):
        once = resynthesise(samples, "none")
        assert once.shape == samples.shape
        assert once.dtype == np.float32
        assert np.array_equal(once, resynthesise(samples, "none"))


def test_levelling_leaves_pauses_silent() -> None:
    sound = np.concatenate([spoken(), np.zeros(RATE // 2), spoken()]).astype(np.float64)
    pause = slice(len(spoken()) + 800, len(spoken()) + RATE // 2 - 800)
    assert np.abs(levelled(sound)[pause]).max() < 1e-6


def test_levelling_does_not_raise_the_noise_of_the_room() -> None:
    noise = 1e-4 * np.random.default_rng(0).standard_normal(RATE)
    fading = spoken()[: RATE // 2] * np.geomspace(1, 0.05, RATE // 2)
    sound = noise + np.pad(fading, (0, RATE - RATE // 2))
    silence = slice(RATE // 2 + 800, None)
    found = levelled(sound)
    assert np.std(found[silence]) == pytest.approx(np.std(noise[silence]), rel=1e-6)
    soft = slice(RATE // 2 - 1600, RATE // 2 - 800)
    assert np.std(found[soft]) > 2 * np.std(sound[soft])


def test_a_missing_vocoder_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"pip install 'lanser-bench\[flatten\]'"):
        resynthesise(spoken(), "f0")

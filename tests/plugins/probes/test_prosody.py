from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from lanser_bench_plugins.datasets._prosody_plan import plan
from lanser_bench_plugins.datasets.synthetic import _row, _sentences
from lanser_bench_plugins.probes.pitch import track_f0
from lanser_bench_plugins.probes.planted import Planted, PlantedOptions
from lanser_bench_plugins.probes.prosody import Prosody, ProsodyOptions

from lanser_bench import SAMPLE_RATE, Speech
from lanser_bench.testing import CLIPS, ProbeSuite

PROBE = Prosody(ProsodyOptions())
PLANTED = PlantedOptions().names
TIME = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE


class TestProsodyContract(ProbeSuite):
    def make(self) -> Prosody:
        return Prosody(ProsodyOptions())


class TestPlantedContract(ProbeSuite):
    clips = tuple(replace(c, extras=dict.fromkeys(PLANTED, c.seconds + 1)) for c in CLIPS)

    def make(self) -> Planted:
        return Planted(PlantedOptions())


def voice(f0: np.ndarray | float, level: np.ndarray | float = 0.1) -> np.ndarray:
    """A harmonic tone with falling partials, like a vowel's source."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(f0, TIME.shape)) / SAMPLE_RATE
    wave = sum(np.sin(h * phase) / h for h in range(1, 9))
    return (level * np.asarray(wave)).astype(np.float32)


def measured(samples: np.ndarray) -> dict[str, float]:
    row = PROBE.measure([Speech(samples.astype(np.float32))])[0]
    return dict(zip(PROBE.targets, row.tolist(), strict=True))


def hertz(semitones: float) -> float:
    return float(100 * 2 ** (semitones / 12))


@pytest.mark.parametrize("f0", [70, 100, 147, 220, 311, 440, 580])
def test_steady_tones_are_measured_within_one_percent(f0: float) -> None:
    found = measured(voice(f0))
    assert hertz(found["f0_mean_st"]) == pytest.approx(f0, rel=0.01)
    assert found["f0_sd_st"] < 0.1
    assert found["f0_range_st"] < 0.1


def test_a_pure_tone_and_one_without_its_fundamental_have_the_same_pitch() -> None:
    sine = (0.2 * np.sin(2 * np.pi * 200 * TIME)).astype(np.float32)
    partials = sum(np.sin(2 * np.pi * 200 * h * TIME) for h in (2, 3, 4))
    for wave in (sine, (0.1 * np.asarray(partials)).astype(np.float32)):
        assert hertz(measured(wave)["f0_mean_st"]) == pytest.approx(200, rel=0.01)


def test_a_glide_is_followed_within_one_percent() -> None:
    f0 = 110 * 2 ** (TIME / 2)  # one octave in two seconds
    hop = SAMPLE_RATE // 100
    frames = np.ones(len(TIME) // hop, bool)
    found = track_f0(voice(f0), frames, hop, 62.5, 600, 0.2)
    inner = np.arange(10, len(frames) - 10)
    assert found[inner] == pytest.approx(f0[(inner + 1) * hop], rel=0.01)
    summary = measured(voice(f0))
    assert summary["f0_sd_st"] == pytest.approx(12 / np.sqrt(12), rel=0.05)
    assert summary["f0_range_st"] == pytest.approx(0.9 * 12, rel=0.05)


def test_tones_in_noise_keep_their_pitch() -> None:
    noise = np.random.default_rng(0).standard_normal(len(TIME)) * 0.02
    assert hertz(measured(voice(180) + noise)["f0_mean_st"]) == pytest.approx(180, rel=0.01)


def test_noise_is_unvoiced() -> None:
    found = measured(np.random.default_rng(0).standard_normal(len(TIME)) * 0.1)
    assert np.isnan(found["f0_mean_st"])
    assert found["loudness_mean_db"] == pytest.approx(-20, abs=0.5)
    assert found["speaking_rate"] == 0


def test_silence_has_nothing_but_a_duration() -> None:
    for samples in (np.zeros(SAMPLE_RATE), np.zeros(5), np.full(SAMPLE_RATE, 1e-6)):
        found = measured(samples)
        assert found.pop("duration_s") == pytest.approx(len(samples) / SAMPLE_RATE)
        assert all(np.isnan(value) for value in found.values())


def test_level_follows_gain_and_nothing_else_does() -> None:
    loud, soft = measured(voice(150, 0.2)), measured(voice(150, 0.02))
    assert loud["loudness_mean_db"] - soft["loudness_mean_db"] == pytest.approx(20, abs=0.01)
    for name in set(loud) - {"loudness_mean_db"}:
        assert loud[name] == pytest.approx(soft[name], abs=1e-3)


@pytest.mark.parametrize("rate", [3, 4, 6])
def test_syllables_are_counted(rate: float) -> None:
    level = 0.05 * (1.05 - np.cos(2 * np.pi * rate * TIME))
    assert measured(voice(140, level))["speaking_rate"] == pytest.approx(rate, rel=0.15)


def test_a_pause_counts_and_the_edges_do_not() -> None:
    level = np.where((TIME > 0.2) & (TIME < 1.8) & ~((TIME > 0.8) & (TIME < 1.2)), 0.1, 0.0)
    assert measured(voice(140, level))["pause_ratio"] == pytest.approx(0.4 / 1.6, abs=0.03)
    short = np.where((TIME > 1) & (TIME < 1.1), 0.0, 0.1)
    assert measured(voice(140, short))["pause_ratio"] == 0


def test_a_batch_gives_each_its_own() -> None:
    waves = [voice(100), voice(250), np.zeros(100, np.float32)]
    together = PROBE.measure([Speech(wave) for wave in waves])
    alone = np.concatenate([PROBE.measure([Speech(wave)]) for wave in waves])
    assert np.array_equal(together, alone, equal_nan=True)
    assert PROBE.measure([]).shape == (0, 8)


def test_planted_takes_numbers_from_the_extras() -> None:
    probe = Planted(PlantedOptions(names=("pitch", "rate")))
    empty = np.zeros(0, np.float32)
    found = probe.measure(
        [Speech(empty, extras={"pitch": 3, "rate": 1.5}), Speech(empty, extras={"rate": "fast"})]
    )
    assert found[0].tolist() == [3.0, 1.5]
    assert np.isnan(found[1]).all()
    assert probe.targets == ("pitch", "rate")


def test_planted_by_default_takes_what_synthetic_plants() -> None:
    (clip, *_) = plan(
        _sentences(), speakers=1, first_voice=0, clips=1, congruence=1.0, fixed_text=False, seed=0
    )
    extras = _row(clip)["extras"]
    assert isinstance(extras, dict)
    found = Planted(PlantedOptions()).measure([Speech(np.zeros(0, np.float32), extras=extras)])
    assert found.tolist() == [[clip.pitch, clip.range, clip.rate, clip.volume]]


@pytest.mark.data
def test_women_speak_higher_than_men_in_ravdess(data_root: Path) -> None:
    from lanser_bench.audio import decode

    pitch: dict[int, list[float]] = {0: [], 1: []}
    for path in sorted((data_root / "ravdess").rglob("03-01-01-01-0?-01-*.flac")):
        row = PROBE.measure([Speech(decode(path))])[0]
        pitch[int(path.stem[-2:]) % 2].append(float(row[0]))
    assert 90 < hertz(float(np.mean(pitch[1]))) < 140
    assert 160 < hertz(float(np.mean(pitch[0]))) < 240

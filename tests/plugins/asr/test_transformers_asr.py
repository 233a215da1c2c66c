"""Whisper and CTC through transformers: the contract, and the words against the library's own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lanser_bench_plugins import _devices
from lanser_bench_plugins.asr import _sequences
from lanser_bench_plugins.asr._hf_whisper import HFWhisper
from tiny_recognisers import ctc_folder, moonshine_folder, parakeet_folder, whisper_folder

from lanser_bench.errors import DataError, MissingDependencyError, SettingsError
from lanser_bench.kinds import Speech
from lanser_bench.plugins.discovery import registry
from lanser_bench.testing import ASRSuite


@pytest.fixture(scope="module")
def whisper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whisper_folder(tmp_path_factory.mktemp("whisper"))


@pytest.fixture(scope="module")
def ctc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ctc_folder(tmp_path_factory.mktemp("ctc"))


def asr(folder: Path, **options: Any) -> Any:
    return registry().create("asr", "transformers", {"model": str(folder), **options})


def noise(seconds: float, seed: int = 0, language: str | None = "en") -> Speech:
    random = np.random.default_rng(seed)
    wave = 0.1 * random.standard_normal(int(seconds * 16_000))
    return Speech(wave.astype(np.float32), language)


class TestWhisperContract(ASRSuite):
    folder: Path
    test_silence_has_no_words = None  # its weights are random

    @pytest.fixture(autouse=True)
    def _folder(self, whisper: Path) -> None:
        type(self).folder = whisper

    def make(self) -> Any:
        return asr(self.folder)


class TestCTCContract(ASRSuite):
    folder: Path
    test_silence_has_no_words = None  # its weights are random

    @pytest.fixture(autouse=True)
    def _folder(self, ctc: Path) -> None:
        type(self).folder = ctc

    def make(self) -> Any:
        return asr(self.folder)


def test_whisper_says_what_the_library_s_own_decoder_says(whisper: Path) -> None:
    labeler = asr(whisper)
    clips = [noise(1.0), noise(1.5, 1)]
    found = labeler.transcribe(clips)
    model, extractor, tokenizer = labeler._parts
    features = extractor([c.samples for c in clips], sampling_rate=16_000, return_tensors="pt")
    limit = model.config.max_target_positions - 4
    rows = model.generate(
        features["input_features"],
        language="en",
        task="transcribe",
        max_new_tokens=limit,
        do_sample=False,
        num_beams=1,
    )
    expected = [tokenizer.decode(row, skip_special_tokens=True).strip() for row in rows]
    assert [t.text for t in found] == expected
    assert all(t.text for t in found)


def test_whisper_gives_its_evidence(whisper: Path) -> None:
    (found,) = asr(whisper).transcribe([noise(1.0)])
    assert found.avg_logprob < 0
    assert 0 < found.no_speech_prob < 1
    assert found.compression_ratio > 0
    assert found.language == "en"


def test_whisper_hears_a_short_clip_in_a_short_window_unless_in_doubt(whisper: Path) -> None:
    recogniser = asr(whisper, window_s=1.0)
    model, extractor, tokenizer = recogniser._parts
    positions = model.get_encoder().embed_positions.weight.clone()
    clip = noise(0.6)
    short = HFWhisper(model, extractor, tokenizer).windows([clip], "en", 16_000)[0]
    whole = HFWhisper(model, extractor, tokenizer).windows([clip], "en")[0]
    assert short.avg_logprob != whole.avg_logprob
    assert model.get_encoder().embed_positions.weight.equal(positions)
    (found,) = recogniser.transcribe([clip])
    # A random model runs into the limit of its tokens: that is a doubt.
    assert short.doubtful
    assert found.retried
    assert found.avg_logprob == pytest.approx(whole.avg_logprob)


def test_cached_silence_is_what_the_encoder_makes_of_it(whisper: Path) -> None:
    clips = [noise(0.6), noise(0.9, 1)]
    model = asr(whisper)._whisper
    # Noise of two seconds is in the window, and silence after it.
    whole, short = model.extractor.n_samples, 16_000
    calls: list[Any] = []

    def decoded(states: Any, *_: Any) -> list[Any]:
        calls.append(states)
        return []

    model._decoded = decoded
    model._silence = lambda total: model._encoded([clips[0].samples], total)
    model.windows(clips, "en", short, 5, whole)
    model.windows(clips, "en", short)
    joined, cut = calls
    assert joined.shape[1] == whole // 320
    assert joined[:, :50].equal(cut)
    assert joined[0, 50:].equal(joined[1, 50:])


@pytest.mark.parametrize("kind", ["whisper", "ctc"])
def test_shorter_types_hear_nearly_the_same(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_devices, "_cpu_computes", lambda _: True)  # slowly, on every CPU
    folder = request.getfixturevalue(kind)
    (whole,) = asr(folder).transcribe([noise(1.0)])
    (short,) = asr(folder, precision="bf16").transcribe([noise(1.0)])
    assert 0 < abs(short.avg_logprob - whole.avg_logprob) < 0.3


def test_whisper_hears_a_long_clip_to_its_end(whisper: Path) -> None:
    parts = [noise(2.0, 1), noise(2.0, 2), noise(0.7, 3)]
    whole = Speech(np.concatenate([part.samples for part in parts]), "en")
    recogniser = asr(whisper)
    pieces = recogniser.transcribe(parts)
    (found,) = recogniser.transcribe([whole])
    assert found.text == " ".join(piece.text for piece in pieces)


def test_whisper_is_told_the_language(whisper: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="option 'language'"):
        asr(whisper).transcribe([noise(1.0, language=None)])
    assert asr(whisper, language="de").transcribe([noise(1.0, language=None)])[0].language == "de"
    with pytest.raises(SettingsError, match="does not support the language 'fr'"):
        asr(whisper).transcribe([noise(1.0, language="fr")])
    english = whisper_folder(tmp_path, languages=())
    assert asr(english).transcribe([noise(1.0, language=None)])[0].language == "en"
    with pytest.raises(DataError, match="English only"):
        asr(english).transcribe([noise(1.0, language="de")])


def test_a_whisper_without_its_settings_is_refused(whisper: Path, tmp_path: Path) -> None:
    for file in whisper.iterdir():
        if file.name != "generation_config.json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(SettingsError, match=r"generation_config\.json is missing"):
        asr(tmp_path).transcribe([noise(0.5)])


def test_ctc_joins_repeats_and_leaves_out_blanks(ctc: Path) -> None:
    import torch

    recogniser = asr(ctc)
    clip = noise(1.0)
    (found,) = recogniser.transcribe([clip])
    model, extractor, _ = recogniser._parts
    values = extractor(clip.samples, sampling_rate=16_000, return_tensors="pt")["input_values"]
    with torch.inference_mode():
        logs = model(values).logits[0].log_softmax(-1)
    best = logs.argmax(-1).tolist()
    kept = [token for i, token in enumerate(best) if i == 0 or token != best[i - 1]]
    letters = ["", "<unk>", " ", "'", *"abcdefghijklmnopqrstuvwxyz"]
    assert found.text == " ".join("".join(letters[token] for token in kept).split())
    assert found.text
    said = [float(logs[i, token]) for i, token in enumerate(best) if token != 0]
    assert found.avg_logprob == pytest.approx(np.mean(said), abs=1e-4)
    assert math.isnan(found.no_speech_prob)


@pytest.mark.parametrize("make", [moonshine_folder, parakeet_folder])
def test_moonshine_and_parakeet_say_what_the_library_s_own_decoder_says(
    make: Any, tmp_path: Path
) -> None:
    recogniser = asr(make(tmp_path))
    clips = [noise(0.7, 4, None), noise(2.0, 5), noise(0.05)]
    transcripts = recogniser.transcribe(clips)
    model, extractor, tokenizer = recogniser._parts
    for clip, transcript in zip(clips[:2], transcripts, strict=False):
        features = extractor(clip.samples, sampling_rate=16_000, return_tensors="pt")
        answer = model.generate(**features, do_sample=False, num_beams=1, max_new_tokens=224)
        tokens = getattr(answer, "sequences", answer)[0]
        apart = {} if make is moonshine_folder else {"group_tokens": False}
        expected = tokenizer.decode(tokens, skip_special_tokens=True, **apart)
        assert transcript.text == " ".join(expected.split())
        assert transcript.text
        assert transcript.avg_logprob < 0
    assert transcripts[0].text != transcripts[1].text
    assert [transcript.language for transcript in transcripts] == ["", "en", "en"]


def test_moonshine_stops_at_the_limit_of_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recogniser = asr(moonshine_folder(tmp_path))
    (whole,) = recogniser.transcribe([noise(1.0)])
    monkeypatch.setattr(_sequences, "MAX_TOKENS", 2)
    (cut,) = recogniser.transcribe([noise(1.0)])
    assert (whole.truncated, cut.truncated) == (False, True)
    assert whole.text.startswith(cut.text)


@pytest.mark.parametrize("make", [moonshine_folder, parakeet_folder])
def test_moonshine_and_parakeet_read_long_clips_in_pieces(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recogniser = asr(make(tmp_path))
    parts = [noise(1.0, seed) for seed in (1, 2)]
    whole = Speech(np.concatenate([part.samples for part in parts]), "en")
    pieces = recogniser.transcribe(parts)
    monkeypatch.setattr(_sequences, "LONGEST_S", {"moonshine": 1, "parakeet_tdt": 1})
    (transcript,) = recogniser.transcribe([whole])
    assert transcript.text == " ".join(piece.text for piece in pieces)


def test_parakeet_ctc_masks_the_last_frame(tmp_path: Path) -> None:
    import torch

    recogniser = asr(parakeet_folder(tmp_path, ctc=True))
    clip = noise(1.0)
    (transcript,) = recogniser.transcribe([clip])
    model, extractor, tokenizer = recogniser._parts
    features = extractor(clip.samples, sampling_rate=16_000, return_tensors="pt")
    assert not features["attention_mask"].all()
    with torch.inference_mode():
        tokens = model(**features).logits[0].argmax(-1)
    assert transcript.text == " ".join(tokenizer.decode(tokens.tolist()).split())


def test_a_model_without_a_recogniser_s_head_is_refused(tmp_path: Path) -> None:
    folder = ctc_folder(tmp_path, head=False)
    with pytest.raises(SettingsError, match="not a complete recogniser: its weights lack lm_head"):
        asr(folder).transcribe([noise(0.5)])


def test_a_model_has_to_be_named_and_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"option 'model'.*none comes"):
        registry().create("asr", "transformers")
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(MissingDependencyError, match="does not load"):
        asr(tmp_path).transcribe([noise(0.5)])

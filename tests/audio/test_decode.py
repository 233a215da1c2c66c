"""Every readable format gives the same sound; every unusable file gives one clear sentence."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf
import soxr

from lanser_bench.audio import decode, inspect
from lanser_bench.audio.container import BLOCK
from lanser_bench.errors import DataError

Samples = npt.NDArray[np.float32]


def tone(rate: int = 16_000, seconds: float = 1.5, hz: float = 440.0) -> Samples:
    time = np.arange(round(rate * seconds)) / rate
    return (0.5 * np.sin(2 * np.pi * hz * time)).astype(np.float32)


@pytest.mark.parametrize(
    ("name", "rate", "subtype", "noise"),
    [
        ("a.wav", 16_000, "PCM_16", 1e-4),
        ("a.wav", 48_000, "PCM_16", 1e-3),
        ("a.wav", 22_050, "PCM_24", 1e-3),
        ("a.wav", 16_000, "PCM_U8", 1e-2),
        ("a.wav", 16_000, "PCM_24", 1e-6),
        ("a.wav", 16_000, "FLOAT", 1e-7),
        ("a.flac", 44_100, "PCM_16", 1e-3),
        ("a.ogg", 16_000, "VORBIS", 5e-2),
        ("a.mp3", 16_000, "MPEG_LAYER_III", 5e-2),
    ],
)
def test_every_format_gives_the_sound_at_16_khz(
    tmp_path: Path, name: str, rate: int, subtype: str, noise: float
) -> None:
    sf.write(tmp_path / name, tone(rate), rate, subtype=subtype)
    found = decode(tmp_path / name)
    assert found.dtype == np.float32
    assert len(found) == 24_000
    inner = slice(800, -800)  # resampling rings at the edges, lossy coders smear them
    assert np.abs(found - tone())[inner].max() < noise
    facts = inspect(tmp_path / name)
    assert facts.problem is None
    assert facts.seconds == pytest.approx(1.5)
    assert (facts.sample_rate, facts.channels) == (rate, 1)


def test_channels_are_averaged(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", np.stack([tone(), np.zeros_like(tone())], 1), 16_000, "FLOAT")
    np.testing.assert_allclose(decode(tmp_path / "a.wav"), tone() / 2, atol=1e-7)
    assert inspect(tmp_path / "a.wav").channels == 2


def test_blocks_are_resampled_as_the_whole_is(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, (BLOCK + 5_000, 2)).astype(np.float32)
    sf.write(tmp_path / "a.wav", noise, 48_000, "FLOAT")
    whole = soxr.resample(noise.mean(1, dtype=np.float32), 48_000, 16_000, quality="VHQ")
    np.testing.assert_array_equal(decode(tmp_path / "a.wav"), whole)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3"])
def test_a_span_is_the_same_stretch_of_the_whole(tmp_path: Path, name: str) -> None:
    rising = (np.linspace(0, 0.9, 48_000) * tone(seconds=3.0)).astype(np.float32)
    sf.write(tmp_path / name, rising, 16_000)
    whole = decode(tmp_path / name)
    np.testing.assert_allclose(decode(tmp_path / name, 1.0, 2.5), whole[16_000:40_000], atol=1e-6)
    np.testing.assert_array_equal(decode(tmp_path / name, 0.0, 3.0), whole)
    np.testing.assert_allclose(decode(tmp_path / name, 2.75), whole[44_000:], atol=1e-6)


def test_a_span_far_into_an_mp3_is_right(tmp_path: Path) -> None:
    # Its frames borrow bits from earlier ones, and a jump loses those.
    rising = (np.linspace(0, 0.9, 160_000) * tone(seconds=10.0)).astype(np.float32)
    sf.write(tmp_path / "a.mp3", rising, 16_000)
    whole = decode(tmp_path / "a.mp3")
    np.testing.assert_allclose(
        decode(tmp_path / "a.mp3", 8.0, 9.0), whole[128_000:144_000], atol=1e-6
    )


def test_a_long_mp3_is_measured_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lanser_bench.audio.check.BLOCK", 16_000)
    rising = (np.linspace(0, 0.9, 48_000) * tone(seconds=3.0)).astype(np.float32)
    sf.write(tmp_path / "a.mp3", rising, 16_000)
    whole = decode(tmp_path / "a.mp3")
    facts = inspect(tmp_path / "a.mp3")
    assert facts.problem is None
    assert facts.rms == pytest.approx(
        np.sqrt(np.mean(np.square(whole, dtype=np.float64))), rel=1e-6
    )


def test_a_span_is_read_without_decoding_what_is_before(tmp_path: Path) -> None:
    path = tmp_path / "long.wav"
    sf.write(path, np.concatenate([np.full(16_000, np.nan), tone()]), 16_000, "FLOAT")
    assert len(decode(path, 1.0, 2.0)) == 16_000
    with pytest.raises(DataError, match="NaN"):
        decode(path)


def test_an_end_rounded_past_the_recording_is_its_end(tmp_path: Path) -> None:
    sf.write(tmp_path / "a.wav", tone(), 16_000)
    assert len(decode(tmp_path / "a.wav", 1.0, 1.51)) == 8_000


@pytest.mark.parametrize("span", [(1.0, 0.5), (0.5, 0.5), (-1.0, 1.0), (0.0, 9.0), (2.0, None)])
def test_a_span_outside_the_recording_is_refused(
    tmp_path: Path, span: tuple[float, float | None]
) -> None:
    sf.write(tmp_path / "a.wav", tone(), 16_000)
    with pytest.raises(DataError, match=r"a\.wav has no span .* the recording lasts 1\.500 s"):
        decode(tmp_path / "a.wav", *span)


def test_decoding_is_deterministic(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(0, 0.1, 48_000).astype(np.float32)
    sf.write(tmp_path / "a.flac", noise, 44_100)
    np.testing.assert_array_equal(decode(tmp_path / "a.flac"), decode(tmp_path / "a.flac"))


def cut(path: Path, share: float = 0.6) -> None:
    raw = path.read_bytes()
    path.write_bytes(raw[: int(len(raw) * share)])


def bad_file(kind: str, folder: Path) -> Path:
    """Makes one unusable file."""
    path = folder / f"bad.{kind.partition(' ')[2] or 'wav'}"
    sound = tone()
    match kind.partition(" ")[0]:
        case "cut":
            sf.write(path, sound, 16_000)
            cut(path)
        case "header":
            sf.write(path, sound, 16_000)
            path.write_bytes(path.read_bytes()[:30])
        case "nan":
            sound[7] = np.nan
            sf.write(path, sound, 16_000, "FLOAT")
        case "infinite":
            sound[7] = np.inf
            sf.write(path, sound, 16_000, "FLOAT")
        case "zero":
            sf.write(path, sound[:0], 16_000)
        case "short":
            sf.write(path, sound[:50], 2_000_000)
        case "empty":
            path.touch()
        case "text":
            path.write_text("no sound at all, just words")
        case "folder":
            path.mkdir()
    return path


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("cut wav", "is cut off"),
        ("cut flac", "damaged or cut off"),
        ("cut ogg", "is cut off"),
        ("cut mp3", "is cut off"),
        ("header", "is cut off"),
        ("nan", "NaN or infinite"),
        ("infinite", "NaN or infinite"),
        ("zero", r"contains no samples \(0 s\)"),
        ("short", "gives no sample at 16000 Hz"),
        ("empty", r"is empty \(0 bytes\)"),
        ("text", "is not audio that can be read .*ffmpeg"),
        ("folder", "cannot be read"),
        ("missing", "cannot be read"),
    ],
)
def test_an_unusable_file_gets_one_sentence(tmp_path: Path, kind: str, sentence: str) -> None:
    path = bad_file(kind, tmp_path)
    with pytest.raises(DataError, match=sentence) as caught:
        decode(path)
    text = str(caught.value)
    assert text.startswith(str(path))
    assert text.endswith(".")
    assert "\n" not in text
    problem = inspect(path).problem
    assert problem is not None
    # Both name the same fault; counts of frames differ where a span was asked for.
    assert problem.split(":")[0] in text


def test_a_streamed_wav_promises_no_length(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    sf.write(path, tone(), 16_000)
    raw = bytearray(path.read_bytes())
    place = raw.find(b"data") + 4
    raw[place : place + 4] = struct.pack("<I", 0xFFFFFFFF)
    raw[4:8] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(raw)
    assert len(decode(path)) == 24_000
    assert inspect(path).problem is None


def test_facts_measure_the_sound(tmp_path: Path) -> None:
    square = np.tile(np.repeat([1.0, -1.0], 50), 160)
    sf.write(tmp_path / "a.wav", np.concatenate([square, np.zeros(16_000)]), 16_000)
    facts = inspect(tmp_path / "a.wav")
    assert facts.seconds == 2.0
    assert facts.peak == pytest.approx(1.0, abs=1e-4)
    assert facts.rms == pytest.approx(np.sqrt(0.5), abs=1e-4)
    assert facts.clipped == pytest.approx(0.5)


@pytest.mark.data
def test_real_recordings_decode_whole(data_root: Path) -> None:
    paths = sorted((data_root / "librispeech_261spk").rglob("*.flac"))[:5]
    assert paths
    for path in paths:
        facts = inspect(path)
        assert facts.problem is None
        assert len(decode(path)) == round(facts.seconds * 16_000)

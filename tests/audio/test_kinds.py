"""One table of kinds of files, three readers: all find the same sound, or the same fault."""

from __future__ import annotations

import os
import struct
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile as sf

from lanser_bench.audio import decode, inspect
from lanser_bench.errors import DataError
from lanser_bench.model.predict import readable_facts

RATE = 16_000
ID3 = b"ID3\3\0\0\0\0\1\0TIT2" + bytes(124)
INFO = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf59.27.100\0"

Floats = npt.NDArray[np.float64]


def sound(seconds: float = 1.0) -> Floats:
    time = np.arange(round(seconds * RATE)) / RATE
    return np.asarray(0.4 * np.sin(2 * np.pi * (300 + 200 * time) * time))


def written(folder: Path, form: str, subtype: str, samples: Floats | None = None) -> bytes:
    path = folder / "made"
    sf.write(path, sound() if samples is None else samples, RATE, format=form, subtype=subtype)
    return path.read_bytes()


def wav(size: int, *, data: bytes | None = None, behind: bytes = b"") -> bytes:
    data = (sound() * 32767).astype("<i2").tobytes() if data is None else data
    form = struct.pack("<HHIIHH", 1, 1, RATE, 2 * RATE, 2, 16)
    head = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", size)
    return b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + head + data + behind


def patched(raw: bytes, at: int, value: bytes) -> bytes:
    return raw[:at] + value + raw[at + len(value) :]


def streamed_rf64(folder: Path, size: int = 0, name: bytes = b"RF64") -> bytes:
    raw = written(folder, "RF64", "PCM_16")
    return name + patched(raw, raw.find(b"ds64") + 16, struct.pack("<Q", size))[4:]


def streamed_flac(folder: Path) -> bytes:
    raw = written(folder, "FLAC", "PCM_16")
    return patched(raw, 21, bytes([raw[21] & 0xF0]) + bytes(4))


def ogg_pages(raw: bytes) -> list[bytes]:
    pages, at = [], 0
    while at < len(raw):
        head = 27 + raw[at + 26]
        length = head + sum(raw[at + 27 : at + head])
        pages.append(raw[at : at + length])
        at += length
    return pages


def without_end_mark(raw: bytes) -> bytes:
    *pages, last = ogg_pages(raw)
    page = bytearray(last)
    page[5] &= ~4
    page[22:26] = bytes(4)
    checksum = 0
    for byte in page:
        checksum ^= byte << 24
        for _ in range(8):
            checksum = checksum << 1 ^ (0x104C11DB7 if checksum >> 31 else 0)
    page[22:26] = checksum.to_bytes(4, "little")
    return b"".join([*pages, page])


def mp3(folder: Path, samples: Floats | None = None, *, tagged: bool = True) -> bytes:
    path = folder / "made.mp3"
    sf.write(
        path,
        sound() if samples is None else samples,
        RATE,
        bitrate_mode="VARIABLE",
        compression_level=0.5,
    )
    raw = path.read_bytes()
    # The first frame only counts the others; without it a decoder must guess.
    return raw if tagged else raw[raw.index(raw[:2], 2) :]


def loud_then_silent() -> Floats:
    noise = np.random.default_rng(0).normal(0, 0.2, 2 * RATE).clip(-1, 1)
    return np.concatenate([noise, np.zeros(4 * RATE)])


def frames_counted(folder: Path, count: int) -> bytes:
    raw = mp3(folder)
    tag = max(raw.find(b"Xing"), raw.find(b"Info"))
    return patched(raw, tag + 8, struct.pack(">I", count))


def mp3_in_wav(folder: Path) -> bytes:
    data = mp3(folder, tagged=False)
    extra = struct.pack("<HIHHH", 1, 0, 1152, 1, 0)
    form = struct.pack("<HHIIHHH", 0x55, 1, RATE, 4000, 1, 0, len(extra)) + extra
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data"
    body += struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


WHOLE: dict[str, tuple[Callable[[Path], bytes], float]] = {
    "WAV streamed by ffmpeg": (lambda _: wav(0xFFFFFFFF), 1),
    "WAV streamed by sox": (lambda _: wav(0x7FFFF000), 1),
    "WAV streamed by arecord": (lambda _: wav(0x80000000), 1),
    "WAV of 2 GiB less 1": (lambda _: wav(0x7FFFFFFF), 1),
    "WAV of 4 GiB less its header": (lambda _: wav(0xFFFFFFFF - 44), 1),
    "WAV of size 0": (lambda _: wav(0), 1),
    "WAV of an odd size": (lambda _: wav(32_001), 1),
    "WAV with chunks and junk behind": (lambda _: wav(32_000, behind=INFO + b"junk" * 9), 1),
    "WAV behind an ID3 tag": (lambda _: ID3 + wav(32_000), 1),
    "WAV in A-law": (lambda f: written(f, "WAV", "ALAW"), 1),
    "WAV in mu-law": (lambda f: written(f, "WAV", "ULAW"), 1),
    "WAV in 32 bits": (lambda f: written(f, "WAV", "PCM_32"), 1),
    "WAV in doubles": (lambda f: written(f, "WAVEX", "DOUBLE"), 1),
    "WAV in GSM": (lambda f: written(f, "WAV", "GSM610"), 1.0),
    "WAV in ADPCM": (lambda f: written(f, "WAV", "IMA_ADPCM"), 1.016),
    "RF64": (lambda f: written(f, "RF64", "PCM_16"), 1),
    "RF64 streamed": (streamed_rf64, 1),
    "BW64": (lambda f: streamed_rf64(f, 32_000, b"BW64"), 1),
    "FLAC streamed": (streamed_flac, 1),
    "FLAC before an ID3v1 tag": (lambda f: written(f, "FLAC", "PCM_16") + b"TAG" + bytes(125), 1),
    "Vorbis without end mark": (lambda f: without_end_mark(written(f, "OGG", "VORBIS")), 1),
    "Opus without end mark": (lambda f: without_end_mark(written(f, "OGG", "OPUS")), 1),
    "Vorbis twice": (lambda f: 2 * written(f, "OGG", "VORBIS"), 2),
    "Opus twice": (lambda f: 2 * written(f, "OGG", "OPUS"), 2),
    "AIFF": (lambda f: written(f, "AIFF", "PCM_16"), 1),
    "AU": (lambda f: written(f, "AU", "PCM_16"), 1),
    "AU streamed": (lambda f: patched(written(f, "AU", "PCM_16"), 8, b"\xff" * 4), 1),
    "CAF": (lambda f: written(f, "CAF", "PCM_16"), 1),
    "W64": (lambda f: written(f, "W64", "PCM_16"), 1),
    "SPHERE": (lambda f: written(f, "NIST", "PCM_16"), 1),
    "MP3": (mp3, 1),
    "MP3 of variable rate, loud first": (lambda f: mp3(f, loud_then_silent(), tagged=False), 6),
    "MP3 of variable rate, silent first": (
        lambda f: mp3(f, loud_then_silent()[::-1], tagged=False),
        6,
    ),
    "MP3 that counts half its frames": (lambda f: frames_counted(f, 14), 1),
    "MP3 that counts too many frames": (lambda f: frames_counted(f, 1000), 1),
    "MP3 twice": (lambda f: 2 * mp3(f), 2),
    "MP3 behind a long ID3 tag": (
        lambda f: b"ID3\3\0\0\0\4\0\0" + bytes(65_536) + mp3(f, tagged=False),
        1,
    ),
    "MP3 before an ID3v1 tag": (lambda f: mp3(f) + b"TAG" + bytes(125), 1),
    "MP3 before an APE tag": (lambda f: mp3(f) + b"APETAGEX" + bytes(range(256)) * 40, 1),
    "MP3 in WAV": (mp3_in_wav, 1),
}
CODED = 0.15
"""Seconds that coders add for delay and whole frames where no header says how many."""


@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_file_is_read_whole(tmp_path: Path, kind: str) -> None:
    make, seconds = WHOLE[kind]
    path = tmp_path / "a.wav"
    path.write_bytes(make(tmp_path))
    facts = inspect(path)
    assert facts.problem is None
    assert facts.seconds == pytest.approx(seconds, abs=CODED if "MP3" in kind else 0.045)
    assert facts.seconds >= seconds - 1e-3
    assert readable_facts(path).seconds == facts.seconds
    whole = decode(path)
    assert len(whole) == pytest.approx(facts.seconds * RATE, abs=1)
    np.testing.assert_array_equal(decode(path, 0.0, facts.seconds), whole)
    # A span at the end of the file; Opus begins anew 80 ms before it.
    last = decode(path, facts.seconds - 0.3, facts.seconds)
    assert len(last) == pytest.approx(0.3 * RATE, abs=1)
    begin = round((facts.seconds - 0.3) * facts.sample_rate) * RATE // facts.sample_rate
    np.testing.assert_allclose(last, whole[begin : begin + len(last)], atol=0.02)
    with pytest.raises(DataError, match=f"the recording lasts {facts.seconds:.3f} s"):
        decode(path, 0.0, facts.seconds + 0.2)
    with pytest.raises(DataError, match=f"the recording lasts {facts.seconds:.3f} s"):
        decode(path, 40.0, 41.0)


def test_loud_speech_is_where_it_was_in_an_mp3_of_unknown_length(tmp_path: Path) -> None:
    path = tmp_path / "a.mp3"
    path.write_bytes(mp3(tmp_path, loud_then_silent()[::-1], tagged=False))
    samples = decode(path)
    assert np.abs(samples[: round(3.9 * RATE)]).max() < 0.01
    assert np.sqrt(np.mean(samples[round(4.3 * RATE) : 6 * RATE] ** 2)) == pytest.approx(
        0.2, abs=0.03
    )


def cut(make: Callable[[Path], bytes], share: float = 0.6) -> Callable[[Path], bytes]:
    def made(folder: Path) -> bytes:
        raw = make(folder)
        return raw[: int(len(raw) * share)]

    return made


REFUSED: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "cut WAV": (cut(lambda _: wav(32_000)), "is cut off: its header promises 32000 bytes"),
    "cut RF64": (cut(lambda f: written(f, "RF64", "PCM_16")), "is cut off"),
    "cut BW64": (cut(lambda f: streamed_rf64(f, 32_000, b"BW64")), "is cut off"),
    "cut AIFF": (cut(lambda f: written(f, "AIFF", "PCM_16")), "is cut off"),
    "cut AU": (cut(lambda f: written(f, "AU", "PCM_16")), "is cut off"),
    "cut CAF": (cut(lambda f: written(f, "CAF", "PCM_16")), "is cut off"),
    "cut W64": (cut(lambda f: written(f, "W64", "PCM_16")), "is cut off"),
    "cut SPHERE": (cut(lambda f: written(f, "NIST", "PCM_16")), "is cut off"),
    "cut Vorbis": (cut(lambda f: written(f, "OGG", "VORBIS"), 0.95), "is cut off"),
    "cut Opus": (cut(lambda f: written(f, "OGG", "OPUS")), "is cut off"),
    "cut MP3": (cut(mp3), "is cut off"),
    "cut streamed FLAC": (cut(streamed_flac), "damaged or cut off"),
    "WAV without sound, with chunks": (
        lambda _: wav(0, data=b"", behind=INFO),
        "contains no samples",
    ),
    "two WAVs": (lambda _: 2 * wav(32_000), "is several files one after another"),
    "two FLACs": (lambda f: 2 * written(f, "FLAC", "PCM_16"), "is several files one after another"),
    "web page": (lambda _: b"\n<!DOCTYPE html><p>Please sign in</p>", r"web page .*Download the"),
    "Latin-1 page": (lambda _: b"<html><p>caf\xe9</p>", "web page"),
    "XML": (lambda _: b'<?xml version="1.0"?><Error>AccessDenied</Error>', "is XML"),
    "JSON": (lambda _: b'{"error": "not found"}', "it is JSON and begins"),
    "UTF-16": (lambda _: "only words, no sound at all".encode("utf-16"), "it is text and begins"),
    "Git LFS": (lambda _: b"version https://git-lfs.github.com/spec/v1\noid", "`git lfs pull`"),
    "git-annex": (lambda _: b"/annex/objects/SHA256E-s1--ab.wav", "`git annex get"),
    "git-annex's link": (lambda _: b"../../.git/annex/objects/x/a.wav", "`git annex get"),
    "page without html": (lambda _: b"<head><title>403</title>", "web page"),
    "zip": (lambda _: b"PK\3\4" + bytes(99), "zip archive. Unpack"),
    "gzip": (lambda _: b"\x1f\x8b" + bytes(99), "gzip archive. Unpack"),
    "tar": (lambda _: b"a.wav".ljust(257, b"\0") + b"ustar" + bytes(99), "tar archive. Unpack"),
    "PDF": (lambda _: b"%PDF-1.7 " + bytes(99), "PDF document"),
    "zeros": (lambda _: bytes(5000), "zero bytes: its copy or download failed"),
    "M4A": (lambda _: b"\0\0\0\x1cftypM4A " + bytes(99), "MPEG-4 .*`ffmpeg -i IN OUT.flac`"),
    "WebM": (lambda _: b"\x1a\x45\xdf\xa3" + bytes(99), "WebM.*ffmpeg"),
    "WMA": (lambda _: b"\x30\x26\xb2\x75" + bytes(99), "WMA.*ffmpeg"),
    "AMR": (lambda _: b"#!AMR\n" + bytes(99), "AMR.*ffmpeg"),
    "AAC": (lambda _: b"\xff\xf1\x60\x40" + bytes(99), "AAC.*ffmpeg"),
    "WAV with a strange codec": (
        lambda _: patched(wav(32_000), 20, struct.pack("<H", 0x45)),
        "format tag 0x0045.*ffmpeg",
    ),
    "SPHERE with Shorten": (
        lambda f: written(f, "NIST", "PCM_16").replace(b"s3 pcm", b"s26 pcm,embedded-shorten-v2"),
        "sph2pipe",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_cannot_be_read_is_named_alike(tmp_path: Path, kind: str) -> None:
    make, sentence = REFUSED[kind]
    path = tmp_path / "a.wav"
    path.write_bytes(make(tmp_path))
    problem = inspect(path).problem
    assert problem is not None
    for read in (decode, readable_facts):
        with pytest.raises(DataError, match=sentence) as raised:
            read(path)
        assert str(raised.value) == f"{path} {problem}."


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
@pytest.mark.parametrize("form", ["WAV", "MP3"])
def test_a_name_may_be_no_text(tmp_path: Path, form: str) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    sf.write(tmp_path / "a", sound(), RATE, format=form)
    (tmp_path / "a").rename(path)
    assert inspect(path).seconds == readable_facts(path).seconds == 1.0


def test_a_name_that_no_file_can_have_gets_a_sentence() -> None:
    with pytest.raises(DataError, match="no file can have this name"):
        decode(Path("a\0.wav"))


@pytest.mark.parametrize(
    ("make", "rate", "words"),
    [
        (lambda: np.zeros(RATE), RATE, "is silent"),
        (lambda: np.full(RATE, 0.2), RATE, "all its samples have the same value, 0.2"),
        (lambda: np.full(44_100, 0.9), 44_100, "all its samples have the same value"),
        (lambda: np.full(8_000, 0.9), 8_000, "all its samples have the same value"),
        (lambda: np.stack([sound(), -sound()], 1), RATE, "silent as mono: its channels cancel"),
        (lambda: 0.5 * np.sin(np.arange(48_000) * 1.6), 48_000, "is silent below 8 kHz"),
    ],
)
def test_silence_is_what_a_model_gets(
    tmp_path: Path, make: Callable[[], Floats], rate: int, words: str
) -> None:
    sf.write(tmp_path / "a.wav", make(), rate)
    facts = inspect(tmp_path / "a.wav")
    assert words in facts.silent
    assert facts.silent_in(0.2, 0.4)


@pytest.mark.parametrize(
    ("gains", "words"),
    [
        ([1, 0], "no sound in channel 2 of 2"),
        ([0, 1, 0, 0, 0, 0], "no sound in channel 1, 3, 4, 5, 6 of 6"),
        ([1, -0.98], "as mono: its channels cancel each other"),
        ([1, 1], ""),
        ([1, -0.5], ""),
    ],
)
def test_odd_channels_are_named(tmp_path: Path, gains: list[float], words: str) -> None:
    sf.write(tmp_path / "a.wav", sound()[:, None] * gains, RATE)
    facts = inspect(tmp_path / "a.wav")
    assert words in facts.odd_channels
    assert bool(words) == bool(facts.odd_channels)
    assert not facts.silent


def test_stretches_of_silence_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lanser_bench.audio.check.BLOCK", 1_000)
    sf.write(tmp_path / "a.wav", np.r_[sound(), np.zeros(RATE), sound()], RATE)
    facts = inspect(tmp_path / "a.wav")
    assert facts.silent == ""
    assert facts.silent_in(1.0, 2.0)
    assert not facts.silent_in(0.8, 2.0)

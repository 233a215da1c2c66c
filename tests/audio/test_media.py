"""Sound in formats that libsndfile does not know, which PyAV converts."""

from __future__ import annotations

import sys
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from lanser_bench.audio import decode
from lanser_bench.audio.media import readable
from lanser_bench.errors import DataError

RATE = 48_000
TONE = 0.4 * np.sin(np.arange(2 * RATE) * 2 * np.pi * 440 / RATE).astype(np.float32)


def write_media(path: Path, codec: str = "aac") -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray(TONE[None], format="fltp", layout="mono")
        frame.sample_rate, frame.pts = RATE, 0
        for part in (frame, None):  # None ends the stream
            container.mux(stream.encode(part))
    return path


@pytest.mark.parametrize(("name", "codec"), [("a.m4a", "aac"), ("a.webm", "libopus")])
def test_the_sound_stays_where_it_was(tmp_path: Path, name: str, codec: str) -> None:
    with readable(write_media(tmp_path / name, codec)) as sound:
        assert soundfile.info(sound).samplerate == RATE
        heard, part = decode(sound), decode(sound, 0.5, 1.0)
    assert len(heard) / 16_000 == pytest.approx(2.0, abs=0.05)
    soundfile.write(tmp_path / "a.wav", TONE, RATE, subtype="FLOAT")
    np.testing.assert_allclose(part, decode(tmp_path / "a.wav", 0.5, 1.0), atol=0.03)


def test_a_file_that_ends_early_or_has_no_sound_is_refused(tmp_path: Path) -> None:
    raw = write_media(tmp_path / "a.webm", "libopus").read_bytes()
    (tmp_path / "a.webm").write_bytes(raw[: len(raw) // 2])
    with pytest.raises(DataError, match=r"a\.webm is cut off: its header promises 2.0 s"):
        readable(tmp_path / "a.webm").__enter__()
    (tmp_path / "b.m4a").write_bytes(b"\0\0\0\x1cftypM4A " + bytes(99))
    with pytest.raises(DataError, match=r"b\.m4a is in MPEG-4 .* but cannot be decoded"):
        readable(tmp_path / "b.m4a").__enter__()


def test_without_pyav_the_sentence_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_media(tmp_path / "a.m4a")
    monkeypatch.setitem(sys.modules, "av", None)
    with readable(path) as same, pytest.raises(DataError, match=r"pip install .*\[media\]"):
        decode(same)

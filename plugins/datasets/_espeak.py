"""Speaks texts with eSpeak NG through ctypes, in a separate process.

The library has global state, carries some of it from clip to clip, and seeds its breath noise by
the clock. So one fresh process speaks a whole list of clips in a fixed order and seeds the
generator before each: equal lists give equal bytes.

Run as ``python -m …_espeak JOBS.json`` with the content ``{"folder": …, "clips": [Clip, …]}``.
"""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lanser_bench import DataError

from .._optional import require

_RETRIEVAL = 2
"""AUDIO_OUTPUT_SYNCHRONOUS: samples go to the callback before `espeak_Synth` returns."""
_UTF8 = 1
_PARAMETERS = ("rate", "volume", "pitch", "range")
"""Fields of `Clip` in the order of espeak_PARAMETER, from 1."""
_SILENCE_S = 0.25
"""Before and after the speech: recognisers mishear words that begin with the first sample."""
_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)


@dataclass(frozen=True, slots=True)
class Clip:
    """One text with the engine's settings."""

    file: str
    """Relative to the folder; written as FLAC, 16 bit, at the engine's 22,050 Hz."""
    text: str
    voice: str
    """Such as ``en-us+m3``."""
    rate: int
    """Words per minute."""
    volume: int
    """100 is the engine's usual loudness; amplitude is proportional to it."""
    pitch: int
    """0 to 100; 50 is the voice's usual pitch."""
    range: int
    """0 is monotonous, 50 usual, 100 wide."""
    seed: int = 0
    """For the engine's own random numbers and the added noise."""
    noise_db: float | None = None
    """Level of white noise mixed in, in dB relative to full scale."""


def require_engine() -> None:
    """Raises `MissingDependencyError` unless the engine is installed; loads nothing."""
    need = "The synthetic corpus is spoken by eSpeak NG, which is not installed"
    require("espeakng_loader", need, "pip install 'lanser-bench[synth]'.")


def speak(clips: Sequence[Clip], folder: Path) -> None:
    """Writes every clip into `folder`, in a fresh process; raises `DataError` if that fails."""
    require_engine()
    for parent in {(folder / clip.file).parent for clip in clips}:
        parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        jobs = Path(scratch) / "jobs.json"
        content = {"folder": str(folder.absolute()), "clips": [asdict(clip) for clip in clips]}
        jobs.write_text(json.dumps(content), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-m", __name__, str(jobs)], capture_output=True, text=True, check=False
        )
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise DataError(f"eSpeak NG failed to speak the synthetic corpus: {last}")


class _Engine:
    def __init__(self) -> None:
        import espeakng_loader

        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        self._chunks: list[bytes] = []
        self._callback = _CALLBACK(self._keep)
        data = espeakng_loader.get_data_path().encode()
        self.sample_rate: int = self._lib.espeak_Initialize(_RETRIEVAL, 0, data, 0)
        if self.sample_rate <= 0:
            raise SystemExit(f"espeak_Initialize failed with {self.sample_rate} for {data!r}")
        self._lib.espeak_SetSynthCallback(self._callback)

    def _keep(self, samples: Any, count: int, _events: Any) -> int:
        if samples and count > 0:
            self._chunks.append(ctypes.string_at(samples, 2 * count))
        return 0

    def speak(self, clip: Clip) -> bytes:
        """Returns 16-bit samples."""
        self._chunks.clear()
        if self._lib.espeak_SetVoiceByName(clip.voice.encode()) != 0:
            raise SystemExit(f"the voice {clip.voice} is missing")
        for parameter, name in enumerate(_PARAMETERS, start=1):
            self._lib.espeak_SetParameter(parameter, getattr(clip, name), 0)
        self._lib.espeak_ng_SetRandSeed(ctypes.c_long(clip.seed))
        text = clip.text.encode()
        status = self._lib.espeak_Synth(text, len(text) + 1, 0, 0, 0, _UTF8, None, None)
        self._lib.espeak_Synchronize()
        if status != 0 or not self._chunks:
            raise SystemExit(f"espeak_Synth failed with {status} for {clip.file}")
        return b"".join(self._chunks)


def _main(path: str) -> None:
    import soundfile

    jobs = json.loads(Path(path).read_text(encoding="utf-8"))
    folder = Path(jobs["folder"])
    engine = _Engine()
    for values in jobs["clips"]:
        clip = Clip(**values)
        samples = _samples(clip, engine.speak(clip), engine.sample_rate)
        soundfile.write(folder / clip.file, samples, engine.sample_rate, "PCM_16", format="FLAC")


def _samples(clip: Clip, spoken: bytes, sample_rate: int) -> Any:
    import numpy as np

    silence = np.zeros(round(_SILENCE_S * sample_rate), dtype=np.int16)
    samples = np.concatenate([silence, np.frombuffer(spoken, dtype="<i2"), silence])
    if clip.noise_db is None:
        return samples
    # NumPy never changes PCG64's raw bits, unlike its streams of floats.
    bits = np.random.PCG64(clip.seed).random_raw(len(samples))
    uniform = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
    scale = 32768 * 10 ** (clip.noise_db / 20) * 12**0.5
    noisy = samples + np.rint((uniform - 0.5) * scale)
    return np.clip(noisy, -32768, 32767).astype(np.int16)


if __name__ == "__main__":
    _main(sys.argv[1])

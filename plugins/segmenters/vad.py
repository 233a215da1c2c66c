"""Utterances between pauses, by silero-vad's network (MIT) on ONNX Runtime.

Only the network comes from the package. Its code is not imported, because it would load torch and
limit the whole process to one thread. Speech begins where its probability reaches a threshold and
ends where it has stayed below a lower threshold for some time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from lanser_bench import (
    SAMPLE_RATE,
    MissingDependencyError,
    PluginOptions,
    Segmenter,
    Span,
    Speech,
    Waveform,
)

from .._file_hashes import file_sha256
from .._optional import import_optional, package_folder

NETWORK = "silero_vad_16k_sequence.onnx"
SHA256 = "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"
INSTALL = "pip install 'lanser-bench[vad]' (or silero-vad==6.2.3 and onnxruntime)"
FRAME, CONTEXT, STATE = 512, 64, 128
"""Samples per frame of the network, preceding samples that it also reads, and the width of its
state."""
FRAME_S = FRAME / SAMPLE_RATE
BLOCK = 512
"""Frames of one call, about 16 s. The state is passed from block to block."""


class Options(PluginOptions):
    """Options of `vad`."""

    threshold: float = Field(default=0.5, gt=0, lt=1)
    """Speech begins where its probability reaches this."""
    release: float = Field(default=0.35, gt=0, lt=1)
    """Speech continues while its probability is not below this."""
    min_pause_s: float = Field(default=0.5, ge=0)
    """A pause shorter than this does not end an utterance."""
    min_speech_s: float = Field(default=0.25, ge=0)
    """An utterance with less speech than this is dropped."""
    max_length_s: float = Field(default=30.0, gt=1)
    """Longer speech is cut where it is least likely to be speech. Padding is added to it."""
    pad_s: float = Field(default=0.1, ge=0)
    """Audio kept before and after an utterance; at most half of the pause to the next one."""

    @model_validator(mode="after")
    def _hysteresis(self) -> Options:
        if self.release > self.threshold:
            raise ValueError("release must not be above threshold")
        return self


class VAD(Segmenter[Options]):
    """Cuts a recording at its pauses; a recording without speech has no utterances."""

    Options = Options
    version = "1"
    libraries = ("onnxruntime",)
    licence = "MIT"

    def fingerprint(self) -> str:
        """SHA-256 of the network."""
        self._path()
        return f"sha256:{SHA256}"

    def segment(self, recording: Speech) -> list[Span]:
        """Returns the utterances in order."""
        return spans(self.probabilities(recording.samples), recording.seconds, self.options)

    def probabilities(self, samples: Waveform) -> npt.NDArray[np.float32]:
        """Probability of speech in each frame of 32 ms, shape (frames,)."""
        if not len(samples):
            return np.zeros(0, dtype=np.float32)
        memory = {name: np.zeros((1, 1, STATE), dtype=np.float32) for name in ("h", "c")}
        probabilities = []
        for start in range(0, len(samples), BLOCK * FRAME):
            # Cut block by block, because hours of speech must not be copied as a whole.
            piece = samples[max(0, start - CONTEXT) : start + BLOCK * FRAME]
            padded = np.pad(piece, (0 if start else CONTEXT, -len(samples[start:]) % FRAME))
            windows = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + FRAME)[::FRAME]
            block = np.ascontiguousarray(windows[:BLOCK])
            speech, memory["h"], memory["c"] = self._session.run(
                ["speech_probs", "hn", "cn"], {"input": block, **memory}
            )
            probabilities.append(np.asarray(speech, dtype=np.float32).reshape(-1))
        return np.concatenate(probabilities)

    @cached_property
    def _session(self) -> Any:
        need = "The segmenter 'vad' needs ONNX Runtime"
        onnxruntime = import_optional("onnxruntime", need, f"{INSTALL}.")
        settings = onnxruntime.SessionOptions()
        # A frame is too small for several threads, and one thread gives the same floats everywhere.
        settings.inter_op_num_threads = settings.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(
            str(self._path()), sess_options=settings, providers=["CPUExecutionProvider"]
        )

    def _path(self) -> Path:
        folder = package_folder("silero_vad")
        path = folder / "data" / NETWORK if folder else None
        if path is None or not path.is_file():
            raise MissingDependencyError(
                f"The segmenter 'vad' needs the network {NETWORK} of silero-vad 6.2.3: {INSTALL}."
            )
        if (actual := file_sha256(path)) != SHA256:
            raise MissingDependencyError(
                f"{path} is not the file of silero-vad 6.2.3: its SHA-256 starts with "
                f"{actual[:12]}, not {SHA256[:12]}. Install that version: {INSTALL}."
            )
        return path


def spans(probabilities: Sequence[float] | Any, seconds: float, options: Options) -> list[Span]:
    """Cuts a recording by the probability of speech in its frames of 32 ms."""
    most = max(1, round(options.max_length_s / FRAME_S))
    least = round(options.min_speech_s / FRAME_S)
    runs = [
        (first, last)
        for run in _runs(probabilities, options)
        for first, last in _cut(probabilities, *run, most)
        if last - first >= least
    ]
    padded: list[Span] = []
    for number, (first, last) in enumerate(runs):
        before = runs[number - 1][1] if number else 0
        after = runs[number + 1][0] * FRAME_S if number + 1 < len(runs) else seconds
        # Two utterances share the pause between them; the ends belong to one utterance.
        room = (first - before) * FRAME_S / (2 if number else 1)
        start = first * FRAME_S - min(options.pad_s, room)
        rest = (after - last * FRAME_S) / (2 if number + 1 < len(runs) else 1)
        end = last * FRAME_S + min(options.pad_s, max(0.0, rest))
        padded.append(Span(max(0.0, start), min(seconds, end)))
    return padded


def _runs(probabilities: Sequence[float], options: Options) -> Iterator[tuple[int, int]]:
    """Yields (first frame, frame after the last) of speech, short pauses included."""
    pause = options.min_pause_s / FRAME_S
    first: int | None = None
    last = 0
    for frame, probability in enumerate(probabilities):
        if probability >= options.threshold and first is None:
            first = frame
        if first is None:
            continue
        if probability >= options.release:
            last = frame + 1
        elif frame + 1 - last >= pause:
            yield first, last
            first = None
    if first is not None:
        yield first, last


def _cut(
    probabilities: Sequence[float], first: int, last: int, most: int
) -> Iterator[tuple[int, int]]:
    """Yields pieces of at most `most` frames; long ones are cut in the second half of that."""
    while last - first > most:
        half = first + most // 2
        place = half + int(np.argmin(probabilities[half : first + most])) + 1
        yield first, place
        first = place
    yield first, last

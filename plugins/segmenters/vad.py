"""Utterances between pauses, by silero-vad's network (MIT) on ONNX Runtime.

Only the network comes from the package; its code is not imported, because that would load torch and
set the threads of the whole process to one. Cutting is done here: speech begins where its
probability reaches a threshold and ends where it has stayed below a lower one for a while.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from functools import cached_property
from importlib import import_module
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

NETWORK = "silero_vad_16k_sequence.onnx"
SHA256 = "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"
INSTALL = "pip install 'lanser-bench[vad]' (or silero-vad==6.2.3 and onnxruntime)"
FRAME, CONTEXT, STATE = 512, 64, 128
"""Samples that the network judges at a time, samples before them that it also hears, and the width
of what it remembers."""
FRAME_S = FRAME / SAMPLE_RATE
BLOCK = 512
"""Frames of one call: about 16 s. What is remembered goes on from block to block."""


class Options(PluginOptions):
    """Options of `vad`."""

    threshold: float = Field(default=0.5, gt=0, lt=1)
    """Speech begins where its probability reaches this."""
    release: float = Field(default=0.35, gt=0, lt=1)
    """Speech goes on while its probability is not below this."""
    min_pause_s: float = Field(default=0.5, ge=0)
    """A pause shorter than this does not end an utterance."""
    min_speech_s: float = Field(default=0.25, ge=0)
    """An utterance with less speech than this is dropped."""
    max_length_s: float = Field(default=30.0, gt=1)
    """Longer speech is cut where it is least likely to be speech. Padding comes on top."""
    pad_s: float = Field(default=0.1, ge=0)
    """Sound kept before and after an utterance; at most half of the pause to the next one."""

    @model_validator(mode="after")
    def _hysteresis(self) -> Options:
        if self.release > self.threshold:
            raise ValueError("release must not be above threshold")
        return self


class VAD(Segmenter[Options]):
    """Cuts a recording at its pauses; a recording without speech has no utterance."""

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
        count = -(-len(samples) // FRAME)
        padded = np.zeros(CONTEXT + count * FRAME, dtype=np.float32)
        padded[CONTEXT : CONTEXT + len(samples)] = samples
        windows = np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + FRAME)[::FRAME]
        memory = {name: np.zeros((1, 1, STATE), dtype=np.float32) for name in ("h", "c")}
        found = []
        for start in range(0, count, BLOCK):
            block = np.ascontiguousarray(windows[start : start + BLOCK])
            said, memory["h"], memory["c"] = self._session.run(
                ["speech_probs", "hn", "cn"], {"input": block, **memory}
            )
            found.append(np.asarray(said, dtype=np.float32).reshape(-1))
        return np.concatenate(found)

    @cached_property
    def _session(self) -> Any:
        try:
            onnxruntime: Any = import_module("onnxruntime")
        except ImportError as error:
            raise MissingDependencyError(
                f"The segmenter 'vad' needs ONNX Runtime ({error}): {INSTALL}."
            ) from None
        settings = onnxruntime.SessionOptions()
        # A frame is too small to share, and one thread keeps the floats the same everywhere.
        settings.inter_op_num_threads = settings.intra_op_num_threads = 1
        return onnxruntime.InferenceSession(
            str(self._path()), sess_options=settings, providers=["CPUExecutionProvider"]
        )

    def _path(self) -> Path:
        spec = importlib.util.find_spec("silero_vad")
        folders = list(spec.submodule_search_locations or ()) if spec else []
        path = Path(folders[0]) / "data" / NETWORK if folders else None
        if path is None or not path.is_file():
            raise MissingDependencyError(
                f"The segmenter 'vad' needs the network {NETWORK} of silero-vad 6.2.3: {INSTALL}."
            )
        if (found := file_sha256(path)) != SHA256:
            raise MissingDependencyError(
                f"{path} is not the file of silero-vad 6.2.3: its SHA-256 begins with "
                f"{found[:12]}, not {SHA256[:12]}. Get that version: {INSTALL}."
            )
        return path


def spans(probabilities: Sequence[float] | Any, seconds: float, options: Options) -> list[Span]:
    """Cuts a recording by the probability of speech in its frames.

    Args:
        probabilities: one per frame of 32 ms.
        seconds: length of the recording.
        options: thresholds and lengths.
    """
    most = max(1, round(options.max_length_s / FRAME_S))
    least = round(options.min_speech_s / FRAME_S)
    runs = [
        (first, last)
        for run in _runs(probabilities, options)
        for first, last in _cut(probabilities, *run, most)
        if last - first >= least
    ]
    found: list[Span] = []
    for number, (first, last) in enumerate(runs):
        before = runs[number - 1][1] if number else 0
        after = runs[number + 1][0] * FRAME_S if number + 1 < len(runs) else seconds
        # Half of a pause between two utterances belongs to each; the ends belong to one alone.
        room = (first - before) * FRAME_S / (2 if number else 1)
        start = first * FRAME_S - min(options.pad_s, room)
        rest = (after - last * FRAME_S) / (2 if number + 1 < len(runs) else 1)
        end = last * FRAME_S + min(options.pad_s, max(0.0, rest))
        found.append(Span(max(0.0, start), min(seconds, end)))
    return found


def _runs(probabilities: Sequence[float], options: Options) -> Iterator[tuple[int, int]]:
    """Yields (first frame, frame after the last) of speech with its short pauses."""
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
    """Yields pieces of at most `most` frames, cut in the second half of what is too long."""
    while last - first > most:
        half = first + most // 2
        place = half + int(np.argmin(probabilities[half : first + most])) + 1
        yield first, place
        first = place
    yield first, last

"""Features: the front end's output for every utterance, computed once, in memory-mapped files.

Training reads the same frames every epoch; decoding and log-mel would take several times as long
as the training itself. Log-mel and samples are float32: half precision would halve the files at an
error of up to 0.008 natural-log units (0.03 dB), but every reader would have to convert. Layers of
a frozen encoder are float16: they are several times larger, and their readers cast anyway.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ..audio.flatten import LIBRARY, WAYS, Cue
from ..counting import tally
from ..data.utterances import read_utterances
from ..errors import DataError
from ..kinds.encoder import Frontend
from ..plugins.identity import library_versions
from ..store import Draft, PluginIdentity, Spec, Store
from .base import StageContext, limited_threads
from .frontends import Frames, outputs
from .maps.sharding import INDEX, ROWS, MapResult
from .maps.spans import Bucket, map_utterances, span_rows

VERSION = "2"
CAPACITY, FRAMES_CAPACITY = 256, 64
"""Utterances per shard: about 20 MB of log-mel, or 40 MB of five layers, for clips of 3 s."""
FRAMES = "frames.npy"
SPEAKERS = "speakers.safetensors"
"""Only with ``normalise: speaker``: mean and 1 / standard deviation of each speaker's frames, shape
(speakers, dim), and the speaker's row for each utterance."""
OPEN_FILES = 256
"""Memory maps kept open at once: each uses a file descriptor, and there may be many shards."""


def spec(
    *,
    utterances: str,
    frontend: Frontend,
    cue: Cue | None = None,
    encoder: PluginIdentity | None = None,
) -> Spec:
    """Returns the key content: the same for all encoders with the same front end.

    With the front end ``waveform`` the decoded samples are kept, not log-mel; with ``frames`` the
    layers of the frozen `encoder`. `cue` is the prosodic cue removed by resynthesis; None for
    natural speech.
    """
    return Spec(
        stage="features",
        stage_version=VERSION,
        plugins={} if encoder is None else {"encoder": encoder},
        params={
            "frontend": frontend.content(),
            "libraries": libraries(),
            **cue_params(cue),
        },
        parents={"utterances": utterances},
    )


def libraries() -> dict[str, str]:
    """Returns the versions of the libraries between a file's bytes and its frames."""
    return library_versions(("soundfile", "soxr", "numpy", "scipy"))


def cue_params(cue: Cue | None) -> dict[str, Any]:
    """Returns what a flattened cue adds to a key's params: nothing for natural speech."""
    if cue is None:
        return {}
    return {"cue": cue, "vocoder": library_versions((LIBRARY,)), **WAYS.get(cue, {})}


def run(context: StageContext, draft: Draft) -> None:
    """Computes the frames of every utterance, shard by shard."""
    from ..audio.flatten import resynthesise

    cue: Cue | None = context.spec.params.get("cue")
    frontend = Frontend.model_validate(context.spec.params["frontend"])
    stored = frontend.kind == "frames"
    as_stored = frontend.model_copy(update={"normalise": "none"})
    encoder = context.plugin("encoder") if stored else None
    capacity, group = (FRAMES_CAPACITY, FRAMES_CAPACITY) if stored else (CAPACITY, 1)
    draft.counts["frames_computed"] = 0

    def compute(bucket: Bucket, part: Draft) -> pa.Table:
        count, rows = len(bucket.table), list[Frames]()
        for begin in range(0, count, group):
            waveforms = [bucket.samples(row) for row in range(count)[begin : begin + group]]
            if cue is not None:
                waveforms = [resynthesise(samples, cue) for samples in waveforms]
            rows += outputs(frontend, waveforms, encoder)
        for name, frames in zip(bucket.table.ids, rows, strict=True):
            if len(frames) == 0:
                raise DataError(f"Utterance '{name}' is too short for one frame.")
        tally("frames_computed", sum(len(frames) for frames in rows))
        return write_frames(part.path, rows)

    # More threads would change the last digits of a frozen encoder's layers.
    with limited_threads(1) if stored else nullcontext():
        map_utterances(
            context,
            draft,
            span_rows,
            compute,
            capacity,
            needs_audio="features",
            # Shards contain the frames as they are: a new utterance of a speaker changes no other.
            params={**context.spec.params, "frontend": as_stored.content()},
        )
    if frontend.normalise == "speaker":
        _write_speakers(context, draft)


def write_frames(folder: Path, rows: Sequence[Frames]) -> pa.Table:
    """Writes the stacked frames of a shard; returns where each row's frames begin."""
    lengths = [len(frames) for frames in rows]
    offsets = np.cumsum([0, *lengths[:-1]])
    np.save(folder / FRAMES, np.concatenate(rows))
    columns = {"offset": pa.array(offsets, pa.int64()), "frames": pa.array(lengths, pa.int64())}
    return pa.table(columns)


def _write_speakers(context: StageContext, draft: Draft) -> None:
    """Writes each speaker's mean and standard deviation over all frames, and who speaks where."""
    from safetensors.numpy import save_file

    folders = [context.store.checked(key).path for key in draft.parts]
    index = pq.read_table(draft.path / INDEX)
    part, row = index["part"].to_numpy(), index["row"].to_numpy()
    names = [name or "" for name in read_utterances(context.parent("utterances")).speakers]
    known, speaker = np.unique(names, return_inverse=True)
    sums: list[npt.NDArray[np.float64] | None] = [None] * len(known)
    counts = np.zeros(len(known))
    for number, folder in enumerate(folders):
        frames = np.load(folder / FRAMES, mmap_mode="r", allow_pickle=False)
        offsets, lengths = _offsets_and_frames(folder)
        for position in np.flatnonzero(part == number).tolist():
            begin, length = int(offsets[row[position]]), int(lengths[row[position]])
            values = np.asarray(frames[begin : begin + length], np.float64)
            moments = np.stack([values.sum(0), (values**2).sum(0)])
            who = int(speaker[position])
            before = sums[who]
            sums[who] = moments if before is None else before + moments
            counts[who] += length
    means, squares = np.stack([m for m in sums if m is not None], 1) / counts[:, None]
    spread = np.sqrt(np.maximum(squares - means**2, 0.0))
    constant = spread <= 1e-6 * np.maximum(np.abs(means), 1e-30)
    scale = np.where(constant, 0.0, 1 / np.where(constant, 1.0, spread))
    arrays = {
        "speaker": speaker.astype(np.int32),
        "centre": means.astype(np.float32),
        "scale": scale.astype(np.float32),
    }
    save_file(arrays, draft.path / SPEAKERS)


class Features:
    """Reads the frames of a `features` artifact through memory maps, in the manifest's order."""

    def __init__(self, store: Store, artifact_key: str, open_files: int | None = None) -> None:
        """Checks the artifact's bytes and reads the place of each utterance's frames.

        At most `open_files` memory maps are open at once; one is enough for the shards' order.

        Raises:
            StoreError: the artifact is missing or damaged.
        """
        artifact = store.checked(artifact_key)
        self._result = MapResult(store, artifact)
        self.frontend = Frontend.model_validate(artifact.spec.params["frontend"])
        self._paths = self._result.parts
        self._open: OrderedDict[int, Frames] = OrderedDict()
        self._open_files = open_files or OPEN_FILES
        rows = [np.zeros((2, 0), np.int64), *map(_offsets_and_frames, self._paths)]
        starts = np.cumsum([part.shape[1] for part in rows])
        self._part, row = self._result.places()
        self._offsets, lengths = np.concatenate(rows, axis=1)[:, starts[self._part] + row]
        self.lengths: npt.NDArray[np.int64] = lengths
        """Frames (or samples) of each utterance, shape (utterances,)."""
        self._speakers: dict[str, npt.NDArray[Any]] | None = None
        if self.frontend.normalise == "speaker":
            from safetensors.numpy import load_file

            self._speakers = load_file(artifact.path / SPEAKERS)

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def ids(self) -> list[str]:
        """Ids in order."""
        return self._result.ids

    @property
    def rate(self) -> float:
        """Frames (or samples) per second."""
        if self.frontend.kind == "waveform":
            return float(self.frontend.sample_rate)
        return 1.0 / self.frontend.hop_s

    def get(self, index: int) -> Frames:
        """Returns one utterance's frames, without a copy unless they are normalised.

        Shape (frames, dim), or (samples,) for a waveform front end; read-only. Frames of a frozen
        encoder are float16, and float32 if they are normalised.
        """
        begin = int(self._offsets[index])
        frames = self._map(int(self._part[index]))[begin : begin + int(self.lengths[index])]
        if self._speakers is None:
            return frames
        who = self._speakers["speaker"][index]
        normal: Frames = (frames - self._speakers["centre"][who]) * self._speakers["scale"][who]
        return normal

    def _map(self, part: int) -> Frames:
        if part in self._open:
            self._open.move_to_end(part)
            return self._open[part]
        mapped = np.load(self._paths[part] / FRAMES, mmap_mode="r", allow_pickle=False)
        # As a plain array: slicing numpy's subclass for memory maps takes ten times as long.
        self._open[part] = frames = np.asarray(mapped)
        if len(self._open) > self._open_files:
            self._open.popitem(last=False)
        return frames


def crops(
    rows: Sequence[Frames], longest: int | None, rng: np.random.Generator | None
) -> list[Frames]:
    """Returns at most `longest` frames of each row: a random stretch, or the middle without `rng`.

    Nothing is drawn for rows that are short enough.
    """
    if longest is None:
        return list(rows)
    spare = np.maximum([len(row) - longest for row in rows], 0)
    begins = spare // 2 if rng is None else rng.integers(spare + 1)
    return [row[begin : begin + longest] for row, begin in zip(rows, begins.tolist(), strict=True)]


def pad(rows: Sequence[Frames]) -> tuple[Frames, npt.NDArray[np.int64]]:
    """Stacks rows of different lengths, zeros at the end; returns them with their lengths."""
    lengths = np.array([len(row) for row in rows], np.int64)
    stacked = np.empty((len(rows), int(lengths.max()), *rows[0].shape[1:]), rows[0].dtype)
    for target, row in zip(stacked, rows, strict=True):
        target[: len(row)] = row
        target[len(row) :] = 0.0
    return stacked, lengths


def _offsets_and_frames(part: Path) -> npt.NDArray[np.int64]:
    """Returns where the frames of a shard's rows begin, and their number; shape (2, rows)."""
    table = pq.read_table(part / ROWS)
    return np.stack([table["offset"].to_numpy(), table["frames"].to_numpy()])

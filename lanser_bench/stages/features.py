"""Features: every utterance decoded and turned into log-mel once, kept in memory-mapped files.

Training reads the same frames every epoch; decoding and log-mel would cost several times the
training itself. Values stay float32: half precision would halve the files at an error of up to
0.008 natural-log units (0.03 dB), but every reader would have to convert, and frames are then no
longer handed out without a copy.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from ..audio.flatten import LIBRARY, WAYS, Cue
from ..errors import DataError
from ..kinds.encoder import Frontend
from ..plugins.identity import library_versions
from ..store import Draft, Spec, Store
from .base import StageContext
from .maps.sharding import ROWS, MapResult
from .maps.spans import Bucket, check_audio, map_utterances, span_rows

VERSION = "2"
CAPACITY = 256
"""Utterances per shard: about 20 MB of log-mel for clips of 3 s."""
FRAMES = "frames.npy"
OPEN_FILES = 256
"""Memory maps kept open at once: each holds a file descriptor, and shards may be thousands."""

Frames = npt.NDArray[np.float32]


class Params(BaseModel):
    """Settings of the stage; the encoder chooses them, not the user."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    frontend: Frontend
    """What the encoder is fed. With ``waveform`` the decoded samples are kept, not log-mel."""


def spec(*, utterances: str, frontend: Frontend, cue: Cue | None = None) -> Spec:
    """Returns the key content: the same for all encoders with the same front end.

    Args:
        utterances: key of the manifest.
        frontend: what is computed.
        cue: computed from speech that is resynthesised without this cue; None: as it is.
    """
    return Spec(
        stage="features",
        stage_version=VERSION,
        params={
            **Params(frontend=frontend).model_dump(mode="json"),
            "libraries": libraries(),
            **cue_params(cue),
        },
        parents={"utterances": utterances},
    )


def libraries() -> dict[str, str]:
    """Returns the versions of the libraries between a file's bytes and its frames."""
    return library_versions(("soundfile", "soxr", "numpy", "scipy"))


def cue_params(cue: Cue | None) -> dict[str, Any]:
    """Returns what a flattened cue adds to a key's params: nothing for speech as it is."""
    if cue is None:
        return {}
    return {"cue": cue, "vocoder": library_versions((LIBRARY,)), **WAYS.get(cue, {})}


def run(context: StageContext, draft: Draft) -> None:
    """Computes the frames of every utterance, shard by shard."""
    from ..audio import logmel
    from ..audio.flatten import resynthesise

    cue: Cue | None = context.spec.params.get("cue")
    frontend = Frontend.model_validate(context.spec.params["frontend"])
    check_audio(context.parent("utterances"), "features")
    total = 0

    def compute(bucket: Bucket, part: Draft) -> None:
        nonlocal total
        found: list[Frames] = []
        for row, name in enumerate(bucket.table.ids):
            frames = bucket.samples(row)
            if cue is not None:
                frames = resynthesise(frames, cue)
            if frontend.kind == "logmel":
                frames = logmel(frames, frontend)
            if len(frames) == 0:
                raise DataError(f"Utterance '{name}' is too short for one frame.")
            found.append(frames)
        write_frames(part.path, found)
        part.counts["frames"] = sum(len(frames) for frames in found)
        total += part.counts["frames"]

    map_utterances(context, draft, names=span_rows, compute=compute, capacity=CAPACITY)
    draft.counts["frames_computed"] = total


def write_frames(folder: Path, rows: Sequence[Frames]) -> None:
    """Writes one shard: all frames stacked, and where each row's begin."""
    lengths = [len(frames) for frames in rows]
    offsets = np.cumsum([0, *lengths[:-1]])
    np.save(folder / FRAMES, np.concatenate(rows).astype(np.float32, copy=False))
    columns = {"offset": pa.array(offsets, pa.int64()), "frames": pa.array(lengths, pa.int64())}
    pq.write_table(pa.table(columns), folder / ROWS)


class Features:
    """Reads the frames of a `features` artifact through memory maps, in the manifest's order."""

    def __init__(self, store: Store, artifact_key: str, open_files: int | None = None) -> None:
        """Checks the artifact's bytes and reads where each utterance's frames lie.

        Args:
            store: the store.
            artifact_key: key of the features.
            open_files: memory maps kept open at once; one is enough to read in the shards' order.

        Raises:
            StoreError: it is absent or damaged.
        """
        artifact = store.checked(artifact_key)
        self._result = MapResult(store, artifact)
        self.frontend = Frontend.model_validate(artifact.spec.params["frontend"])
        self._paths = self._result.part_paths()
        self._open: OrderedDict[int, Frames] = OrderedDict()
        self._open_files = open_files or OPEN_FILES
        rows = [np.zeros((2, 0), np.int64), *map(_offsets_and_frames, self._paths)]
        starts = np.cumsum([part.shape[1] for part in rows])
        self._part, row = self._result.places()
        self._offsets, lengths = np.concatenate(rows, axis=1)[:, starts[self._part] + row]
        self.lengths: npt.NDArray[np.int64] = lengths
        """Frames (or samples) of each utterance, shape (utterances,)."""

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
        """Returns one utterance's frames without a copy.

        Shape (frames, n_mels), or (samples,) for a waveform front end; read-only.
        """
        begin = int(self._offsets[index])
        return self._map(int(self._part[index]))[begin : begin + int(self.lengths[index])]

    def batch(
        self,
        indices: Sequence[int] | npt.NDArray[np.int64],
        max_frames: int | None = None,
        rng: np.random.Generator | None = None,
    ) -> tuple[Frames, npt.NDArray[np.int64]]:
        """Returns utterances padded with zeros at the end, and their true lengths.

        Args:
            indices: positions of the utterances.
            max_frames: longer utterances are cropped to this many frames.
            rng: draws where a crop begins; without it crops are taken from the middle.

        Returns:
            Shape (batch, frames, n_mels) or (batch, samples), and (batch,).
        """
        return pad(crops([self.get(int(index)) for index in indices], max_frames, rng))

    def _map(self, part: int) -> Frames:
        found = self._open.get(part)
        if found is None:
            mapped = np.load(self._paths[part] / FRAMES, mmap_mode="r", allow_pickle=False)
            # As a plain array: slicing numpy's subclass for memory maps takes ten times as long.
            found = np.asarray(mapped)
            self._open[part] = found
            if len(self._open) > self._open_files:
                self._open.popitem(last=False)
        else:
            self._open.move_to_end(part)
        return found


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
    stacked = np.empty((len(rows), int(lengths.max()), *rows[0].shape[1:]), np.float32)
    for target, row in zip(stacked, rows, strict=True):
        target[: len(row)] = row
        target[len(row) :] = 0.0
    return stacked, lengths


def _offsets_and_frames(part: Path) -> npt.NDArray[np.int64]:
    """Where the frames of a shard's rows begin, and how many they are; shape (2, rows)."""
    table = pq.read_table(part / ROWS)
    return np.stack([table["offset"].to_numpy(), table["frames"].to_numpy()])

"""The output of an encoder's front end: waveforms in; samples, log-mel or stored frames out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import PluginError, SettingsError
from ..kinds.encoder import Frontend, Layers
from ..kinds.speech import SAMPLE_RATE, Waveform
from ..plugins.discovery import Registry

Frames = npt.NDArray[np.floating[Any]]
BATCH_SECONDS = 60
"""Padded seconds that a frozen encoder gets at a time."""


def frames_encoder(frontend: Frontend, plugins: Registry) -> Any:
    """Returns the frozen encoder of a front end, or None if it has none."""
    if frontend.encoder is None:
        return None
    return plugins.create("encoder", frontend.encoder, frontend.options)


def outputs(frontend: Frontend, waveforms: Sequence[Waveform], encoder: Any = None) -> list[Frames]:
    """Returns what an encoder with this front end gets for each waveform.

    `encoder` is that of `frames_encoder`.

    Raises:
        SettingsError: the frozen encoder does not have the layers.
        PluginError: its layers have different numbers of frames, or values beyond float16.
    """
    rows: list[Frames] = list(waveforms)
    if frontend.kind == "logmel":
        from ..audio import logmel

        rows = [logmel(np.asarray(samples, np.float32), frontend) for samples in waveforms]
    elif frontend.kind == "frames":
        budget = BATCH_SECONDS * SAMPLE_RATE
        for batch in batches([len(samples) for samples in waveforms], budget):
            layers = encoder.extract([waveforms[i] for i in batch])
            for i, row in zip(batch, layers, strict=True):
                rows[i] = _side_by_side(row, frontend)
    return rows


def _side_by_side(layers: Layers, frontend: Frontend) -> Frames:
    """Returns the wanted layers as float16, shape (frames, sum of their dims)."""
    who, wanted = f"encoder '{frontend.encoder}'", frontend.layers or range(len(layers))
    if max(wanted) >= len(layers):
        raise SettingsError(
            f"The {who} has layers 0 to {len(layers) - 1}, but layer {max(wanted)} is wanted. "
            "Choose others."
        )
    chosen = [layers[number] for number in wanted]
    if len({len(layer) for layer in chosen}) > 1:
        raise PluginError(
            f"The layers of {who} have different numbers of frames "
            f"({', '.join(str(len(layer)) for layer in chosen)}), so they cannot be stored side by "
            "side. Choose layers of one rate."
        )
    frames: Frames = np.concatenate(chosen, axis=1)
    if frontend.every > 1:
        starts = np.arange(0, len(frames), frontend.every)
        counts = np.diff(starts, append=len(frames)).astype(frames.dtype)
        frames = np.add.reduceat(frames, starts) / counts[:, None]
    with np.errstate(over="ignore"):
        stored = frames.astype(np.float16)
    if not np.isfinite(stored).all():
        raise PluginError(
            f"The {who} gives values that are not finite in float16, in which frames are stored. "
            "Choose other layers or another encoder."
        )
    return stored


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yields positions sorted by length, as many as fit `budget` once padded; at least one."""
    batch: list[int] = []
    for i in sorted(range(len(lengths)), key=lambda i: (lengths[i], i)):
        if batch and (len(batch) + 1) * lengths[i] > budget:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch

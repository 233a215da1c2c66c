"""SER encoders: fixed feature extractors, and trainable ones that the harness pre-trains."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator

from .base import OptionsT, Plugin
from .speech import Waveform

if TYPE_CHECKING:
    import torch

Layers = list[npt.NDArray[np.float32]]
"""One array of shape (frames, dim) per layer; layers may differ in frames and dim."""

Moments = tuple[int, npt.NDArray[np.float64], npt.NDArray[np.float64]]
"""The number of frames of a layer, and their mean and variance, each of shape (dim,)."""


class Frontend(BaseModel):
    """An encoder's input. All of it is in the keys of everything computed from it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["logmel", "waveform", "text", "id", "recording", "frames"] = "logmel"
    """``text``: the manifest's transcript, for controls without audio. ``id``, ``recording``: the
    utterance's id, or the SHA-256 of its recording, for encoders that look vectors up. ``frames``:
    the layers of a frozen encoder, computed once per recording and stored."""
    sample_rate: int = 16_000
    n_mels: int = Field(default=64, ge=8, le=256)
    window_s: float = Field(default=0.025, gt=0)
    hop_s: float = Field(default=0.010, gt=0)
    """Seconds between frames; with ``frames`` those after the mean over `every`."""
    f_min: float = Field(default=50.0, ge=0)
    f_max: float = Field(default=8_000.0, gt=0)
    floor_db: float = -80.0
    """Power below this, relative to full scale, is raised to it before the logarithm."""
    encoder: str | None = None
    """``frames`` only, like the fields below: name of the `FeatureExtractor`, which takes
    waveforms."""
    options: dict[str, Any] = Field(default={}, exclude=True)
    """Its options. Its identity is in the keys instead, because options may be paths."""
    layers: tuple[int, ...] | None = None
    """The layers to store, side by side in each frame; None for all."""
    every: int = Field(default=1, ge=1)
    """Stores the mean of this many successive frames instead of each."""
    normalise: Literal["none", "speaker"] = "none"
    """``speaker`` centres and scales each dimension within each speaker's frames when they are
    read. It uses no labels, but all of a speaker's utterances; those of unknown speakers are one
    group."""

    @model_validator(mode="after")
    def _frames_have_an_encoder(self) -> Self:
        if (self.kind == "frames") != (self.encoder is not None):
            raise ValueError("kind: frames needs the name of an encoder; other kinds take none")
        if self.kind != "frames" and self.normalise != "none":
            raise ValueError("normalise needs kind: frames")
        return self

    def __hash__(self) -> int:
        """By content: options may be lists or mappings."""
        return hash(repr(self))

    @property
    def needs_sound(self) -> bool:
        """Whether the input is made from sound; otherwise it is a text of the manifest."""
        return self.kind not in ("text", "id", "recording")

    def content(self) -> dict[str, Any]:
        """Returns what keys contain: the fields that matter for the kind."""
        ours = {"encoder", "layers", "every", "normalise"}
        if self.kind == "frames":
            stored = {"kind", "hop_s", "encoder", "layers", "every"}
            used = stored if self.normalise == "none" else stored | {"normalise"}
            return self.model_dump(mode="json", include=used)
        return self.model_dump(mode="json", exclude=ours)


class _Encoder(Plugin[OptionsT]):
    """Base of both kinds."""

    @property
    def trained_on(self) -> frozenset[str] | None:
        """Datasets, by their plugins' names, on which its published weights were trained.

        None if its publishers do not say; empty (the default) without published weights. The record
        notes when a target was among them, since the encoder may have seen its speakers.
        """
        return frozenset()


class FeatureExtractor(_Encoder[OptionsT]):
    """A frozen model or a fixed descriptor. The harness refuses to pre-train it."""

    @property
    def frontend(self) -> Frontend:
        """The input of `extract`: waveforms unless overridden."""
        return Frontend(kind="waveform")

    @abstractmethod
    def extract(self, batch: Sequence[Waveform]) -> list[Layers]:
        """Returns the layers of each utterance: outer list per utterance, same order.

        Args:
            batch: waveforms of shape (samples,); or log-mel or other frames of shape (frames, dim)
                or transcripts, ids or hashes (str), depending on the front end.
        """

    def pooled(self, batch: Sequence[Waveform]) -> list[list[Moments]] | None:
        """Returns the moments of each layer of each utterance, or None.

        None, the default, lets the harness compute them from `extract`. An encoder on a GPU may
        return them, so that only they are copied to main memory.
        """
        return None


class TrainableEncoder(_Encoder[OptionsT]):
    """An encoder built from a seed, pre-trained by the harness."""

    @property
    @abstractmethod
    def frontend(self) -> Frontend:
        """The input of the module."""

    @abstractmethod
    def build(self, seed: int) -> torch.nn.Module:
        """Returns the module with weights drawn from `seed`.

        Its ``forward(features, frames)`` takes ``features`` of shape (batch, frames, dim) or
        (batch, samples), zero-padded at the end, and ``frames`` of shape (batch,), the true
        lengths; it returns ``list[tuple[Tensor, Tensor]]``: per layer the values of shape
        (batch, frames', dim) and the true lengths of shape (batch,). The last layer feeds the
        classification head. Padding must not change the values of true frames beyond the
        receptive field of its edge.
        """

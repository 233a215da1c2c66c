"""SER encoders: fixed feature extractors, and trainable ones that the harness pre-trains."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field

from .base import OptionsT, Plugin
from .speech import Waveform

if TYPE_CHECKING:
    import torch

Layers = list[npt.NDArray[np.float32]]
"""One array of shape (frames, dim) per layer; layers may differ in frames and dim."""


class Frontend(BaseModel):
    """An encoder's input. All of it is in the keys of everything computed from it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["logmel", "waveform", "text"] = "logmel"
    """``text``: the manifest's transcript, for controls without audio."""
    sample_rate: int = 16_000
    n_mels: int = Field(default=64, ge=8, le=256)
    window_s: float = Field(default=0.025, gt=0)
    hop_s: float = Field(default=0.010, gt=0)
    f_min: float = Field(default=50.0, ge=0)
    f_max: float = Field(default=8_000.0, gt=0)
    floor_db: float = -80.0
    """Power below this, relative to full scale, is raised to it before the logarithm."""


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
            batch: waveforms of shape (samples,); or log-mel arrays of shape (frames, n_mels) or
                transcripts (str), depending on the front end.
        """


class TrainableEncoder(_Encoder[OptionsT]):
    """An encoder built from a seed, pre-trained by the harness."""

    @property
    @abstractmethod
    def frontend(self) -> Frontend:
        """The input of the module."""

    @abstractmethod
    def build(self, seed: int) -> torch.nn.Module:
        """Returns the module with weights drawn from `seed`.

        Its ``forward(features, frames)`` takes ``features`` of shape (batch, frames, n_mels) or
        (batch, samples), zero-padded at the end, and ``frames`` of shape (batch,), the true
        lengths; it returns ``list[tuple[Tensor, Tensor]]``: per layer the values of shape
        (batch, frames', dim) and the true lengths of shape (batch,). The last layer feeds the
        classification head. Padding must not change the values of true frames beyond the
        receptive field of its edge.
        """

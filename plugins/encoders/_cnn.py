"""The module behind the encoder `cnn`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._masks import frame_mask, normalised


class TemporalCNN(nn.Module):
    """Strided convolutions over time with the mel bins as channels, each normalised per frame."""

    def __init__(self, n_mels: int, channels: tuple[int, ...], centre: float, scale: float) -> None:
        """Builds the module with weights from the current random state of torch."""
        super().__init__()
        self.centre, self.scale = centre, scale
        widths = (n_mels, *channels)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, kernel_size=5, stride=2, padding=2)
            for before, after in zip(widths, channels, strict=False)
        )
        # Per frame, not per batch: padding cannot enter the statistics.
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in channels)

    def forward(self, features: Tensor, frames: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Returns per block the values, shape (batch, frames', channels), and the true lengths."""
        mask = frame_mask(frames, features.shape[1])[:, :, None]
        values = normalised(features, mask, self.centre, self.scale, per_utterance=False)
        layers = []
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            values = convolution(values.transpose(1, 2)).transpose(1, 2)
            frames = (frames + 1) // 2
            values = torch.relu(norm(values)) * frame_mask(frames, values.shape[1])[:, :, None]
            layers.append((values, frames))
        return layers

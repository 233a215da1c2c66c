"""The module behind the encoder `cnn`."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._masks import frame_mask, normalised


class TemporalCNN(nn.Module):
    """Strided convolutions over time with the mel bins as channels, each normalised per frame."""

    def __init__(
        self, n_mels: int, channels: tuple[int, ...], centre: float, scale: float, added: int = 0
    ) -> None:
        """Builds the module with weights from the current random state of torch.

        Frames have `added` values, scaled already, after the mel bins.
        """
        super().__init__()
        self.centre, self.scale, self.n_mels = centre, scale, n_mels
        widths = (n_mels + added, *channels)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(before, after, kernel_size=5, stride=2, padding=2)
            for before, after in zip(widths, channels, strict=False)
        )
        # Per frame, not per batch: padding cannot enter the statistics.
        self.norms = nn.ModuleList(nn.LayerNorm(width) for width in channels)

    def forward(self, features: Tensor, frames: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Returns per block the values, shape (batch, frames', channels), and the true lengths."""
        mask = frame_mask(frames, features.shape[1])[:, :, None]
        mels, added = features[:, :, : self.n_mels], features[:, :, self.n_mels :]
        values = normalised(mels, mask, self.centre, self.scale, per_utterance=False)
        values = torch.cat([values, added], 2) if added.shape[2] else values
        layers = []
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            values = convolution(values.transpose(1, 2)).transpose(1, 2)
            frames = (frames + 1) // 2
            values = torch.relu(norm(values)) * frame_mask(frames, values.shape[1])[:, :, None]
            layers.append((values, frames))
        return layers

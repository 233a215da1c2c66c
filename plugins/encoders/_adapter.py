"""The module behind the encoder `adapter`."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class Adapter(nn.Module):
    """A learned mean of frozen layers, and one hidden layer on each frame of it."""

    def __init__(self, layers: int, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.width = width
        self.mix = nn.Parameter(torch.zeros(layers))
        self.hidden = nn.Linear(width, hidden)
        self.dropout = nn.Dropout(dropout)

    def forward(self, features: Tensor, frames: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Returns the mean, shape (batch, frames, width), and the hidden layer; true lengths.

        `features` are the layers side by side. Each is normalised over its width, because their
        sizes differ by orders of magnitude.
        """
        layers = features.view(*features.shape[:2], len(self.mix), self.width)
        normal = nn.functional.layer_norm(layers, (self.width,))
        mixed = torch.tensordot(normal, self.mix.softmax(0), dims=([2], [0]))
        hidden = nn.functional.gelu(self.hidden(mixed))
        return [(mixed, frames), (self.dropout(hidden), frames)]

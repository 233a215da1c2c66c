"""The network that is pre-trained: an encoder, masked pooling over time, and a linear head."""

from __future__ import annotations

from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from ..errors import PluginError
from ._random import deterministic

Pooling = Literal["mean", "mean+std"]
HeadPooling = Literal["mean", "mean+std", "attentive"]


def moments(values: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the sums over true frames of the values and of their squares, shape (batch, dim).

    `values` have shape (batch, frames, dim); `lengths` are their true frames, shape (batch,).
    """
    steps = torch.arange(values.shape[1], device=values.device)
    mask = (steps[None, :] < lengths[:, None]).to(values.dtype)[:, :, None]
    kept = values * mask
    return kept.sum(1), (kept * values).sum(1)


def pooled(values: Tensor, lengths: Tensor, pooling: Pooling) -> Tensor:
    """Returns the mean over true frames, with ``mean+std`` the standard deviation after it.

    Shape (batch, dim) or (batch, 2 × dim). The mean is subtracted before squaring: the difference
    of two large numbers would lose the deviation.
    """
    count = lengths.clamp(min=1)[:, None].to(values.dtype)
    mean = moments(values, lengths)[0] / count
    if pooling == "mean":
        return mean
    spread = moments(values - mean[:, None], lengths)[1] / count
    # The gradient of the square root is infinite at zero.
    return torch.cat([mean, spread.clamp(min=1e-8).sqrt()], 1)


class Network(nn.Module):
    """An encoder with a classification head on its last layer."""

    def __init__(
        self, encoder: nn.Module, dim: int, labels: int, pooling: HeadPooling, measures: int = 0
    ) -> None:
        """Puts a linear head, weights from torch's current random state, on an encoder.

        With `measures` a second head predicts that many acoustic targets; it is drawn last, so
        everything else is the same without it.
        """
        super().__init__()
        self.encoder = encoder
        self.pooling: HeadPooling = pooling
        width = dim * (2 if pooling == "mean+std" else 1)
        self.head = nn.Linear(width, labels)
        self.attention: nn.Linear | None = None
        if pooling == "attentive":
            self.attention = nn.Linear(dim, 1)
            # Training starts from the plain mean.
            nn.init.zeros_(self.attention.weight)
        self.acoustic = nn.Linear(width, measures) if measures else None

    @classmethod
    def on(
        cls,
        encoder: nn.Module,
        frames: npt.NDArray[np.floating[Any]],
        name: str,
        seed: int,
        labels: int,
        pooling: HeadPooling,
        measures: int = 0,
    ) -> Self:
        """Puts heads drawn from `seed` on an encoder; `frames` is an example of its input.

        Raises:
            PluginError: the output of the encoder called `name` is not what
                `TrainableEncoder.build` promises.
        """
        dim = last_dim(encoder, torch.from_numpy(np.array(frames[None], np.float32)), name)
        with deterministic(seed):
            return cls(encoder, dim, labels, pooling, measures)

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Returns logits of shape (batch, labels)."""
        return self.outputs(features, lengths)[0]

    def outputs(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor | None]:
        """Returns logits, and the second head's predictions: shape (batch, measures) or None."""
        values, frames = self.encoder(features, lengths)[-1]
        if self.attention is not None:
            vectors = attended(values, frames, self.attention(values)[:, :, 0])
        else:
            vectors = pooled(values, frames, "mean+std" if self.pooling == "mean+std" else "mean")
        return self.head(vectors), None if self.acoustic is None else self.acoustic(vectors)


def attended(values: Tensor, lengths: Tensor, marks: Tensor) -> Tensor:
    """Returns the mean over true frames weighted by the softmax of their marks, shape (batch, dim).

    Attentive pooling as in Mirsamadi et al., Automatic speech emotion recognition using recurrent
    neural networks with local attention (ICASSP 2017). `values` have shape (batch, frames, dim),
    `lengths` are true frames, shape (batch,), and `marks` have shape (batch, frames).
    """
    steps = torch.arange(values.shape[1], device=values.device)
    hidden = steps[None, :] >= lengths[:, None]
    shares = marks.float().masked_fill(hidden, -torch.inf).softmax(1).to(values.dtype)
    return torch.einsum("bt,btd->bd", shares, values)


def last_dim(encoder: nn.Module, example: Tensor, name: str) -> int:
    """Returns the width of the encoder's last layer, by one pass over `example` (1, frames, …).

    Raises:
        PluginError: the module's output is not what `TrainableEncoder.build` promises.
    """
    was_training = encoder.training
    encoder.eval()
    with torch.no_grad():
        layers = encoder(example, torch.tensor([example.shape[1]], device=example.device))
    encoder.train(was_training)
    check_layers(layers, 1, name)
    return int(layers[-1][0].shape[2])


def check_layers(layers: object, batch: int, name: str) -> None:
    """Raises `PluginError` unless `layers` are (values, lengths) for `batch` utterances."""

    def valid(layer: Any) -> bool:
        if not (isinstance(layer, tuple) and len(layer) == 2):
            return False
        values, lengths = layer
        return bool(values.ndim == 3 and len(values) == batch and lengths.shape == (batch,))

    if not (isinstance(layers, list) and layers and all(map(valid, layers))):
        raise PluginError(
            f"Encoder '{name}': its module must return a list with one pair per layer, values of "
            "shape (batch, frames, dim) and lengths of shape (batch,). See "
            "lanser_bench.TrainableEncoder."
        )

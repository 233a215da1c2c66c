"""Keeps zero padding from leaking into true frames: masks per time size, and a masked BatchNorm.

A convolution pads a clip's edge with zeros. A batch pads shorter clips with zeros too, but
normalisation and bias change these zeros, and the next convolution mixes them into true frames. If
the padding is set to zero after every normalisation, a padded clip equals the same clip alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def frame_mask(lengths: Tensor, size: int) -> Tensor:
    """Returns 1.0 for true frames and 0.0 for padding, shape (batch, size)."""
    steps = torch.arange(size, device=lengths.device)
    return (steps[None, :] < lengths[:, None]).float()


def normalised(
    features: Tensor, mask: Tensor, centre: float, scale: float, per_utterance: bool
) -> Tensor:
    """Centres and scales log-mel, shape (batch, frames, n_mels), by constants.

    With `per_utterance`, mean and standard deviation over all bins of an utterance's true frames
    replace them, which removes its overall loudness. `mask` has the shape (batch, frames, 1).
    """
    if not per_utterance:
        return (features - centre) * (mask / scale)
    count = mask.sum((1, 2), keepdim=True) * features.shape[2]
    mean = (features * mask).sum((1, 2), keepdim=True) / count
    centred = (features - mean) * mask
    spread = (centred.square().sum((1, 2), keepdim=True) / count).sqrt()
    return centred / spread.clamp(min=1e-3)


class PaddedBatch:
    """True lengths of the current batch, for every time size that strides of 2 lead to.

    Every strided layer maps T frames to ceil(T / 2), so a tensor's time size determines the
    lengths.
    """

    def __init__(self) -> None:
        self._lengths: dict[int, Tensor] = {}
        self._masks: dict[int, Tensor] = {}
        self.padded = False

    def begin(self, lengths: Tensor, size: int) -> None:
        """Sets the lengths, shape (batch,), of a batch padded to `size` frames."""
        # A GPU would have to wait for the answer.
        self.padded = lengths.device.type != "cpu" or bool((lengths < size).any())
        self._lengths, self._masks = {size: lengths}, {}
        while size > 1:
            lengths, size = (lengths + 1) // 2, (size + 1) // 2
            self._lengths[size] = lengths

    def lengths(self, size: int) -> Tensor:
        """Returns the true lengths at a time size, shape (batch,)."""
        return self._lengths[size]

    def mask(self, size: int) -> Tensor | None:
        """Returns the mask at a time size, shape (batch, 1, size, 1); None if nothing is padded."""
        if not self.padded:
            return None
        if size not in self._masks:
            self._masks[size] = frame_mask(self._lengths[size], size)[:, None, :, None]
        return self._masks[size]

    def rows(self, size: int) -> Tensor:
        """Returns the positions of true frames among all batch × size, ascending."""
        return frame_mask(self._lengths[size], size).flatten().nonzero().flatten()


class MaskedMaxPool2d(nn.MaxPool2d):
    """Max pooling (3 x 3) of non-negative values that sets the padding to zero again."""

    def __init__(self, batch: PaddedBatch) -> None:
        super().__init__(3, 2, 1)
        self.batch = batch

    def forward(self, values: Tensor) -> Tensor:
        """Pools, then masks: a window over the last true frame extends into the padding."""
        pooled: Tensor = super().forward(values)
        mask = self.batch.mask(pooled.shape[2])
        return pooled if mask is None else pooled * mask


class MaskedBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm over (batch, channels, frames, mels) with statistics of true frames only.

    If processes share a batch, the statistics are those of the whole batch.
    """

    spans_processes = True

    def __init__(self, channels: int, batch: PaddedBatch) -> None:
        super().__init__(channels)
        self.batch = batch

    def forward(self, values: Tensor) -> Tensor:
        """Normalises true frames and sets the others to zero."""
        size = values.shape[2]
        mask = self.batch.mask(size)
        if self.training and (_shared() or values.device.type != "cpu"):
            return self._by_masks(values, values.new_ones(1) if mask is None else mask)
        if mask is None:
            return self._normalised(values)
        if not self.training:
            return self._normalised(values) * mask
        # True frames are joined to one long clip, which torch's own kernel normalises.
        rows = self.batch.rows(size)
        frames = values.permute(0, 2, 3, 1).flatten(0, 1)
        packed: Tensor = _Pack.apply(frames, rows)  # type: ignore[no-untyped-call]
        normal = self._normalised(packed[None].permute(0, 3, 1, 2)).permute(0, 2, 3, 1)[0]
        spread: Tensor = _Unpack.apply(normal, rows, len(frames))  # type: ignore[no-untyped-call]
        return spread.view(values.shape[0], size, *spread.shape[1:]).permute(0, 3, 1, 2)

    def _by_masks(self, values: Tensor, mask: Tensor) -> Tensor:
        """Computes the same by masks: no size depends on the lengths, so a GPU need not wait."""
        total: Any = _Total.apply
        mask = mask.expand(len(values), 1, values.shape[2], 1)
        count = total(mask.sum(dtype=torch.float32)) * values.shape[3]
        mean = total((values * mask).sum((0, 2, 3), dtype=torch.float32)) / count
        centred = (values - mean[:, None, None]) * mask
        spread = total(centred.square().sum((0, 2, 3))) / count
        with torch.no_grad():
            self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
            unbiased = spread * count / (count - 1)
            self.running_mean.lerp_(mean, self.momentum)  # type: ignore[arg-type,union-attr]
            self.running_var.lerp_(unbiased, self.momentum)  # type: ignore[arg-type,union-attr]
        scale = self.weight * (spread + self.eps).rsqrt()
        normal: Tensor = centred * scale[:, None, None] + self.bias[:, None, None] * mask
        return normal.to(values.dtype)

    def _normalised(self, values: Tensor) -> Tensor:
        normal: Tensor = super().forward(values)
        return normal


def _shared() -> bool:
    """Whether several processes share each batch."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


class _Total(torch.autograd.Function):
    """A sum over all processes, and likewise of its gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        if _shared():
            torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Total.forward(ctx, gradients[0])


class _Pack(torch.autograd.Function):
    """Picks distinct rows; the gradient copies rows back, where torch's own adds atomically."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.size = values.shape[0]
        return values.index_select(0, rows)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        return _scattered(gradients[0], rows, ctx.size), None


class _Unpack(torch.autograd.Function):
    """Puts rows back, with zeros between them."""

    @staticmethod
    def forward(ctx: Any, packed: Tensor, rows: Tensor, size: int) -> Tensor:
        ctx.save_for_backward(rows)
        return _scattered(packed, rows, size)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (rows,) = ctx.saved_tensors
        return gradients[0].index_select(0, rows), None, None


def _scattered(packed: Tensor, rows: Tensor, size: int) -> Tensor:
    return packed.new_zeros(size, *packed.shape[1:]).index_copy_(0, rows, packed)

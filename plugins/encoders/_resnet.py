"""The module behind the encoder `resnet`."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ._masks import MaskedBatchNorm2d, MaskedMaxPool2d, PaddedBatch, frame_mask, normalised

if TYPE_CHECKING:
    from .resnet import Options


class ResNetOnLogMel(nn.Module):
    """A ResNet on log-mel as an image with one channel, padding masked throughout.

    Names and first weights are those of ``ResNetModel`` in transformers, whose import takes three
    times as long as torch's.
    """

    def __init__(self, options: Options, added: int) -> None:
        """Builds the module with weights from the current random state of torch.

        The `added` values of a frame after its mel bins, scaled already, are channels of the image
        that are the same for all bins.
        """
        super().__init__()
        self.centre, self.scale, self.n_mels = options.centre, options.scale, options.n_mels
        self.per_utterance = options.normalise == "utterance"
        architecture = options.architecture
        self.batch = PaddedBatch()
        width = architecture["embedding_size"]
        first = _convolved(self.batch, 1 + added, width, kernel=7, stride=2)
        pooled = OrderedDict(embedder=first, pooler=MaskedMaxPool2d(self.batch))
        bottleneck, stages = architecture["layer_type"] == "bottleneck", nn.ModuleList()
        for size, depth in zip(architecture["hidden_sizes"], architecture["depths"], strict=True):
            blocks = []
            for stride in (2 if stages else 1, *[1] * (depth - 1)):
                blocks.append(_Block(self.batch, width, size, stride, bottleneck=bottleneck))
                width = size
            stages.append(nn.Sequential(OrderedDict(layers=nn.Sequential(*blocks))))
        encoder = nn.ModuleDict({"stages": stages})
        self.net = nn.ModuleDict({"embedder": nn.Sequential(pooled), "encoder": encoder})
        for module in self.net.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight)  # overwritten, but drawn by transformers too
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        # This layout is twice as fast on a CPU at these sizes.
        self.net.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, features: Tensor, frames: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Returns per stage the values, shape (batch, frames', channels), and the true lengths."""
        self.batch.begin(frames, features.shape[1])
        mask = frame_mask(frames, features.shape[1])[:, :, None]
        mels, added = features[:, :, : self.n_mels], features[:, :, self.n_mels :]
        image = normalised(mels, mask, self.centre, self.scale, self.per_utterance)[:, None]
        if added.shape[2]:
            wide = added.transpose(1, 2)[:, :, :, None].expand(-1, -1, -1, self.n_mels)
            image = torch.cat([image, wide], 1)
        net: Any = self.net
        values = net["embedder"](image.contiguous(memory_format=torch.channels_last))
        stages = [values := stage(values) for stage in net["encoder"]["stages"]]
        # The mean over the mel axis: the remaining information on frequency is in the channels.
        layers = [stage.mean(3).transpose(1, 2) for stage in stages]
        return [(layer, self.batch.lengths(layer.shape[1])) for layer in layers]


class _Block(nn.Module):
    """Two convolutions of 3 x 3, or three with a quarter of the channels inside, and a shortcut."""

    def __init__(
        self, batch: PaddedBatch, before: int, after: int, stride: int, *, bottleneck: bool
    ) -> None:
        super().__init__()
        self.shortcut: nn.Module = nn.Identity()
        if before != after or stride != 1:
            self.shortcut = _convolved(batch, before, after, 1, stride, relu=False)
        inside = after // 4 if bottleneck else after
        kernel, strides = (1, (1, stride)) if bottleneck else (3, (stride, 1))
        parts = [_convolved(batch, before, inside, kernel, strides[0])]
        if bottleneck:
            parts.append(_convolved(batch, inside, inside, 3, strides[1]))
        self.layer = nn.Sequential(*parts, _convolved(batch, inside, after, kernel, relu=False))

    def forward(self, values: Tensor) -> Tensor:
        return torch.relu(self.layer(values) + self.shortcut(values))


def _convolved(
    batch: PaddedBatch, before: int, after: int, kernel: int, stride: int = 1, *, relu: bool = True
) -> nn.Sequential:
    """A convolution, BatchNorm over true frames, and ReLU."""
    convolution = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False)
    normalization = MaskedBatchNorm2d(after, batch)
    parts = OrderedDict[str, nn.Module](convolution=convolution, normalization=normalization)
    return nn.Sequential(parts | {"activation": nn.ReLU()} if relu else parts)

"""The module behind the encoder `resnet`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers import ResNetConfig, ResNetModel

from ._masks import MaskedBatchNorm2d, MaskedMaxPool2d, PaddedBatch, frame_mask, normalised


class ResNetOnLogMel(nn.Module):
    """transformers' ResNet on log-mel as an image with one channel, padding masked throughout."""

    def __init__(
        self,
        config: ResNetConfig,
        centre: float,
        scale: float,
        per_utterance: bool,
        n_mels: int,
    ) -> None:
        """Builds the module with weights from the current random state of torch.

        Values of a frame after its `n_mels` bins, scaled already, are channels of the image that
        are the same for all bins.
        """
        super().__init__()
        self.centre, self.scale, self.per_utterance = centre, scale, per_utterance
        self.n_mels = n_mels
        self.batch = PaddedBatch()
        net: Any = ResNetModel(config)
        self.net: nn.Module = net
        for name, module in list(self.net.named_modules()):
            if isinstance(module, nn.BatchNorm2d):
                self.net.set_submodule(name, MaskedBatchNorm2d(module.num_features, self.batch))
            elif isinstance(module, nn.MaxPool2d):
                self.net.set_submodule(name, MaskedMaxPool2d(module, self.batch))
        # This layout is twice as fast on a CPU at these sizes.
        net.to(memory_format=torch.channels_last)

    def forward(self, features: Tensor, frames: Tensor) -> list[tuple[Tensor, Tensor]]:
        """Returns per stage the values, shape (batch, frames', channels), and the true lengths."""
        self.batch.begin(frames, features.shape[1])
        mask = frame_mask(frames, features.shape[1])[:, :, None]
        mels, added = features[:, :, : self.n_mels], features[:, :, self.n_mels :]
        image = normalised(mels, mask, self.centre, self.scale, self.per_utterance)[:, None]
        if added.shape[2]:
            wide = added.transpose(1, 2)[:, :, :, None].expand(-1, -1, -1, self.n_mels)
            image = torch.cat([image, wide], 1)
        image = image.contiguous(memory_format=torch.channels_last)
        stages = self.net(image, output_hidden_states=True).hidden_states[1:]
        # The mean over the mel axis: the remaining information on frequency is in the channels.
        layers = [stage.mean(3).transpose(1, 2) for stage in stages]
        return [(layer, self.batch.lengths(layer.shape[1])) for layer in layers]

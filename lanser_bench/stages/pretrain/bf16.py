"""Training in bfloat16, and the one shape that a CPU computes wrongly."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ...errors import SettingsError
from ..network import Network


def outputs(
    network: Network, features: Tensor, lengths: Tensor, device: torch.device
) -> tuple[Tensor, Tensor | None]:
    """Computes `Network.outputs` in bfloat16; returns float32.

    Weights and the loss stay float32, so the gradient needs no scaling.
    """
    with torch.autocast(device.type, torch.bfloat16):
        logits, measures = network.outputs(features, lengths)
        return logits.float(), None if measures is None else measures.float()


def refuse_one_wide(network: nn.Module) -> None:
    """Makes the network reject inputs that a CPU computes wrongly in bfloat16.

    oneDNN reads uninitialised memory in the weights' gradient of a strided convolution whose input
    is one wide: the numbers differ between runs, or are not finite. A ResNet halves the mel axis
    until it is that narrow if there are few bands.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d) and module.stride[1] > 1 and module.kernel_size[1] > 1:
            module.register_forward_pre_hook(_refuse)


def _refuse(module: nn.Module, inputs: tuple[Any, ...]) -> None:
    if inputs[0].shape[-1] == 1:
        raise SettingsError(
            "pretrain.precision: with so few mel bands, a convolution of the encoder has an input "
            "one wide, whose gradient a CPU computes wrongly in bf16. Set precision: float32, or "
            "use more bands (resnet: n_mels above 16)."
        )

"""How a training computes its network: in which precision, and compiled or not."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ...errors import SettingsError
from ..network import Network

if TYPE_CHECKING:
    from .spec import TrainingParams

Outputs = tuple[Tensor, Tensor | None]
"""Logits and, from a second head, acoustic measures."""
Compute = Callable[[Tensor, Tensor], Outputs]
"""From features and lengths."""


def computation(network: Network, params: TrainingParams, device: torch.device) -> Compute:
    """Returns `Network.outputs` as the settings ask."""
    compute: Compute = network.outputs
    if params.compile:
        compute = partial(_compiled, torch.compile(compute, dynamic=True))
    if params.precision == "float32":
        return compute
    if device.type == "cpu":
        _refuse_one_wide(network)
    return partial(_bf16, compute, device)


def _compiled(compute: Compute, features: Tensor, lengths: Tensor) -> Outputs:
    try:
        return compute(features, lengths)
    except RuntimeError as error:
        if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
            raise
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise SettingsError(
            f"torch.compile cannot compile the network on this machine: {reason}. Set "
            "compile: false, or install what is missing."
        ) from error


def _bf16(compute: Compute, device: torch.device, features: Tensor, lengths: Tensor) -> Outputs:
    """Computes in bfloat16 and returns float32.

    Weights and the loss stay float32, so the gradient needs no scaling.
    """
    with torch.autocast(device.type, torch.bfloat16):
        logits, measures = compute(features, lengths)
        return logits.float(), None if measures is None else measures.float()


def _refuse_one_wide(network: nn.Module) -> None:
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

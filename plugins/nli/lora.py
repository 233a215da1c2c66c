"""Low-rank adaptation (Hu et al., 2021, arXiv:2106.09685) of a BERT's linear layers."""

from __future__ import annotations

import math
import re

import torch
from torch import Tensor, nn
from torch.nn import functional

ADAPTED = re.compile(r"^bert\.(encoder\.layer\.\d+\..+|pooler\.dense)$")


class LoraLinear(nn.Module):
    """A frozen linear layer plus a trainable product of two narrow matrices.

    y = W x + b + (alpha / rank) · B A x, with A (rank × inputs) random and B (outputs × rank) zero
    at the start, so that an untrained adapter changes nothing.

    Args:
        linear: the layer to adapt; its own weights are frozen and shared, not copied.
        rank: the width of the bottleneck.
        alpha: the strength of the update before it is divided by the rank.
    """

    def __init__(self, linear: nn.Linear, rank: int, alpha: float) -> None:
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.scale = alpha / rank
        self.lora_a = nn.Parameter(torch.empty(rank, linear.in_features))
        self.lora_b = nn.Parameter(torch.zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.lora_a, a=math.sqrt(5))

    def forward(self, inputs: Tensor) -> Tensor:
        """Apply the layer and its update.

        Args:
            inputs: … × inputs.

        Returns:
            … × outputs.
        """
        update = functional.linear(functional.linear(inputs, self.lora_a), self.lora_b)
        outputs: Tensor = self.linear(inputs) + self.scale * update
        return outputs

    def merged(self) -> nn.Linear:
        """Add the update into the frozen weight.

        Returns:
            The plain linear layer, which is the one given at the start, changed in place.
        """
        with torch.no_grad():
            self.linear.weight += self.scale * (self.lora_b @ self.lora_a)
        return self.linear


def attach(model: nn.Module, rank: int, alpha: float) -> None:
    """Freeze a BERT classifier and adapt every linear layer of its encoder and pooler.

    Args:
        model: a `BertForSequenceClassification`, changed in place; `classifier` stays trainable.
        rank: the adapters' width.
        alpha: the adapters' strength.
    """
    model.requires_grad_(False)
    linears = [
        (name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)
    ]
    for name, linear in linears:
        if ADAPTED.match(name):
            model.set_submodule(name, LoraLinear(linear, rank, alpha))
    model.get_submodule("classifier").requires_grad_(True)


def merge(model: nn.Module) -> None:
    """Add every adapter into its layer, which leaves an ordinary model without adapters.

    Args:
        model: a model that `attach` changed; changed in place.
    """
    adapted = [
        (name, module) for name, module in model.named_modules() if isinstance(module, LoraLinear)
    ]
    for name, module in adapted:
        model.set_submodule(name, module.merged())


def trainable_state(model: nn.Module) -> dict[str, Tensor]:
    """Collect what training changes: the adapters and the head.

    Args:
        model: a model that `attach` changed.

    Returns:
        Tensors by parameter name, detached and still sharing the model's memory.
    """
    return {name: value.detach() for name, value in model.named_parameters() if value.requires_grad}

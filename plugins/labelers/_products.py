"""Matrix products with weights laid out beforehand as the processor's library likes them.

oneDNN keeps weights in blocks of its own and applies an activation or a sum while results are still
in the processor's registers (its post-ops). transformers calls products with plain weights, which
are laid out anew at every call, and then reads and writes each result once more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

FUSED = {"GELUActivation": ("gelu", "none"), "ReLU": ("relu", "")}
"""Activations of transformers, by class name, that oneDNN applies exactly: name and algorithm."""
ROWS = 1024
"""Rows that the layout is chosen for; others take it too."""


@dataclass(frozen=True, slots=True)
class Product:
    """Rows × weightᵀ + bias, in the weights' precision."""

    weight: Any
    bias: Any
    kind: Any
    packed: bool

    def __call__(self, rows: Any) -> Any:
        """Returns the product, shape (rows, outputs)."""
        if self.packed:
            return _library()(rows.to(self.kind), self.weight, self.bias, "none", [], "")
        return self._plain(rows)

    def activated(self, rows: Any, activation: Callable[[Any], Any]) -> Any:
        """Returns the activation of the product."""
        fused = FUSED.get(type(activation).__name__)
        if self.packed and fused:
            name, algorithm = fused
            return _library()(rows.to(self.kind), self.weight, self.bias, name, [], algorithm)
        return activation(self(rows))

    def added(self, rows: Any, others: Any) -> Any:
        """Returns the product plus other rows, in the precision of those."""
        if self.packed and others.dtype == self.kind:
            add = _library().binary
            return add(rows.to(self.kind), others, self.weight, self.bias, "add")
        return self(rows) + others

    def _plain(self, rows: Any) -> Any:
        from torch.nn import functional

        return functional.linear(rows.to(self.kind), self.weight, self.bias)


def product(weight: Any, bias: Any, kind: Any) -> Product:
    """Prepares a product; on a processor without oneDNN it is torch's own.

    Args:
        weight: shape (outputs, inputs).
        bias: shape (outputs,).
        kind: torch's type of numbers that are multiplied.
    """
    import torch

    weight, bias = weight.detach().to(kind), bias.detach().to(kind)
    library: Any = torch.backends.mkldnn
    packed = weight.device.type == "cpu" and library.is_available()
    if packed:
        weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), ROWS)
    return Product(weight, bias, kind, packed)


def _library() -> Any:
    import torch

    return torch.ops.mkldnn._linear_pointwise

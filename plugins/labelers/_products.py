"""Matrix products with weights in the layout of the processor's library.

oneDNN stores weights in its own blocks, and applies an activation or a sum while results are still
in the processor's registers (its post-ops). transformers passes plain weights, which are converted
at every call, and then reads and writes each result again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

GELU = ("gelu", "none")
FUSED = {"GELUActivation": GELU, "GELU": GELU, "ReLU": ("relu", "")}
"""Activations by class name that oneDNN applies exactly: name and algorithm."""
ROWS = 1024
"""Rows that the layout is chosen for; it works for any number."""


@dataclass(frozen=True, slots=True)
class Product:
    """Rows × weightᵀ + bias, rounded to a type of numbers before and after.

    If the weights have a wider type, it multiplies and sums the rounded numbers.
    """

    weight: Any
    bias: Any
    kind: Any
    packed: bool

    def __call__(self, rows: Any) -> Any:
        """Returns the product, shape (rows, outputs)."""
        from torch.nn import functional

        if self.packed:
            return self._fused(rows, "none", "")
        return functional.linear(self._rounded(rows), self.weight, self.bias).to(self.kind)

    def activated(self, rows: Any, activation: Callable[[Any], Any]) -> Any:
        """Returns the activation of the product."""
        fused = FUSED.get(type(activation).__name__)
        return self._fused(rows, *fused) if self.packed and fused else activation(self(rows))

    def added(self, rows: Any, others: Any) -> Any:
        """Returns the product plus other rows, in the precision of these rows."""
        if self.packed and others.dtype == self.kind == self.bias.dtype:
            return _library().binary(rows.to(self.kind), others, self.weight, self.bias, "add")
        return self(rows) + others

    def _rounded(self, rows: Any) -> Any:
        return rows.to(self.kind).to(self.bias.dtype)

    def _fused(self, rows: Any, name: str, algorithm: str) -> Any:
        given = self._rounded(rows)
        return _library()(given, self.weight, self.bias, name, [], algorithm).to(self.kind)


def product(weight: Any, bias: Any, kind: Any) -> Product:
    """Prepares a product; on a processor without oneDNN it is torch's own.

    On a CPU without instructions for bfloat16, numbers rounded to bfloat16 are multiplied in
    float32, which represents each product of two such numbers exactly, so only the order of sums
    differs. This is two to six times faster there than torch's own bfloat16.

    `weight` has shape (outputs, inputs); `kind` is torch's type of the numbers to multiply.
    """
    import torch

    weight, bias = weight.detach().to(kind), bias.detach().to(kind)
    library: Any = torch.backends.mkldnn
    on_cpu = weight.device.type == "cpu"
    packed = on_cpu and library.is_available()
    if on_cpu and kind == torch.bfloat16 and not native_bf16():
        weight, bias = weight.float(), bias.float()
    if packed:
        weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), ROWS)
    return Product(weight, bias, kind, packed)


def native_bf16() -> bool:
    """Whether oneDNN multiplies bfloat16 numbers on this CPU."""
    import torch

    library: Any = torch.backends.mkldnn
    return bool(library.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _library() -> Any:
    import torch

    return torch.ops.mkldnn._linear_pointwise

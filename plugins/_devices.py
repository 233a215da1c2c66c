"""Where and how precisely the networks of plugins compute: the options `device` and `precision`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from lanser_bench import SettingsError

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bf16", "float16"]


def _available(device: str) -> bool:
    import torch

    places: dict[str, Any] = {"cuda": torch.cuda, "mps": torch.backends.mps}
    return device == "cpu" or places[device].is_available()


def _named(device: Any) -> Any:
    """Replaces ``auto`` by the device of this machine."""
    if device != "auto":
        return device
    return next(name for name in ("cuda", "mps", "cpu") if _available(name))


Device = Annotated[
    Literal["cpu", "cuda", "mps"],
    BeforeValidator(_named),
    WithJsonSchema({"enum": ["auto", "cpu", "cuda", "mps"], "type": "string"}),
]
"""``auto`` becomes the device of the machine that reads the options, so keys name the device."""


def _cpu_computes(precision: Precision) -> bool:
    """Whether oneDNN has kernels for the type on this CPU; without them it is far slower."""
    import torch

    if precision == "float32":
        return True
    library: Any = torch.backends.mkldnn
    check = {"bf16": "_is_mkldnn_bf16_supported", "float16": "_is_mkldnn_fp16_supported"}
    return bool(library.is_available() and getattr(torch.ops.mkldnn, check[precision])())


def dtype_on(device: str, precision: Precision) -> torch.dtype:
    """Returns torch's type for a precision.

    Raises:
        SettingsError: this machine lacks the device, or its CPU cannot compute in the precision.
    """
    import torch

    if not _available(device):
        raise SettingsError(
            f"The option 'device' is {device}, but torch finds no such device here. Run on a "
            "machine that has one, install a torch built for it, or set device: cpu."
        )
    if device == "cpu" and not _cpu_computes(precision):
        raise SettingsError(
            f"The CPU of this machine does not compute in {precision}. Set precision: float32, or "
            "choose another device."
        )
    types = {"float32": torch.float32, "bf16": torch.bfloat16, "float16": torch.float16}
    return types[precision]

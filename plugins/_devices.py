"""How precisely the networks of plugins compute: the option `precision`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from lanser_bench import SettingsError, compute_device

if TYPE_CHECKING:
    import torch

Precision = Literal["float32", "bf16", "float16"]


def _cpu_computes(precision: Precision) -> bool:
    """Whether oneDNN has kernels for the type on this CPU; without them it is far slower."""
    import torch

    if precision == "float32":
        return True
    library: Any = torch.backends.mkldnn
    check = {"bf16": "_is_mkldnn_bf16_supported", "float16": "_is_mkldnn_fp16_supported"}
    return bool(library.is_available() and getattr(torch.ops.mkldnn, check[precision])())


def dtype_on(device: str, precision: Precision) -> torch.dtype:
    """Returns torch's type for a precision; raises `SettingsError` if this machine lacks it."""
    import torch

    if compute_device(device).type == "cpu" and not _cpu_computes(precision):
        raise SettingsError(
            f"The CPU of this machine does not compute in {precision}. Set precision: float32, or "
            "choose another device."
        )
    types = {"float32": torch.float32, "bf16": torch.bfloat16, "float16": torch.float16}
    return types[precision]


def exact_convolutions(module: torch.nn.Module, device: str, dtype: torch.dtype) -> None:
    """Keeps convolutions in float32 on a CPU, in a module of a shorter type.

    On CPUs with AMX, oneDNN's kernels (torch 2.13) gave wrong sums for some shapes in bfloat16 and
    did not return for some in float16.
    """
    import torch

    if dtype is torch.float32 or compute_device(device).type != "cpu":
        return
    for part in module.modules():
        if isinstance(part, torch.nn.Conv1d):
            part.float()
            part.register_forward_pre_hook(lambda _, given: tuple(x.float() for x in given))
            part.register_forward_hook(lambda _, __, answer: answer.to(dtype))

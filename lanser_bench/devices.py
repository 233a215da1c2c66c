"""Devices of networks: their names in settings, and torch's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema

from .errors import SettingsError

if TYPE_CHECKING:
    import torch


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
"""``auto`` becomes the device of the machine that reads the settings, so keys name the device."""


def compute_device(name: str) -> torch.device:
    """Returns torch's device for a name; on a GPU, float32 then means float32, not TF32.

    Raises:
        SettingsError: this machine lacks the device.
    """
    import torch

    name = _named(name)
    if not _available(name):
        raise SettingsError(
            f"The device is {name}, but torch finds no such device here. Run on a machine that has "
            "one, install a torch built for it, or set the device to cpu ('devices', or the "
            "plugin's option 'device')."
        )
    torch.backends.cudnn.allow_tf32 = False  # as it is for products of matrices
    return torch.device(name)

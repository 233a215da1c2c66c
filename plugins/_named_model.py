"""Options of plugins that run a model of transformers, of which none comes with lanser-bench."""

from __future__ import annotations

from typing import ClassVar, Self

from pydantic import model_validator

from lanser_bench import Device, PluginOptions


class NamedModelOptions(PluginOptions):
    """A model that the user names."""

    kind: ClassVar[str]
    example: ClassVar[str]

    model: str = ""
    """A model of transformers: a folder, or a hub id, ``org/name`` or ``org/name@revision``."""
    device: Device = "cpu"
    """Part of the key, because each gives slightly different floats. ``auto`` becomes the device of
    the machine that reads the experiment: ``cuda``, else ``mps``, else ``cpu``."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.model:
            raise ValueError(
                f"name a {self.kind} in the option 'model', a folder or a hub id such as "
                f"{self.example}: none comes with lanser-bench"
            )
        return self

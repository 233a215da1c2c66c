"""Options of labelers that run a model of transformers, of which none comes with lanser-bench."""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import model_validator

from lanser_bench import PluginOptions


class NamedModelOptions(PluginOptions):
    """A model that the user names."""

    kind: ClassVar[str]
    example: ClassVar[str]

    model: str = ""
    """A model of transformers: a folder, or a hub id, ``org/name`` or ``org/name@revision``."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Part of the key, because the two give slightly different floats."""

    @model_validator(mode="after")
    def _named(self) -> Self:
        if not self.model:
            raise ValueError(
                f"name a {self.kind} in the option 'model', a folder or a hub id such as "
                f"{self.example}: none comes with lanser-bench"
            )
        return self

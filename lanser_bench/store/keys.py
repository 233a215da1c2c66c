"""Keys: the identity of an artifact, made of everything that can change it and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from .._digest import digest

KEY_VERSION = 1
"""Increased when the meaning of keys changes; older artifacts are then never found."""


class PluginIdentity(BaseModel):
    """Everything about a plugin that can change its numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    name: str
    distribution: str
    version: str
    source: str
    """Hash of its module and of the modules of its package that it imports."""
    options: dict[str, Any]
    """Its options; a file or folder appears by content, not by path."""
    located: dict[str, Any] = Field(default={}, exclude=True)
    """The paths in its options on this machine; in no key and no record."""
    weights: str
    """The plugin's `fingerprint()`."""
    libraries: dict[str, str]
    """Installed versions of the libraries it declares."""


class Spec(BaseModel):
    """The content of a key: everything that can change the artifact.

    Deliberately excluded: paths (their bytes are hashed instead), the number of workers, log
    levels, the time and the machine.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: str
    stage_version: str
    plugins: dict[str, PluginIdentity] = {}
    """Role in the stage → plugin."""
    params: dict[str, Any] = {}
    """Plain settings of the stage, with the taxonomy's content hash if it uses one."""
    parents: dict[str, str] = {}
    """Role → key of the artifact it reads."""
    seed: int | None = None
    threads: int | None = None
    """Set if the number of threads can change floats."""

    @property
    def key(self) -> str:
        """SHA-256 of the canonical content, 32 hexadecimal digits."""
        return spec_key(self.model_dump(mode="json"))


def spec_key(content: Mapping[str, Any]) -> str:
    """Returns the key of a spec's content as JSON values."""
    return digest({"key_version": KEY_VERSION, **content})

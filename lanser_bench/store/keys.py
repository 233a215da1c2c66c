"""Keys: the identity of an artifact, made of all that can change it and of nothing else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

KEY_VERSION = 1
"""Raised when the meaning of a key changes; older artifacts are then simply not found."""


class PluginIdentity(BaseModel):
    """All of a plugin that can change its numbers."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: str
    name: str
    distribution: str
    version: str
    source: str
    """Hash of its module and of the modules of its package that it imports."""
    options: dict[str, Any]
    """Its options; one that names a file or folder stands here by content, not by place."""
    located: dict[str, Any] = Field(default={}, exclude=True)
    """Where on this machine those options point; in no key and in no record."""
    weights: str
    """The plugin's `fingerprint()`."""
    libraries: dict[str, str]
    """Installed versions of the libraries it declares."""


class Spec(BaseModel):
    """The content of a key. What is not here cannot change the artifact.

    Left out on purpose: paths (the bytes behind them are hashed instead), the number of workers,
    log levels, the time, the machine.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stage: str
    stage_version: str
    plugins: dict[str, PluginIdentity] = {}
    """Role in the stage → plugin."""
    params: dict[str, Any] = {}
    """Plain settings of the stage, with the taxonomy's content hash where it takes part."""
    parents: dict[str, str] = {}
    """Role → key of the artifact it reads."""
    seed: int | None = None
    threads: int | None = None
    """Where the number of threads can move floats."""

    @property
    def key(self) -> str:
        """32 hexadecimal digits of the SHA-256 of the canonical content."""
        return spec_key(self.model_dump(mode="json"))


def spec_key(content: Mapping[str, Any]) -> str:
    """Returns the key of a spec's content as JSON values."""
    return digest({"key_version": KEY_VERSION, **content})


_encoder = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False
)
# One for all: to make an encoder takes longer than to encode a small value.


def canonical(value: Any) -> str:
    """Returns the one JSON text of a value: sorted keys, no spaces, no NaN."""
    return _encoder.encode(value)


def digest(value: Any) -> str:
    """Returns 32 hexadecimal digits of the SHA-256 of a JSON value."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:32]

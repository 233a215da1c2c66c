"""Artifacts on disk, and drafts of artifacts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic_core import from_json

from .._digest import digest
from ..paths import read_whole
from .hashes import seen_sha256
from .keys import Spec, spec_key

FORMAT = 1
"""Version of the folder's layout; artifacts of another format are ignored."""
MARKER = "done.json"


class _File(BaseModel, strict=True):
    size: int
    sha256: str


class _Made(BaseModel, strict=True):
    stage: str
    parents: dict[str, str]
    params: dict[str, Any]


class _Marker(BaseModel, strict=True):
    """The content of a marker; its spec may have fields of another version."""

    spec: _Made
    files: dict[str, _File]
    parts: list[str]
    counts: dict[str, Any]
    seconds: float
    written: str


@dataclass(frozen=True)
class Artifact:
    """A finished artifact."""

    key: str
    path: Path

    @cached_property
    def meta(self) -> dict[str, Any]:
        """The done-marker: spec, files with checksums, seconds, counts, parts."""
        meta: dict[str, Any] = from_json(read_whole(self.path / MARKER), allow_inf_nan=False)
        _Marker.model_validate(meta)
        return meta

    @property
    def spec(self) -> Spec:
        """The content of the key."""
        return Spec.model_validate(self.meta["spec"])

    @property
    def size(self) -> int:
        """Bytes of its files, without the marker."""
        return sum(file["size"] for file in self.meta["files"].values())

    def is_usable(self) -> bool:
        """Returns whether its marker exists, in this format and for this key; reads no payload."""
        try:
            return (self.meta["format"], self.meta["key"]) == (FORMAT, self.key)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def faults(self) -> list[str]:
        """Describes everything that is missing or has changed; empty if the artifact is intact."""
        if not self.is_usable():
            return [f"{MARKER} is missing or unreadable"]
        # The spec as it was written: the model of this version may have other fields.
        if spec_key(self.meta["spec"]) != self.key:
            return [f"{MARKER} belongs to another key"]
        if "check" in self.meta and self.meta["check"] != marker_check(self.meta):
            return [f"{MARKER} does not match its checksum"]
        faults = []
        for name, of in self.meta["files"].items():
            file = self.path / name
            if not file.is_file():
                faults.append(f"{name} is missing")
            elif file.stat().st_size != of["size"]:
                faults.append(f"{name} has {file.stat().st_size} bytes, not {of['size']}")
            elif seen_sha256(file) != of["sha256"]:
                faults.append(f"{name} does not match its checksum")
        return faults


def marker_check(marker: Mapping[str, Any]) -> str:
    """Returns the checksum of a marker's content, with the parts and counts."""
    return digest({name: value for name, value in marker.items() if name != "check"})


class Draft:
    """An artifact being written: put files into `path`; set `counts` and `parts`."""

    def __init__(self, path: Path) -> None:
        """Wraps a new temporary folder."""
        self.path = path
        self.counts: dict[str, Any] = {}
        """Numbers of items read, skipped, abstained …: shown to the user, kept in the marker."""
        self.parts: list[str] = []
        """Keys of the shard artifacts that this one refers to."""
        self.cost: dict[str, Any] = {}
        """Time that it took, and the machine; kept in the marker if it is set."""
        self.seconds: float = 0.0

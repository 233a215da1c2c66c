"""The artifact store: one folder per key, complete or absent.

An artifact is written into a temporary folder, flushed to disk, renamed into place, and only then
given its done-marker. Whoever renames first wins; whoever finds no marker sees no artifact.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from filelock import FileLock

from ..errors import StoreError
from .identity import file_sha256
from .keys import Spec

FORMAT = 1
"""Version of the folder's layout; an artifact of another format is not used."""
MARKER = "done.json"


@dataclass(frozen=True)
class Artifact:
    """A finished artifact."""

    key: str
    path: Path

    @cached_property
    def meta(self) -> dict[str, Any]:
        """The done-marker: spec, files with checksums, seconds, counts, parts."""
        meta: dict[str, Any] = json.loads((self.path / MARKER).read_text(encoding="utf-8"))
        return meta

    @property
    def spec(self) -> Spec:
        """The content of the key."""
        return Spec.model_validate(self.meta["spec"])

    def faults(self) -> list[str]:
        """Names every file that is missing or whose bytes have changed; empty if all is well."""
        found = []
        for name, expected in self.meta["files"].items():
            file = self.path / name
            if not file.is_file():
                found.append(f"{name} is missing")
            elif file.stat().st_size != expected["size"]:
                found.append(f"{name} has {file.stat().st_size} bytes, not {expected['size']}")
            elif file_sha256(file) != expected["sha256"]:
                found.append(f"{name} has other bytes than were written")
        return found


class Draft:
    """An artifact being written: put files into `path`; set `counts` and `parts`."""

    def __init__(self, path: Path) -> None:
        """Wraps a fresh temporary folder."""
        self.path = path
        self.counts: dict[str, Any] = {}
        """What was read, skipped, abstained …: shown to the user and kept in the marker."""
        self.parts: list[str] = []
        """Keys of the shard artifacts that this one refers to."""
        self.seconds: float = 0.0


class Store:
    """A folder of artifacts that any number of processes may share."""

    def __init__(self, root: Path) -> None:
        """Opens or makes the store at `root`."""
        self.root = Path(root).resolve()
        try:
            for name in ("objects", "tmp", "locks"):
                (self.root / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"The store {self.root} cannot be written: {error.strerror}. "
                "Choose another with paths.store."
            ) from None

    def _folder(self, key: str) -> Path:
        return self.root / "objects" / key[:2] / key

    def __contains__(self, key: str) -> bool:
        """Tells whether a key's artifact is finished and of this format; reads no payload."""
        return self.get(key) is not None

    def get(self, key: str) -> Artifact | None:
        """Returns a finished artifact, or None if there is none of this format."""
        artifact = Artifact(key, self._folder(key))
        try:
            usable = artifact.meta.get("format") == FORMAT and artifact.meta.get("key") == key
        except (OSError, ValueError):
            return None
        return artifact if usable else None

    def checked(self, key: str) -> Artifact:
        """Returns a finished artifact whose bytes are what was written.

        Raises:
            StoreError: it is absent or damaged; a damaged one is set aside to be computed again.
        """
        artifact = self.get(key)
        if artifact is None:
            raise StoreError(f"Artifact {key} is not in the store {self.root}.")
        faults = artifact.faults()
        if faults:
            self.discard(key)
            raise StoreError(
                f"Artifact {key} ({artifact.meta['spec']['stage']}) is damaged: "
                f"{'; '.join(faults)}. It was removed; run again to recompute it."
            )
        return artifact

    def keys(self) -> Iterator[str]:
        """Yields the keys of all finished artifacts."""
        for marker in sorted((self.root / "objects").glob(f"*/*/{MARKER}")):
            yield marker.parent.name

    @contextmanager
    def lock(self, key: str) -> Iterator[None]:
        """Holds a key for this process, so that a distinct stage runs once.

        Whoever holds it is the only writer: drafts of the key were left behind by a killed one.
        """
        with FileLock(self.root / "locks" / f"{key}.lock"):
            for left in (self.root / "tmp").glob(f"{key}-*"):
                shutil.rmtree(left, ignore_errors=True)
            yield

    @contextmanager
    def write(self, spec: Spec) -> Iterator[Draft]:
        """Gives a draft that becomes the artifact of `spec` when the block ends without error.

        If another process finished the same key first, its artifact stays and the draft goes.
        """
        key = spec.key
        folder = self.root / "tmp" / f"{key}-{secrets.token_hex(4)}"
        draft = Draft(folder)
        try:
            folder.mkdir()
            yield draft
            self._publish(spec, draft)
        except OSError as error:
            if error.filename is not None and self.root not in Path(error.filename).parents:
                raise  # some other file of the stage's: not the store's fault
            raise StoreError(
                f"Artifact {key} ({spec.stage}) cannot be written to {self.root}: "
                f"{error.strerror or error}. The store is unchanged."
            ) from error
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _publish(self, spec: Spec, draft: Draft) -> None:
        key, target = spec.key, self._folder(spec.key)
        files = {}
        for path in sorted(p for p in draft.path.rglob("*") if p.is_file()):
            sync(path)
            files[path.relative_to(draft.path).as_posix()] = {
                "size": path.stat().st_size,
                "sha256": file_sha256(path),
            }
        target.parent.mkdir(parents=True, exist_ok=True)
        if target.exists() and key not in self:
            shutil.rmtree(target)  # killed before its marker, or of another format
        if key not in self:
            try:
                draft.path.rename(target)
            except OSError:
                if key in self:
                    return
                raise
            sync(target.parent)
            marker = {
                "format": FORMAT,
                "key": key,
                "spec": spec.model_dump(mode="json"),
                "files": files,
                "parts": draft.parts,
                "counts": draft.counts,
                "seconds": round(draft.seconds, 3),
                "written": datetime.now(UTC).isoformat(timespec="seconds"),
            }
            write_atomic(target / MARKER, json.dumps(marker, indent=1, ensure_ascii=False) + "\n")

    def discard(self, key: str) -> None:
        """Removes an artifact: the marker first, so that nobody sees half of it."""
        folder = self._folder(key)
        (folder / MARKER).unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)


def write_atomic(path: Path, text: str) -> None:
    """Writes a text file so that it is either the old or the new one, even after a power cut."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # Not by `tempfile`: its files are for their owner alone, and a store may be shared.
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with temporary.open("x", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync(path.parent)


def sync(path: Path) -> None:
    """Makes what was written to a file or a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

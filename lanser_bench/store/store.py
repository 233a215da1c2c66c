"""The artifact store: one folder per key, complete or absent.

An artifact is written into a temporary folder and flushed to disk, the done-marker last; one rename
moves it into place. The first rename wins, and a folder without a marker is no artifact.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from ..errors import StoreError
from .artifact import FORMAT, MARKER, Artifact, Draft, marker_check
from .files import WRITE_ERRORS, sync, why_unwritable, write_atomic
from .hashes import file_sha256
from .keys import Spec
from .lease import Lease, Owner, hold, is_dead, unwritable

_log = logging.getLogger(__name__)

FOLDERS = ("objects", "tmp", "locks", "damaged")


class LostError(StoreError):
    """An artifact that a stage reads is missing and must be computed again."""


class DamagedError(LostError):
    """An artifact does not match its checksums; it was set aside.

    It is built from its message alone, like every error that is sent between processes.
    """

    @classmethod
    def of(cls, artifact: Artifact, faults: Sequence[str]) -> DamagedError:
        """Returns the error with the faults of an artifact."""
        return cls(
            f"Artifact {artifact.key} ({artifact.meta['spec']['stage']}) in {artifact.path} is "
            f"damaged: {'; '.join(faults)}. It was set aside and will be computed again."
        )


class Store:
    """A folder of artifacts that any number of processes and machines may share."""

    def __init__(self, root: Path, layers: Sequence[Path] = (), *, read_only: bool = False) -> None:
        """Opens or creates a store.

        Artifacts that `root` does not have are read from `layers`, which are never written and may
        be on a read-only disk. `read_only` creates no folders in `root`.

        Raises:
            StoreError: `root` is not writable, or a layer is not a store.
        """
        self.root = Path(root).resolve()
        self.layers = tuple(Path(layer).resolve() for layer in layers)
        for layer in self.layers:
            if not (layer / "objects").is_dir():
                raise StoreError(f"There is no store at {layer}. Correct paths.shared.")
        try:
            for name in () if read_only else FOLDERS:
                (self.root / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(self.root, error) from None

    def _folder(self, key: str) -> Path:
        return self.root / _place(key)

    def __contains__(self, key: str) -> bool:
        """Returns whether a key has a finished artifact of this format; reads no payload."""
        return self.get(key) is not None

    def get(self, key: str) -> Artifact | None:
        """Returns a finished artifact of this format, or None.

        The store's own artifact comes first, then that of the first layer that has one.
        """
        own = Artifact(key, self._folder(key))
        if own.is_usable():
            return own
        for layer in self.layers:
            shared = Artifact(key, layer / _place(key))
            if shared.is_usable() and not self._refused(key).exists():
                return shared
        return None

    def checked(self, key: str) -> Artifact:
        """Returns a finished artifact after verifying its checksums.

        Raises:
            LostError: it is missing; or a `DamagedError`, after it was set aside.
        """
        artifact = self.get(key)
        if artifact is None:
            raise LostError(f"Artifact {key} is not in the store {self.root}.")
        faults = artifact.faults()
        # Checked twice: another process may have replaced it in between.
        if faults and (faults := Artifact(key, artifact.path).faults()):
            self.set_aside(artifact, faults)
            raise DamagedError.of(artifact, faults)
        return artifact

    def intact(self, key: str) -> Artifact | None:
        """As `checked`; None without the artifact, or, with a note, if it was damaged."""
        try:
            return self.checked(key)
        except LostError as error:
            if isinstance(error, DamagedError):
                _log.warning("%s", error)
            return None

    def keys(self) -> Iterator[str]:
        """Yields the keys of the store's own finished artifacts, without those of layers."""
        markers = (self.root / "objects").glob(f"*/*/{MARKER}")
        yield from sorted(marker.parent.name for marker in markers)

    @contextmanager
    def lock(
        self, key: str, waiting: Callable[[Owner | None], None] | None = None
    ) -> Iterator[Lease]:
        """Locks a key for this process on all machines, so that a distinct stage runs once.

        `waiting` is called repeatedly with the holder while another process has the lock.
        """
        with hold(self.root / "locks", key, waiting) as lease:
            for draft in (self.root / "tmp").glob(f"{key}-*"):
                if is_dead(draft_owner(draft)):
                    shutil.rmtree(draft, ignore_errors=True)
            yield lease

    @contextmanager
    def write(self, spec: Spec) -> Iterator[Draft]:
        """Yields a draft that becomes the artifact of `spec` if the block ends without error.

        If another process finished the same key first, its artifact stays and the draft is removed.
        """
        key = spec.key
        folder = self._draft_folder(key)
        draft = Draft(folder)
        try:
            folder.mkdir()
            yield draft
            self._publish(spec, draft)
        except (ConnectionError, TimeoutError):
            raise  # a plugin's server, not this disk
        except WRITE_ERRORS as error:
            place = getattr(error, "filename", None)
            if place is not None and self.root not in Path(place).parents:
                raise  # another file of the stage, not the store
            raise StoreError(
                f"Artifact {key} ({spec.stage}) cannot be written to {self.root}: "
                f"{why_unwritable(error, self.root)}. The store is unchanged."
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
        marker = {
            "format": FORMAT,
            "key": key,
            "spec": spec.model_dump(mode="json"),
            "files": files,
            "parts": draft.parts,
            "counts": draft.counts,
            "seconds": round(draft.seconds, 3),
            **({"cost": draft.cost} if draft.cost else {}),
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        marker["check"] = marker_check(marker)
        text = json.dumps(marker, indent=1, ensure_ascii=False) + "\n"
        write_atomic(draft.path / MARKER, text)
        target.parent.mkdir(parents=True, exist_ok=True)
        own = Artifact(key, target)
        if target.exists() and not own.is_usable():
            away = self._move_away(own)
            _log.warning(
                "%s has no valid marker of this format; it was moved to %s.", own.path, away
            )
        try:
            draft.path.rename(target)
        except OSError:
            if not Artifact(key, target).is_usable():
                raise
            return
        sync(target.parent)

    def set_aside(self, artifact: Artifact, faults: Sequence[str]) -> None:
        """Makes the store ignore a damaged artifact, so that it is computed again.

        The store's own artifact moves to ``damaged/`` with its faults. A layer's artifact is left
        unchanged, and the store records not to use it.
        """
        try:
            if artifact.path != self._folder(artifact.key):
                note = {"path": str(artifact.path), "faults": list(faults)}
                write_atomic(self._refused(artifact.key), json.dumps(note) + "\n")
            else:
                away = self._move_away(artifact)
                write_atomic(away / "faults.json", json.dumps(list(faults)) + "\n")
        except FileNotFoundError:
            pass  # another process was faster
        except OSError as error:
            raise unwritable(self.root, error) from error

    def _move_away(self, artifact: Artifact) -> Path:
        away = self.root / "damaged" / f"{artifact.key}-{secrets.token_hex(4)}"
        away.parent.mkdir(exist_ok=True)
        artifact.path.rename(away)
        return away

    def _refused(self, key: str) -> Path:
        return self.root / "damaged" / f"{key}.json"

    def discard(self, key: str) -> None:
        """Removes an artifact, after a rename, so that no process sees a part of it.

        A process may compute the same key meanwhile: its place is free, and its artifact stays.

        Raises:
            StoreError: it cannot be removed.
        """
        removed = self._draft_folder(key)
        try:
            self._folder(key).rename(removed)
        except FileNotFoundError:
            return
        except OSError as error:
            raise unwritable(self.root, error) from error
        shutil.rmtree(removed, ignore_errors=True)

    def touch(self, key: str) -> None:
        """Marks an artifact of the store as just used, for garbage collection."""
        with suppress(OSError):  # a layer's artifact, or a read-only disk
            os.utime(self._folder(key))

    def _draft_folder(self, key: str) -> Path:
        """Returns a new name that includes this process, for others to clean up if it dies."""
        return self.root / "tmp" / f"{key}-{Owner.here().tag}-{secrets.token_hex(4)}"


def draft_owner(draft: Path) -> Owner | None:
    """Returns the process that writes a draft, from its name; None if the name has none."""
    return Owner.from_tag(draft.name.partition("-")[2].partition("-")[0])


def _place(key: str) -> Path:
    return Path("objects", key[:2], key)

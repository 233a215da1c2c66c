"""The artifact store: one folder per key, complete or absent.

An artifact is written into a temporary folder and flushed to disk, its done-marker last; one rename
puts it into its place. Whoever renames first wins; whoever finds no marker sees no artifact.
"""

from __future__ import annotations

import json
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
from .lease import Lease, Owner, hold

FOLDERS = ("objects", "tmp", "locks", "damaged")


class LostError(StoreError):
    """An artifact that something reads is not there any more: it must be computed again."""


class DamagedError(LostError):
    """An artifact's bytes are not what was written; it was set aside.

    Built from its sentence alone, as every error that may travel between processes.
    """

    @classmethod
    def of(cls, artifact: Artifact, faults: Sequence[str]) -> DamagedError:
        """Says what is wrong with an artifact."""
        return cls(
            f"Artifact {artifact.key} ({artifact.meta['spec']['stage']}) in {artifact.path} is "
            f"damaged: {'; '.join(faults)}. It is not used any more and will be computed again."
        )


class Store:
    """A folder of artifacts that any number of processes and machines may share."""

    def __init__(self, root: Path, layers: Sequence[Path] = (), *, read_only: bool = False) -> None:
        """Opens or makes a store.

        Args:
            root: its folder; all that is written goes there.
            layers: other stores whose artifacts are read where `root` has none. Nothing is ever
                written there, so they may be on a read-only disk.
            read_only: makes no folders, for a look at a store that cannot be written.

        Raises:
            StoreError: `root` cannot be written, or a layer is no store.
        """
        self.root = Path(root).resolve()
        self.layers = tuple(Path(layer).resolve() for layer in layers)
        for layer in self.layers:
            if not (layer / "objects").is_dir():
                raise StoreError(f"There is no store at {layer}; it is named in paths.shared.")
        try:
            for name in () if read_only else FOLDERS:
                (self.root / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise self._unwritable(error) from None

    def _unwritable(self, error: OSError) -> StoreError:
        return StoreError(
            f"The store {self.root} cannot be written: {why_unwritable(error)}. "
            "Choose another with paths.store."
        )

    def _folder(self, key: str) -> Path:
        return self.root / _place(key)

    def __contains__(self, key: str) -> bool:
        """Tells whether a key's artifact is finished and of this format; reads no payload."""
        return self.get(key) is not None

    def get(self, key: str) -> Artifact | None:
        """Returns a finished artifact, or None if there is none of this format.

        It is the store's own if there is one, else that of the first layer that has one.
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
        """Returns a finished artifact whose bytes are what was written.

        Raises:
            LostError: it is absent; or a `DamagedError`, after it was set aside.
        """
        artifact = self.get(key)
        if artifact is None:
            raise LostError(f"Artifact {key} is not in the store {self.root}.")
        faults = artifact.faults()
        if faults and (faults := Artifact(key, artifact.path).faults()):  # nobody mended it since
            self.set_aside(artifact, faults)
            raise DamagedError.of(artifact, faults)
        return artifact

    def keys(self) -> Iterator[str]:
        """Yields the keys of all finished artifacts of its own, without those of layers."""
        for marker in sorted((self.root / "objects").glob(f"*/*/{MARKER}")):
            yield marker.parent.name

    @contextmanager
    def lock(
        self, key: str, waiting: Callable[[Owner | None], None] | None = None
    ) -> Iterator[Lease]:
        """Holds a key for this process among all machines, so that a distinct stage runs once.

        Args:
            key: what to hold.
            waiting: told again and again who holds it, as long as it is another process.
        """
        with hold(self.root / "locks", key, waiting) as lease:
            for left in (self.root / "tmp").glob(f"{key}-*"):
                writer = draft_owner(left)
                if writer is not None and writer.is_dead():
                    shutil.rmtree(left, ignore_errors=True)
            yield lease

    @contextmanager
    def write(self, spec: Spec) -> Iterator[Draft]:
        """Gives a draft that becomes the artifact of `spec` when the block ends without error.

        If another process finished the same key first, its artifact stays and the draft goes.
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
                raise  # some other file of the stage's: not the store's fault
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
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        marker["check"] = marker_check(marker)
        text = json.dumps(marker, indent=1, ensure_ascii=False) + "\n"
        write_atomic(draft.path / MARKER, text)
        target.parent.mkdir(parents=True, exist_ok=True)
        own = Artifact(key, target)
        if target.exists() and not own.is_usable():
            self._move_away(own)  # without its marker, or of another format
        try:
            draft.path.rename(target)
        except OSError:
            if not Artifact(key, target).is_usable():
                raise
            return
        sync(target.parent)

    def set_aside(self, artifact: Artifact, faults: Sequence[str]) -> None:
        """Keeps a damaged artifact from being used, so that it is computed again.

        One of its own goes to ``damaged/`` with its faults; one of a layer is left as it is, and
        the store remembers not to use it.
        """
        try:
            if artifact.path != self._folder(artifact.key):
                note = {"path": str(artifact.path), "faults": list(faults)}
                write_atomic(self._refused(artifact.key), json.dumps(note) + "\n")
            else:
                away = self._move_away(artifact)
                write_atomic(away / "faults.json", json.dumps(list(faults)) + "\n")
        except FileNotFoundError:
            pass  # another process was quicker
        except OSError as error:
            raise self._unwritable(error) from error

    def _move_away(self, artifact: Artifact) -> Path:
        away = self.root / "damaged" / f"{artifact.key}-{secrets.token_hex(4)}"
        away.parent.mkdir(exist_ok=True)
        artifact.path.rename(away)
        return away

    def _refused(self, key: str) -> Path:
        return self.root / "damaged" / f"{key}.json"

    def discard(self, key: str) -> None:
        """Removes an artifact: by a rename first, so that nobody sees half of it.

        Whoever computes it again meanwhile puts it into a place that is free, and nothing of the
        new one is removed with the old.

        Raises:
            StoreError: it cannot be removed.
        """
        gone = self._draft_folder(key)
        try:
            self._folder(key).rename(gone)
        except FileNotFoundError:
            return
        except OSError as error:
            raise self._unwritable(error) from error
        shutil.rmtree(gone, ignore_errors=True)

    def touch(self, key: str) -> None:
        """Marks an artifact of its own as used just now: garbage is what was not for some time."""
        with suppress(OSError):  # of a layer, or on a read-only disk
            os.utime(self._folder(key))

    def _draft_folder(self, key: str) -> Path:
        """A fresh name; `draft_owner` reads whose it is, should this process not clear it away."""
        return self.root / "tmp" / f"{key}-{Owner.here().tag}-{secrets.token_hex(4)}"


def draft_owner(draft: Path) -> Owner | None:
    """Returns who writes a draft, by its name; None if the name does not tell."""
    return Owner.from_tag(draft.name.partition("-")[2].partition("-")[0])


def _place(key: str) -> Path:
    return Path("objects", key[:2], key)

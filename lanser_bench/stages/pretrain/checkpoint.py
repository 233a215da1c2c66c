"""Checkpoints of a training: one safetensors file per finished epoch, complete or absent.

A checkpoint is temporary: it is stored beside the artifacts, under the key of the stage that wrote
it, and removed after that artifact is finished.
"""

from __future__ import annotations

import json
import secrets
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ...errors import StoreError
from ...store import WRITE_ERRORS, Store, drop_damaged, sync, why_unwritable

Tensors = dict[str, Tensor]


def plain(state: dict[str, Any]) -> Tensors:
    """Returns a state dict as safetensors requires it: own memory, contiguous, on the CPU."""
    return {
        name: t.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, t in state.items()
        if isinstance(t, Tensor)
    }


@dataclass
class Progress:
    """State of a training after a number of whole epochs."""

    epochs: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] = field(default_factory=dict)
    """``epoch`` (from 1) and ``score`` of the best epoch so far."""


class Checkpoint:
    """The checkpoint folder of one key."""

    def __init__(self, store: Store, key: str) -> None:
        """Names the folder; removes folders whose artifact is finished."""
        self._store = store
        home = store.root / "checkpoints"
        self.folder = home / key
        for other in home.iterdir() if home.is_dir() else ():
            if other.name != key and other.name in store:
                shutil.rmtree(other, ignore_errors=True)

    def save(self, progress: Progress, tensors: Tensors) -> None:
        """Writes an epoch's file, then removes the one before it.

        Raises:
            StoreError: the disk is full or read-only; the previous epoch is kept.
        """
        target = self.folder / f"epoch-{progress.epochs:04d}.safetensors"
        # A unique name: a process that lost its lease may still be writing the same epoch.
        temporary = target.with_suffix(f".{secrets.token_hex(4)}.new")
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            save_file(tensors, temporary, metadata={"progress": json.dumps(vars(progress))})
            sync(temporary)
            temporary.replace(target)
            sync(self.folder)
        except WRITE_ERRORS as error:
            why = why_unwritable(error, self._store.root)
            temporary.unlink(missing_ok=True)
            raise StoreError(
                f"The checkpoint {target} cannot be written: {why}. Then run the same command "
                "again: it continues from the last epoch that was kept."
            ) from error
        for old in self.folder.glob("epoch-*"):
            if old != target:
                old.unlink(missing_ok=True)

    def load(self) -> tuple[Progress, Tensors] | None:
        """Returns the newest complete checkpoint; None if there is none."""
        for path in sorted(self.folder.glob("epoch-*.safetensors"), reverse=True):
            try:
                return _read(path)
            except (SafetensorError, OSError, LookupError, ValueError, TypeError) as error:
                # Truncated by a power loss.
                drop_damaged(path, error, "training continues from an earlier epoch")
        return None


def _read(path: Path) -> tuple[Progress, Tensors]:
    with safe_open(path, framework="pt") as file:
        progress = Progress(**json.loads((file.metadata() or {})["progress"]))
        return progress, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118

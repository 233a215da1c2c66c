"""Manifests: the leaf artifacts that everything else is computed from, built at planning time."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ..errors import DataError
from ..kinds.dataset import Dataset
from ..plugins.discovery import Registry
from ..plugins.identity import plugin_identity
from ..store import Artifact, Spec, Store, canonical, read_cache, write_atomic
from .audio_memo import AudioMemo
from .listing import Part
from .survey import OnBadAudio, Progress, Survey, summary, survey_dataset
from .utterances import UtteranceTable, read_summary, read_utterances, write_utterances

__all__ = ["BuiltManifest", "UtteranceTable", "build_manifest", "read_summary", "read_utterances"]

VERSION = "1"


@dataclass(frozen=True)
class BuiltManifest:
    """A manifest in the store, with the facts that a planner needs."""

    key: str
    artifact: Artifact
    counts: dict[str, Any]
    """Utterances, speakers, seconds, labels, skipped utterances and warnings."""
    problems: list[dict[str, str]]
    """Of single utterances: utterance, file, problem, kind."""
    paths: Path
    """File with the paths of recordings on this machine: SHA-256 → absolute path."""
    longest: tuple[float, str]
    """Seconds and id of the longest utterance."""
    notes: Sequence[str] = ()
    """Sentences of the dataset on how it read its files."""


def build_manifest(
    registry: Registry,
    store: Store,
    dataset_name: str,
    options: Mapping[str, Any],
    root: Path | None,
    on_bad_audio: OnBadAudio = "stop",
    part: Part = Part(),  # noqa: B008 - frozen
    progress: Progress | None = None,
) -> BuiltManifest:
    """Lists and checks a dataset and stores its table of utterances as an artifact.

    Its key depends on the dataset plugin, the rows with the hashes of their recordings, and the
    problems, not on paths: the same set in another folder gives the same manifest.

    Args:
        registry: the plugins.
        store: for the artifact and the cache of recordings.
        dataset_name: the dataset plugin's name.
        options: its options.
        root: its folder; None for a folder of the store, if the dataset makes its own files.
        on_bad_audio: ``stop`` refuses unusable recordings, ``skip`` counts and names them.
        part: how much of it to use, spread evenly over speakers and labels.
        progress: called with done, total and unit while recordings are read for the first time.

    Raises:
        DataError: the folder is missing, empty or not this dataset's; utterance ids, gold labels or
            recordings are not valid. The message names the first few and counts the rest.
        SettingsError: an option or the part is not valid.
    """
    part.check(dataset_name)
    begin = time.perf_counter()
    plugin = registry.create("dataset", dataset_name, options)
    settings = {"on_bad_audio": on_bad_audio, "part": part, "progress": progress}
    survey = surveyed(registry, store, dataset_name, plugin, root, settings)
    if survey.faults:
        raise DataError("\n".join(survey.faults))
    spec = Spec(
        stage="manifest",
        stage_version=VERSION,
        plugins={"dataset": plugin_identity(registry, "dataset", dataset_name, plugin)},
        params={"content": content_digest(survey), "utterances": len(survey.rows)},
    )
    artifact = _stored(store, spec, survey, begin)
    problems = [asdict(problem) for problem in survey.problems]
    paths = _written_paths(store, spec.key, survey.paths | survey.converted)
    longest = max((row["seconds"] or 0.0, row["id"]) for row in survey.rows)
    return BuiltManifest(spec.key, artifact, survey.counts, problems, paths, longest, survey.notes)


def surveyed(
    registry: Registry,
    store: Store,
    name: str,
    plugin: Dataset[Any],
    root: Path | None,
    settings: Mapping[str, Any],
) -> Survey:
    """Surveys a dataset with the store's cache of recordings; `settings` are `survey_dataset`'s."""
    folder = _dataset_root(plugin, store, name, root)
    with closing(AudioMemo(store.root / "files.sqlite")) as memo:
        return survey_dataset(registry, name, plugin, folder, memo, **settings)


def _dataset_root(plugin: Dataset[Any], store: Store, name: str, root: Path | None) -> Path | None:
    """Returns the folder to read, with ``~`` expanded, and gives the dataset one in the store."""
    plugin.storage = store.root / "datasets" / name
    if root is None:
        return None if plugin.needs_root else plugin.storage
    home = os.path.expanduser(root)  # noqa: PTH111 - keeps an unknown user
    return root if root.exists() else Path(home)


def content_digest(survey: Survey) -> str:
    """Returns 32 hexadecimal digits over all rows in order and all problems, without any path."""
    sha = hashlib.sha256()
    for row in survey.rows:
        sha.update(canonical(row).encode() + b"\n")
    for problem in survey.problems:
        sha.update(canonical([problem.utterance, problem.kind]).encode() + b"\n")
    return sha.hexdigest()[:32]


def _stored(store: Store, spec: Spec, survey: Survey, begin: float) -> Artifact:
    with store.lock(spec.key):
        artifact = store.intact(spec.key)
        store.touch(spec.key)  # protects it until a stored plan refers to it
        if artifact is None:
            with store.write(spec) as draft:
                write_utterances(draft.path, survey.rows, summary(survey))
                draft.counts = dict(survey.counts)
                draft.seconds = time.perf_counter() - begin
            artifact = store.checked(spec.key)
    return artifact


_PATHS = TypeAdapter(dict[str, Path])


def _written_paths(store: Store, key: str, paths: Mapping[str, Path]) -> Path:
    file = _paths_file(store, key)
    text = json.dumps({sha: str(path) for sha, path in sorted(paths.items())}, indent=0) + "\n"
    if not file.is_file() or file.read_bytes() != text.encode():
        recording_paths(store, key)  # notes if it is damaged, not only of another place
        write_atomic(file, text)
    return file


def recording_paths(store: Store, key: str) -> dict[str, Path]:
    """Returns SHA-256 → path of a manifest's recordings on this machine; empty if unknown."""
    file = _paths_file(store, key)
    return read_cache(file, _PATHS.validate_json, "the next run lists recordings again") or {}


def _paths_file(store: Store, key: str) -> Path:
    return store.root / "paths" / f"{key}.json"

"""`lanser-bench plugins check`: the suite of a plugin's kind, then a small experiment with it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import LanserError, PluginError
from ..kinds.speech import SAMPLE_RATE
from ..testing import SUITES, Failure, check

if TYPE_CHECKING:
    from ..plugins.discovery import Registry

SENTENCES = {
    "joy": "I am so happy today.",
    "sadness": "I was sad when they left.",
    "anger": "You make me angry!",
}
"""Label in ekman-6 → what is said."""
SPEAKERS, TAKES = 6, 2
EXPERIMENT: dict[str, Any] = {
    "name": "check",
    "labeler": "random",
    "taxonomy": "ekman-6",
    "encoder": {"name": "cnn", "channels": [8]},
    "pretrain": {"epochs": 1},
    "evaluate": {"folds": 2, "inner_folds": 2, "seeds": 1, "budgets": [1.0], "strengths": [0.1]},
    "probe": {"folds": 2, "inner_folds": 2, "sentence_folds": 1, "strengths": [1.0]},
    "controls": {"random_init": False, "logmel_stats": False, "shuffled": "none"},
    "trackers": [],
    "executor": {"name": "local", "inline": True},
}


@dataclass(frozen=True)
class Checked:
    """The outcome of checking one plugin."""

    kind: str
    name: str
    distribution: str
    checks: int
    failures: list[Failure]
    seconds: float
    """Of the small experiment."""


def check_plugin(
    plugins: Registry, kind: str, name: str, options: Mapping[str, Any], root: Path | None
) -> Checked:
    """Runs the suite of a plugin's kind, then an experiment on a few seconds of sound.

    Args:
        plugins: the registry.
        kind: the plugin's kind.
        name: its name.
        options: its options.
        root: the folder of a dataset.

    Raises:
        LanserError: it cannot be created with these options.
    """
    entry = plugins.entry(kind, name)
    given: dict[str, Any] = {}
    if kind == "dataset":
        if root is None and plugins.plugin_class(kind, name).needs_root:  # type: ignore[attr-defined]
            raise PluginError(f"'{name}' reads a folder of recordings: add --root FOLDER.")
        given["root"] = root
    made = [] if kind == "taxonomy" else [plugins.create(kind, name, options)]

    def make() -> Any:
        if kind == "taxonomy":
            return Path(entry.reference)
        return made.pop() if made else plugins.create(kind, name, options)

    failures = check(kind, make, **given) if kind in SUITES else []
    begin = time.monotonic()
    with TemporaryDirectory(prefix="lanser-check-") as folder:
        problem = _problem(_settings(kind, name, options, root, Path(folder)), plugins)
    if problem:
        failures.append(
            Failure(
                check="it works in an experiment",
                problem=problem,
                contract="A small experiment with the plugin ends with a record.",
                anchor="docs/plugins.md#checking-a-plugin",
                remedy="Fix the failures above first."
                if failures
                else "Change what the message names in the plugin or its options.",
            )
        )
    checks = len(SUITES[kind].checks()) if kind in SUITES else 0
    return Checked(
        kind, name, entry.distribution, checks, failures, round(time.monotonic() - begin, 1)
    )


def _settings(
    kind: str, name: str, options: Mapping[str, Any], root: Path | None, folder: Path
) -> dict[str, Any]:
    """Returns the experiment with the plugin in its place."""
    corpus, target = ({"dataset": "manifest", "root": str(folder / part)} for part in "ct")
    _write_clips(folder / "c")
    _write_clips(folder / "t", labels=True)
    settings: dict[str, Any] = EXPERIMENT | {
        "corpora": [corpus],
        "targets": [target | {"taxonomy": "ekman-6"}],
        "paths": {"store": str(folder / "store"), "results": str(folder / "results")},
    }
    plugin = {"name": name, **options}
    if kind in ("probe", "tracker"):
        return settings | {f"{kind}s": [plugin]}
    if kind == "dataset":
        used = {"dataset": name, "root": str(root) if root else None, "limit": 60, **options}
        return settings | {"corpora": [used]}
    return settings | {kind: name if kind == "taxonomy" else plugin}


def _problem(settings: Mapping[str, Any], plugins: Registry) -> str:
    """Runs an experiment; returns what went wrong, or an empty text."""
    from ..experiment import run_experiment

    try:
        outcome = run_experiment(settings, plugin_dirs=plugins.plugin_dirs)
    except LanserError as error:
        return str(error)
    failed = [f"{failure.stage}: {failure.sentence}" for failure in outcome.failures]
    failed += [note for note in outcome.notes if note.startswith("Tracker ")]
    return " ".join(failed)


def _write_clips(folder: Path, *, labels: bool = False) -> None:
    """Writes a manifest of buzzes with the rhythm of syllables, 0.6 to 0.9 s each."""
    import soundfile

    folder.mkdir()
    lines = ["id,path,speaker,transcript,language,sentence_id" + ",label" * labels]
    kinds = itertools.product(range(SPEAKERS), enumerate(SENTENCES.items()), range(TAKES))
    for speaker, (place, (label, text)), take in kinds:
        t = np.arange(int((0.6 + 0.1 * place) * SAMPLE_RATE)) / SAMPLE_RATE
        pitch = 110 + 20 * speaker + 40 * place + 5 * labels
        buzz = sum(np.sin(2 * np.pi * k * pitch * t) / k for k in range(1, 6))
        sound = (0.05 + 0.02 * take) * buzz * (1 + np.sin(2 * np.pi * (3 + place) * t)) / 2
        name = f"{speaker}-{label}-{take}"
        soundfile.write(folder / f"{name}.wav", sound.astype(np.float32), SAMPLE_RATE)
        row = [name, f"{name}.wav", f"s{speaker}", text, "en", f"s{place}"] + [label] * labels
        lines.append(",".join(row))
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def kind_of(plugins: Registry, name: str, kind: str | None) -> str:
    """Returns the kind of a name.

    Raises:
        PluginError: no plugin or several have the name.
    """
    from ..errors import did_you_mean

    kinds = [kind] if kind else [k for k, other in plugins.entries if other == name]
    if len(kinds) > 1:
        raise PluginError(f"'{name}' names plugins of the kinds {', '.join(kinds)}: set --kind.")
    if not kinds:
        broken = "".join(
            f" {b.entry_point} of {b.distribution}: {b.error}." for b in plugins.broken
        )
        known = {other for _, other in plugins.entries}
        raise PluginError(f"No plugin is named '{name}'.{did_you_mean(name, known)}{broken}")
    plugins.entry(kinds[0], name)
    return kinds[0]

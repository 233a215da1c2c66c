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
from ..kinds.speech import SAMPLE_RATE, Waveform
from ..plugins.isolation import strictly
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
    seconds: float | None
    """Of the small experiment; None if it did not run, because a check failed."""


@strictly()
def check_plugin(
    plugins: Registry, kind: str, name: str, options: Mapping[str, Any], root: Path | None
) -> Checked:
    """Runs the suite of a plugin's kind, then an experiment on a few seconds of sound.

    `root` is the folder of a dataset. Raises `LanserError` if the plugin cannot be created.
    """
    entry = plugins.entry(kind, name)
    given: dict[str, Any] = {}
    if kind == "dataset":
        if root is None and plugins.plugin_class(kind, name).needs_root:  # type: ignore[attr-defined]
            raise PluginError(f"'{name}' reads a folder of recordings: add --root FOLDER.")
        given["root"] = root

    def make() -> Any:
        if kind == "taxonomy":
            return Path(entry.reference)
        return plugins.create(kind, name, options)

    make()  # what the user must give or install is no fault of the plugin
    failures = check(kind, make, **given)
    checks = len(SUITES[kind].checks())
    if failures:
        return Checked(kind, name, entry.distribution, checks, failures, None)
    begin = time.monotonic()
    with TemporaryDirectory(prefix="lanser-check-") as folder:
        problem = _problem(_settings(kind, name, options, root, Path(folder)), plugins)
    if problem:
        contract = "A small experiment with the plugin writes its record."
        anchor = "docs/plugins.md#checking-a-plugin"
        remedy = "Change what the message names, in the plugin or its options."
        failures = [Failure("it works in an experiment", problem, contract, anchor, remedy)]
    seconds = round(time.monotonic() - begin, 1)
    return Checked(kind, name, entry.distribution, checks, failures, seconds)


def _settings(
    kind: str, name: str, options: Mapping[str, Any], root: Path | None, folder: Path
) -> dict[str, Any]:
    """Returns the experiment with the plugin in its place."""
    corpus, target = (
        {"dataset": "manifest", "root": str(folder / part), "taxonomy": "ekman-6"}
        for part in ("corpus", "target")
    )
    write_clips(folder / "corpus", "c")
    write_clips(folder / "target", "t")
    settings: dict[str, Any] = EXPERIMENT | {
        "corpora": [corpus],
        "targets": [target],
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


def write_clips(folder: Path, group: str) -> None:
    """Writes clips of 0.6 to 0.9 s that sound like vowels, and their manifest."""
    import soundfile

    folder.mkdir()
    lines = ["id,path,speaker,transcript,language,sentence_id,label"]
    takes = itertools.product(range(SPEAKERS), enumerate(SENTENCES.items()), range(TAKES))
    for speaker, (place, (label, text)), take in takes:
        name = f"{group}{speaker}-{label}-{take}"
        hertz = (100 + 20 * speaker + 5 * (group == "t")) * (1 + 0.15 * place)
        sound = _syllables(4 + place, hertz, 0.1 * (1 + take))
        soundfile.write(folder / f"{name}.wav", sound, SAMPLE_RATE)
        lines.append(f"{name},{name}.wav,{group}{speaker},{text},en,{label},{label}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _syllables(count: int, hertz: float, peak: float) -> Waveform:
    """Returns pulses through the formants of two vowels in turn, 0.15 s each."""
    from scipy.signal import lfilter

    time = np.arange(int(0.15 * SAMPLE_RATE)) / SAMPLE_RATE
    pulses = np.diff(np.floor(hertz * (time + 0.01 * np.sin(12 * time))), prepend=0)
    vowels = []
    for formants in ((730, 1090, 2440), (270, 2290, 3010)):
        wave = pulses
        for hz, width in zip(formants, (80, 100, 150), strict=True):
            radius = np.exp(-np.pi * width / SAMPLE_RATE)
            turn = 2 * radius * np.cos(2 * np.pi * hz / SAMPLE_RATE)
            wave = lfilter([1.0], [1.0, -turn, radius**2], wave)
        vowels.append(peak * wave / np.abs(wave).max() * np.hanning(len(wave)) ** 0.5)
    sound: Waveform = np.concatenate([vowels[n % 2] for n in range(count)]).astype(np.float32)
    return sound

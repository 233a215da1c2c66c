"""Two small sets of tones and an experiment over them, with cheap loose-file plugins."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf

PLUGINS = '''
"""Plugins of the tests: cheap, and deterministic."""
import os
from pathlib import Path
import numpy as np
from lanser_bench import FeatureExtractor, Labeler, PluginOptions, Probe, Scores, hookimpl


class WordsOptions(PluginOptions):
    sharp: float = 2.0

class Words(Labeler[WordsOptions]):
    Options = WordsOptions
    version = "1"

    def score(self, records, taxonomy):
        logits = np.array([
            [self.options.sharp * (label.name[:2] in r.text) for label in taxonomy.labels]
            for r in records
        ])
        values = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
        return Scores(values.astype(np.float32), "distribution", np.zeros(len(records), bool))

class Loudness(FeatureExtractor[PluginOptions]):
    version = "1"

    def extract(self, batch):
        return [[np.array([[np.abs(x).mean(), np.abs(np.diff(x)).mean()]], np.float32)]
                for x in batch]

class Noisy(Loudness):
    def extract(self, batch):
        print("so many recordings:", len(batch))
        os.environ["OMP_NUM_THREADS"] = "64"
        return super().extract(batch)

class Knowing(Loudness):
    trained_on = frozenset({"manifest"})

class BreakOptions(PluginOptions):
    how: str = "mend"

class Broken(FeatureExtractor[BreakOptions]):
    Options = BreakOptions
    version = "1"

    def extract(self, batch):
        if self.options.how == "mend":
            from lanser_bench import DataError
            raise DataError("These recordings are too quiet.")
        raise ZeroDivisionError("a fault")

class MendOptions(PluginOptions):
    tone: float = 1.0

class Mendable(Loudness):
    """Asks a server, which the test's environment brings up and down."""
    Options = MendOptions

    def extract(self, batch):
        state = os.environ.get("LANSER_TEST_SERVER", "up")
        if state == "down":
            raise ConnectionError("the server does not answer")
        if state.startswith("down twice "):
            calls = Path(state.removeprefix("down twice "))
            with calls.open("a") as file:
                file.write("x")
            if calls.stat().st_size <= 2:
                raise ConnectionError("the server does not answer yet")
        return super().extract(batch)

class Size(Probe[PluginOptions]):
    version = "1"
    targets = ("peak", "rms")

    def measure(self, batch):
        return np.array([[np.abs(s.samples).max(), s.samples.std()] for s in batch])


@hookimpl
def register_labelers(register):
    register("words", f"{__name__}:Words")

@hookimpl
def register_encoders(register):
    register("loudness", f"{__name__}:Loudness")
    register("noisy", f"{__name__}:Noisy")
    register("knowing", f"{__name__}:Knowing")
    register("broken", f"{__name__}:Broken")
    register("mendable", f"{__name__}:Mendable")

@hookimpl
def register_probes(register):
    register("size", f"{__name__}:Size")
'''
MOOD = """
name: mood
version: "1"
citation: tests
neutral_rule: {kind: keep}
labels:
  - {name: glad, hypothesis: glad}
  - {name: sad, hypothesis: sad}
"""
RATE = 16_000


@pytest.fixture(scope="session")
def corpora(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders `plain` (no gold) and `gold`: 6 speakers × 4 clips of 0.3 s."""
    root = tmp_path_factory.mktemp("corpora")
    (root / "mood.yaml").write_text(MOOD)
    (root / "bad.yaml").write_text(MOOD)
    (root / "plugins").mkdir()
    (root / "plugins" / "cheap.py").write_text(PLUGINS)
    for folder, salt in (("plain", 0), ("gold", 1)):
        (root / folder).mkdir()
        lines = ["id,path,speaker,transcript,language" + (",label" if salt else "")]
        for speaker in range(6):
            for take in range(4):
                label = ("glad", "sad")[take % 2]
                rng = np.random.default_rng([salt, speaker, take])
                t = np.arange(int(0.3 * RATE)) / RATE
                pitch = (150 + 10 * speaker) * (1.5 if label == "glad" else 1)
                level = 0.1 + 0.1 * rng.random()
                sound = level * np.sin(2 * np.pi * pitch * t) + 0.001 * rng.standard_normal(len(t))
                name = f"{speaker}-{take}"
                sf.write(root / folder / f"{name}.wav", sound.astype(np.float32), RATE)
                gold = f",{label}" if salt else ""
                lines.append(f"{name},{name}.wav,s{speaker},i am {label},en{gold}")
        (root / folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def plugin_dirs(corpora: Path) -> tuple[Path, ...]:
    return (corpora / "plugins",)


@pytest.fixture(scope="session")
def settings_in(corpora: Path) -> Callable[..., dict[str, Any]]:
    """Makes settings of a run that writes into a folder; keyword arguments replace keys."""

    def make(root: Path, **changes: Any) -> dict[str, Any]:
        mood = str(corpora / "mood.yaml")
        return {
            "name": "t",
            "corpora": [{"dataset": "manifest", "root": str(corpora / "plain")}],
            "labeler": "words",
            "taxonomy": mood,
            "encoder": {"name": "cnn", "channels": [4]},
            "pretrain": {"epochs": 1},
            "targets": [{"dataset": "manifest", "root": str(corpora / "gold"), "taxonomy": mood}],
            "evaluate": {
                "folds": 2,
                "budgets": [1.0],
                "seeds": 1,
                "strengths": [0.1],
                "inner_folds": 2,
            },
            "probes": ["size"],
            "probe": {"folds": 2, "sentence_folds": 1, "strengths": [1.0], "inner_folds": 2},
            "controls": {"random_init": True, "logmel_stats": True, "shuffled": "each"},
            "trackers": [],
            "executor": {"name": "local", "inline": True},
            # Two threads each in two workers on two cores would wait for one another.
            "threads": {"label": 1, "pretrain": 1, "embed": 1},
            "paths": {"store": str(root / "store"), "results": str(root / "results")},
            **changes,
        }

    return make


@pytest.fixture
def settings(settings_in: Callable[..., dict[str, Any]], tmp_path: Path) -> Callable[..., Any]:
    """Makes settings of a run in the test's folder."""
    return partial(settings_in, tmp_path)

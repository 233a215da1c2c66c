"""A whole experiment small enough for a test: real stages, generated sound, a loose labeler."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile as sf
import yaml

from .processes import lanser

PROGRAM = (sys.executable, "-m", "lanser_bench")
WORKERS = {"name": "local", "threads": 1}
"""The executor of tests that need a worker process."""
RATE = 16_000
PITCH = {"glad": 240.0, "sad": 120.0, "plain": 170.0}
WORDS = {"glad": "what a lovely day", "sad": "i lost my friend", "plain": "the door is open"}

KEYWORD_LABELER = '''
"""A labeler of the tests: the label whose cue word stands in the text."""
import numpy as np
from lanser_bench import Labeler, PluginOptions, Scores, hookimpl

CUES = {"lovely": "glad", "lost": "sad", "door": "plain"}

class Options(PluginOptions):
    sure: float = 0.8

class Cue(Labeler[Options]):
    Options = Options
    version = "1"

    def score(self, records, taxonomy):
        k = len(taxonomy.names)
        values = np.full((len(records), k), 1 / k, np.float32)
        abstained = np.ones(len(records), bool)
        for row, record in enumerate(records):
            for cue, label in CUES.items():
                if cue in record.text and label in taxonomy.names:
                    values[row] = (1 - self.options.sure) / (k - 1)
                    values[row, taxonomy.index(label)] = self.options.sure
                    abstained[row] = False
        return Scores(values, "distribution", abstained)

@hookimpl
def register_labelers(register):
    register("cue", f"{__name__}:Cue")
'''


@dataclass
class Project:
    """A folder with corpora, a taxonomy, a plugin and an experiment file."""

    root: Path
    settings: dict[str, Any]
    environment: dict[str, str] = field(default_factory=dict)
    forked: bool = True
    """Whether commands are forked: a fork does not call `atexit`, nor read PYTHONPATH, if given."""

    @property
    def file(self) -> Path:
        return self.root / "experiment.yaml"

    def write(self) -> None:
        self.file.write_text(yaml.safe_dump(self.settings, sort_keys=False))

    def words(self, *arguments: str) -> list[str]:
        """The run as words of the command line."""
        self.write()
        folder = str(self.root / "plugins")
        return ["run", str(self.file), "--plugins-dir", folder, *arguments]

    def command(self, *arguments: str) -> list[str]:
        return [*PROGRAM, *self.words(*arguments)]

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        return self.lanser(*self.words(*arguments), code=code)

    def lanser(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        if self.forked and "PYTHONPATH" not in self.environment:
            done = lanser(*arguments, folder=self.root, environment=self._env)
        else:
            done = subprocess.run(
                [*PROGRAM, *arguments], cwd=self.root, env=self._env, capture_output=True, text=True
            )
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def kill_when(self, stage: str, *arguments: str) -> bool:
        """Starts a run and kills it hard as soon as `stage` has begun; False if it never did."""
        process = subprocess.Popen(
            self.command(*arguments),
            cwd=self.root,
            env=self._env,
            text=True,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        with process:
            known = len(self.events())
            while process.poll() is None:
                if any(
                    e["event"] == "stage-start" and e["stage"] == stage
                    for e in self.events()[known:]
                ):
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    return True
                time.sleep(0.005)
        return False

    @property
    def _env(self) -> dict[str, str]:
        return {**os.environ, "WANDB_MODE": "offline", **self.environment}

    @property
    def store(self) -> Path:
        return self.root / "store"

    def events(self) -> list[dict[str, Any]]:
        """Events of all runs, in order."""
        found = []
        logs = sorted(self.store.glob("runs/*/events.jsonl"), key=lambda p: p.stat().st_mtime)
        for log in logs:
            for line in log.read_text().splitlines():
                if line.endswith("}"):
                    found.append(json.loads(line))
        return found

    def records(self) -> dict[str, dict[str, Any]]:
        """Cell name → record."""
        found = [json.loads(p.read_text()) for p in (self.root / "results").rglob("*.json")]
        return {record["name"]: record for record in found}


def tone(path: Path, label: str, speaker: int, take: int) -> None:
    """Half a second of a gliding tone whose pitch tells the label and the speaker."""
    rng = np.random.default_rng([speaker, take, len(label)])
    t = np.arange(int(0.5 * RATE)) / RATE
    f0 = PITCH[label] * (1 + 0.04 * speaker) * (1 + 0.1 * rng.random() * t)
    phase = 2 * np.pi * np.cumsum(f0) / RATE
    sound = sum(np.sin(h * phase) / h for h in (1, 2, 3)) * 0.1 * (1 + 0.3 * rng.random())
    path.parent.mkdir(parents=True, exist_ok=True)
    sf.write(path, (sound + 0.001 * rng.standard_normal(len(t))).astype(np.float32), RATE)


def corpus(folder: Path, *, speakers: int, takes: int, gold: bool, offset: int = 0) -> Path:
    """Writes clips and a manifest.csv; returns its folder."""
    rows = []
    for speaker in range(speakers):
        for take in range(takes):
            for label in PITCH:
                name = f"s{speaker}-{take}-{label}.wav"
                tone(folder / "audio" / name, label, speaker + offset, take)
                rows.append(
                    {
                        "id": name.removesuffix(".wav"),
                        "path": f"audio/{name}",
                        "speaker": f"s{speaker}",
                        "transcript": WORDS[label],
                        "language": "en",
                        **({"label": label} if gold else {}),
                    }
                )
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return folder


def taxonomy(path: Path, name: str, **changes: Any) -> Path:
    """Writes a three-label taxonomy."""
    labels = [{"name": n, "hypothesis": n} for n in PITCH]
    content = {
        "name": name,
        "version": "1",
        "citation": "tests",
        "labels": labels,
        "neutral": "plain",
        **changes,
    }
    path.write_text(yaml.safe_dump(content))
    return path


def make_project(root: Path) -> Project:
    """Writes the corpora, the plugin and the taxonomy of a project into a folder."""
    (root / "plugins").mkdir()
    (root / "plugins" / "cue.py").write_text(KEYWORD_LABELER)
    corpus(root / "unlabelled", speakers=4, takes=3, gold=False)
    corpus(root / "labelled", speakers=6, takes=3, gold=True, offset=10)
    taxonomy(root / "mood.yaml", "mood")
    return Project(root, settings_in(root))


def settings_in(root: Path) -> dict[str, Any]:
    """Settings whose run takes a few seconds."""
    mood = str(root / "mood.yaml")
    return {
        "name": "tiny",
        "corpora": [{"dataset": "manifest", "root": str(root / "unlabelled")}],
        "asr": "reference",
        "labeler": "cue",
        "taxonomy": mood,
        "encoder": {"name": "cnn"},
        "targets": [{"dataset": "manifest", "root": str(root / "labelled"), "taxonomy": mood}],
        "probes": ["prosody"],
        "pretrain": {"epochs": 2, "batch_size": 8},
        "evaluate": {"folds": 3, "budgets": [0.1, 1.0], "seeds": 2},
        "controls": {"shuffled": "each"},
        "threads": {"pretrain": 1, "embed": 1, "transcribe": 1, "label": 1},
        "executor": {"name": "local", "inline": True},
        "paths": {"store": str(root / "store"), "results": str(root / "results")},
    }


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project that has not been run."""
    return make_project(tmp_path)


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project that has been run; not to be changed."""
    project = make_project(tmp_path_factory.mktemp("finished"))
    project.run()
    return project


@pytest.fixture
def finished(finished_once: Project, tmp_path: Path) -> Project:
    """A copy of a finished project in another place: no key knows where it was made."""
    root = tmp_path / "copy"
    shutil.copytree(finished_once.root, root)
    return Project(root, settings_in(root))

"""`lanser-bench run` from outside: exit codes and what is printed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from integration.processes import lanser

from lanser_bench.cli._display import Display
from lanser_bench.experiment.running.scheduler import Failure

PATIENCE_S = 600.0
"""Longer than any step takes, even on a busy machine."""
PLUGINS = """
import time
from pathlib import Path
from lanser_bench import Card, DataError, Dataset, FeatureExtractor
from lanser_bench import PluginOptions, Utterance, hookimpl
import numpy as np
import soundfile as sf

class ToneOptions(PluginOptions):
    speakers: int = 4

class Tones(Dataset[ToneOptions]):
    Options = ToneOptions
    version = "1"
    needs_root = False
    card = Card("tones", "CC0", "tests", taxonomy="sentiment-3")

    def utterances(self, root):
        root.mkdir(parents=True, exist_ok=True)
        for speaker in range(self.options.speakers):
            for take, label in enumerate(("negative", "positive") * 2):
                path = root / f"{speaker}-{take}.wav"
                rng = np.random.default_rng([speaker, take])
                if not path.exists():
                    sf.write(path, 0.1 * rng.standard_normal(4000), 16000)
                yield Utterance(path.stem, path, speaker=str(speaker), gold={label: 1.0})

class Options(PluginOptions):
    how: str = "well"

class Encoder(FeatureExtractor[Options]):
    Options = Options
    version = "1"

    def extract(self, batch):
        if self.options.how == "slow":
            time.sleep(1200)
        if self.options.how == "badly":
            raise DataError("There is no speech.")
        return [[np.array([[x.std(), np.abs(x).max()]], np.float32)] for x in batch]

@hookimpl
def register_datasets(register):
    register("tones", f"{__name__}:Tones")

@hookimpl
def register_encoders(register):
    register("plain", f"{__name__}:Encoder")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "tones.py").write_text(PLUGINS)
    settings: dict[str, Any] = {
        "name": "t",
        "labeler": "random",
        "taxonomy": "sentiment-3",
        "encoder": "plain",
        "targets": ["tones"],
        "controls": {"logmel_stats": False},
        "evaluate": {"folds": 2, "budgets": [0.5, 1.0], "seeds": 1, "strengths": [0.1]},
        "executor": {"name": "local", "threads": 1},
    }
    (tmp_path / "e.yaml").write_text(yaml.safe_dump(settings))
    return tmp_path


def command(*arguments: str) -> list[str]:
    run = [sys.executable, "-m", "lanser_bench", "run", "--plugins-dir", "plugins", "e.yaml"]
    return [*run, *arguments]


def run(project: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return lanser(*command(*arguments)[3:], folder=project)


@pytest.mark.slow
def test_a_run_prints_the_leaderboard_and_a_second_one_runs_nothing(project: Path) -> None:
    first = run(project)
    assert first.returncode == 0, first.stderr
    assert "UAR" in first.stdout
    assert "majority" in first.stdout
    (picture,) = (project / "results" / "scratch" / "t").glob("*.png")
    assert str(picture.relative_to(project)) in first.stdout
    assert "\nFinding: " in first.stdout
    page = project / "results" / "scratch" / "t" / "report.html"
    assert f"\nReport: {page.relative_to(project)}\n" in first.stdout
    assert first.stdout.split("\nFinding: ")[1].split(".\n")[0] in page.read_text()
    assert "✓ t → results/scratch/t/t-" in first.stderr
    second = run(project)
    assert second.returncode == 0
    assert "0 stages run" in second.stdout
    dry = run(project, "--dry-run")
    assert "0 to run" in dry.stdout


@pytest.mark.slow
def test_a_failed_cell_exits_with_1_and_is_listed_at_the_end(project: Path) -> None:
    grid = "grid.encoder=[plain, {name: plain, how: badly}]"
    text = (project / "e.yaml").read_text().replace("encoder: plain\n", "")
    (project / "e.yaml").write_text(text)
    done = run(project, grid)
    assert done.returncode == 1
    assert "✗ encoder=plain(how=badly)" in done.stdout.splitlines()[-1]
    assert "settings: encoder: plain(how=badly)" in done.stderr
    assert "There is no speech" in done.stdout
    assert "60.0" in done.stdout or "UAR" in done.stdout, "the other cell is done"


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_and_says_how_to_continue(project: Path) -> None:
    process = subprocess.Popen(
        command("encoder.how=slow"),
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    with process:
        end = time.monotonic() + PATIENCE_S
        while not list(project.glob(".lanser/store/logs/worker-*.log")):
            assert time.monotonic() < end
            time.sleep(0.05)
        time.sleep(0.3)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE_S)
    workers = [int(p.stem.rpartition("-")[2]) for p in project.glob(".lanser/store/logs/worker-*")]
    end = time.monotonic() + PATIENCE_S
    while any(Path(f"/proc/{pid}").exists() for pid in workers) and time.monotonic() < end:
        time.sleep(0.02)
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
    assert process.returncode == 130
    assert "run the same command to continue" in " ".join(err.split())
    assert "Traceback" not in err


SLOW_TO_STOP = """
import time
from lanser_bench.cli._display import stoppable
with stoppable():
    try:
        print("ready", flush=True)
        time.sleep(1200)
    except KeyboardInterrupt:
        print("stopping", flush=True)
        time.sleep(1200)
"""


def test_a_second_ctrl_c_stops_at_once() -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW_TO_STOP], stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        for word in ("ready", "stopping"):
            assert process.stdout.readline().strip() == word
            process.send_signal(signal.SIGINT)
        assert process.wait(timeout=PATIENCE_S) == 130


def test_equal_failures_are_shown_once_with_their_cause(capsys: pytest.CaptureFixture[str]) -> None:
    display = Display()
    for name, sentence in (("a", "no such file"), ("b", "no such file"), ("c", "another")):
        cell = SimpleNamespace(name=name)
        display.cell_failed(
            Failure(cell, "label: x", "k", sentence, "")  # type: ignore[arg-type]
        )
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "✗ a failed in label: x: no such file",
        "✗ b failed in label: x, like a",
        "✗ c failed in label: x: another",
    ]

"""A labeler in somebody else's package stands in the grid and the leaderboard like a built-in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from lanser_bench.cli import main

from .conftest import Project, taxonomy


@pytest.fixture
def installed(tmp_path: Path) -> str:
    """Installs a package of `lanser-bench new` into a folder and returns it as a PYTHONPATH."""
    with pytest.raises(SystemExit) as stop:
        main(["new", "labeler", "shout", "--package", "--into", str(tmp_path)])
    assert stop.value.code == 0
    source = tmp_path / "lanser-bench-shout"
    target = tmp_path / "site"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--no-build-isolation",
            "--disable-pip-version-check",
            "--target",
            str(target),
            str(source),
        ],
        check=True,
    )
    return os.pathsep.join([str(target), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)


@pytest.mark.slow
def test_third_party_labeler_runs_in_a_grid_beside_built_ins(
    project: Project, installed: str, tmp_path: Path
) -> None:
    project.environment["PYTHONPATH"] = installed
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"]
    package = tmp_path / "lanser-bench-shout"
    done = subprocess.run(
        command, cwd=package, env=os.environ | project.environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout
    listed = json.loads(project.lanser("plugins", "--json").stdout)
    [entry] = [p for p in listed["plugins"] if p["distribution"] == "lanser-bench-shout"]
    assert entry["kind"] == "labeler"

    cues = {"glad": "lovely", "sad": "lost", "plain": "open"}
    labels = [{"name": n, "hypothesis": n, "synonyms": [w]} for n, w in cues.items()]
    worded = taxonomy(project.root / "worded.yaml", "worded", labels=labels)
    project.settings |= {
        "taxonomy": str(worded),
        "grid": {"labeler": [entry["name"], "random"]},
        "controls": {"random_init": False, "logmel_stats": False, "shuffled": "none"},
    }
    project.run()
    board = project.lanser("leaderboard", str(project.root / "results")).stdout
    assert entry["name"] in board
    assert "random" in board

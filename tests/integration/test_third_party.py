"""A labeler in somebody else's package stands in the grid and the leaderboard like a built-in."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Project, taxonomy

EXAMPLE = Path(__file__).parents[1] / "example_plugin"


@pytest.fixture
def installed(tmp_path: Path) -> str:
    """Installs the example package into a folder of its own and returns it as a PYTHONPATH."""
    import shutil

    source = tmp_path / "source"
    shutil.copytree(EXAMPLE, source)
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
    project: Project, installed: str
) -> None:
    project.environment["PYTHONPATH"] = installed
    listed = json.loads(project.lanser("plugins", "--json").stdout)
    [entry] = [p for p in listed["plugins"] if p["distribution"] == "lanser-bench-example"]
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

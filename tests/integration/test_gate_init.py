"""`gate init` writes a workflow whose steps work, and the baseline that it compares with."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from lanser_bench.records.checks import check_records
from lanser_bench.reporting.comparing.history import read_history

from .conftest import Project, make_project

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
WORKFLOW = Path(".github/workflows/lanser-bench.yml")
GH = """#!/bin/bash
# Stands in for GitHub: keeps the words and the text of the comment.
printf '%s\\n' "$@" > gh-words.txt
cp "${@: -1}" gh-comment.md
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = make_project(tmp_path_factory.mktemp("repository"))
    project.settings["pretrain"]["seeds"] = [0, 1]
    project.write()
    project.lanser("gate", "init", "experiment.yaml", "--plugins-dir", "plugins")
    bin_ = project.root / "bin"
    bin_.mkdir()
    (bin_ / "gh").write_text(GH)
    (bin_ / "gh").chmod(0o755)
    return project


def steps(project: Project) -> dict[str, dict[str, Any]]:
    """Name → step, of those that run a shell."""
    [job] = yaml.safe_load((project.root / WORKFLOW).read_text())["jobs"].values()
    return {step["name"]: step for step in job["steps"] if "run" in step}


def execute(project: Project, step: dict[str, Any]) -> int:
    """Runs a step as GitHub does; returns its exit code."""
    assert "${{" not in step["run"], "a value of the event would be run by the shell"
    environment = {
        **os.environ,
        "FOLDER": ".lanser/gate",
        "WANDB_MODE": "offline",
        "GITHUB_STEP_SUMMARY": "summary.md",
        "GITHUB_REF_NAME": "main",
        "GITHUB_SHA": "f" * 40,
        "NUMBER": "7",
        "PATH": f"{project.root / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
    return subprocess.run(shell, cwd=project.root, env=environment, check=False).returncode


def test_the_steps_of_the_workflow_work(repository: Project) -> None:
    root, todo = repository.root, steps(repository)
    assert all(not c.faults and not c.notes for c in check_records([root / "results/baseline"]))
    shutil.rmtree(root / ".lanser/gate/results")  # the store is what the job's cache restores
    assert list(todo) == [
        *("Install", "Run", "Gate", "Job summary", "Comment on the pull request"),
        "History and site",
    ]
    assert [execute(repository, step) for step in todo.values()] == [0] * 6
    for text in (root / "summary.md", root / "gh-comment.md"):
        assert text.read_text().startswith("## Gate: passed\n")
    words = (root / "gh-words.txt").read_text().split()
    assert words[:5] == ["pr", "comment", "7", "--edit-last", "--create-if-none"]
    lines = read_history(root / ".lanser/gate/results/history.parquet")
    assert {line["commit"] for line in lines} == {"f" * 40}
    assert {line["cell"] for line in lines} == {"tiny", "shuffled", "random_init", "logmel_stats"}
    assert "<circle" in (root / ".lanser/gate/site/history.html").read_text()

    # A lost cell stops the job; the steps after it still tell why.
    next((root / ".lanser/gate/results/tiny").glob("logmel-stats-*.json")).unlink()
    (root / ".lanser/gate/gate.md").unlink()
    assert execute(repository, todo["Gate"]) == 1
    assert execute(repository, todo["Job summary"]) == 0
    assert "missing in the candidate" in (root / "summary.md").read_text()
    assert all("cancelled()" in todo[name]["if"] for name in list(todo)[3:])


def test_what_is_there_is_replaced_only_on_request(repository: Project) -> None:
    done = repository.lanser("gate", "init", "experiment.yaml", code=2)
    assert "exists already; --force replaces it" in done.stderr


def test_one_seed_and_a_failing_cell_are_named(tmp_path: Path) -> None:
    project = make_project(tmp_path)
    off = {"random_init": False, "logmel_stats": False, "shuffled": "none"}
    project.settings |= {"controls": off, "probes": []}
    project.write()
    words = ("gate", "init", "experiment.yaml", "--plugins-dir", "plugins", "--install", "a[b]>=1")
    done = project.lanser(*words)
    assert "one training seed, so the gate will call it undecided" in done.stdout
    assert "pip install 'a[b]>=1'" in (tmp_path / WORKFLOW).read_text()
    (tmp_path / "plugins" / "cue.py").write_text("raise RuntimeError('gone')")
    done = project.lanser(*words, "--force", code=2)
    assert "cue" in done.stderr
    assert list((tmp_path / "results/baseline/tiny").glob("*.json")), "the baseline is still there"


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="actionlint is not installed")
def test_actionlint_finds_no_fault(repository: Project) -> None:
    workflows = [repository.root / WORKFLOW, *(ROOT / ".github" / "workflows").glob("*.yml")]
    done = subprocess.run(["actionlint", *map(str, workflows)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout

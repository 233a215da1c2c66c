"""A plugin that hangs, dies or misbehaves, and surroundings that fail: equal records in the end."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest

from .conftest import KEYWORD_LABELER, WORKERS, Project, make_project
from .test_kill import numbers

MISBEHAVES = """
import ctypes, os, signal, sys, time
from pathlib import Path

DEADLY = {
    "abort": os.abort,
    "killed for memory": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM) or time.sleep(60),
    "segmentation fault": lambda: ctypes.string_at(0),
    "hang": lambda: time.sleep(600),
}

def misbehave():
    folder = Path(os.environ.get("FAULTS", ""))
    if not folder.name:
        return
    for name, does in DEADLY.items():
        done = folder / name
        if not done.exists():
            done.touch()
            does()
    os.write(1, b"x" * 10_000_000)
    print("y" * 1_000_000)
    os.chdir("/")
    signal.signal(signal.SIGINT, lambda *_: None)
    if os.fork() == 0:
        return  # as a copy of the worker that would run the stage again
    sys.stdin.read()
"""
JUMPS = """
import importlib.machinery, time
from datetime import datetime, timedelta

def offset():
    return 3600 * (int(4 * time.monotonic()) % 3 - 1)

class Jumping:
    @staticmethod
    def now(tz):
        return datetime.now(tz) + timedelta(seconds=offset())

def exec_module(self, module):
    execute(self, module)
    if module.__name__.startswith("lanser_bench") and vars(module).get("datetime") is datetime:
        module.datetime = Jumping

execute = importlib.machinery.SourceFileLoader.exec_module
importlib.machinery.SourceFileLoader.exec_module = exec_module
seconds, ns = time.time, time.time_ns
time.time = lambda: seconds() + offset()
time.time_ns = lambda: ns() + 10**9 * offset()
"""
"""A ``sitecustomize``: in all processes, the clock is an hour behind, right, or an hour ahead, for
a quarter of a second each."""
AGAIN = ("stage-retried", "label")
DEADLY = ("abort", "killed for memory", "SIGTERM", "segmentation fault", "hang")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Project:
    project = _project(tmp_path_factory.mktemp("unbroken"))
    project.run()
    return project


def _project(root: Path) -> Project:
    project = make_project(root)
    code = KEYWORD_LABELER.replace("CUES =", f"{MISBEHAVES}\nCUES =", 1)
    head, score, rest = code.partition("        k = len(taxonomy.names)\n")
    (root / "plugins" / "cue.py").write_text(f"{head}        misbehave()\n{score}{rest}")
    project.settings["pretrain"]["epochs"] = 1
    project.settings["executor"] = WORKERS
    del project.settings["controls"], project.settings["probes"]
    return project


def _same(one: Project, other: Project) -> bool:
    mine, others = one.records(), other.records()
    return {n: numbers(r) for n, r in mine.items()} == {n: numbers(r) for n, r in others.items()}


@pytest.mark.slow
def test_whatever_a_plugin_does_the_retries_end_with_equal_records(
    unbroken: Project, tmp_path: Path
) -> None:
    faults = tmp_path / "faults"
    faults.mkdir()
    (tmp_path / "project").mkdir()
    project = _project(tmp_path / "project")
    project.environment["FAULTS"] = str(faults)
    project.settings["stage_timeout_s"] = unbroken.settings["stage_timeout_s"] = 20
    project.run("--max-retries", str(len(DEADLY)))
    retried = [str(e) for e in project.events() if (e["event"], e.get("stage")) == AGAIN]
    assert len(retried) == len(DEADLY)
    assert sum("died" in sentence for sentence in retried) == 4
    assert sum("did not end within the time limit" in sentence for sentence in retried) == 1
    assert _same(project, unbroken)


@pytest.mark.slow
def test_without_streams_home_and_temporary_folder_the_records_are_equal(
    unbroken: Project, tmp_path: Path
) -> None:
    project = _project(tmp_path)
    ascii_only = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    missing = {"HOME": "", "TMPDIR": "/nonexistent"}
    done = _shell(project, "{} <&- | head -1; exit ${{PIPESTATUS[0]}}", **ascii_only, **missing)
    assert done.returncode == 0, done.stderr
    assert _same(project, unbroken)
    closed = _shell(project, "{} <&- >&- 2>&-")
    assert closed.returncode == 0


@pytest.mark.slow
def test_of_two_runs_on_one_store_one_may_be_terminated(unbroken: Project, tmp_path: Path) -> None:
    project = _project(tmp_path)
    begun = "until grep -qs stage-start store/runs/*/events.jsonl; do sleep .1; done"
    script = (
        f"{{0}} 2>first & a=$!; {begun}; {{0}} 2>second & kill -TERM $a; wait $a; a=$?; wait $!"
    )
    done = _shell(project, f"{script}; echo $a $?")
    assert done.stdout.splitlines()[-1] == "143 0"
    assert "run the same command to continue" in (tmp_path / "first").read_text()
    assert _same(project, unbroken)


@pytest.mark.slow
def test_a_clock_that_jumps_an_hour_changes_nothing(unbroken: Project, tmp_path: Path) -> None:
    project = _project(tmp_path)
    (tmp_path / "jumps").mkdir()
    (tmp_path / "jumps" / "sitecustomize.py").write_text(JUMPS)
    project.environment["PYTHONPATH"] = str(tmp_path / "jumps")
    project.run("--stage-timeout", "60")
    events = project.events()
    times = [datetime.fromisoformat(event["time"]) for event in events]
    assert max(times) - min(times) > timedelta(hours=1)
    assert any(later < earlier for earlier, later in pairwise(times))
    stages = [use for record in project.records().values() for use in record["stages"].values()]
    assert all(0 <= part.get("seconds", 0) < 60 for part in (*events, *stages))
    assert not list((project.store / "locks").iterdir())
    assert _same(project, unbroken)
    shutil.rmtree(project.root / "results")
    del project.environment["PYTHONPATH"]
    project.run()
    assert [e["event"] for e in project.events()[len(events) :]].count("stage-start") == 0
    assert _same(project, unbroken)


def _shell(project: Project, script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = " ".join(project.command())
    done = subprocess.run(
        ["bash", "-c", script.format(command)],
        cwd=project.root,
        env=os.environ | variables,
        capture_output=True,
        text=True,
    )
    assert "Traceback" not in done.stderr
    return done

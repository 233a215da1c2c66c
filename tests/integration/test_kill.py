"""`kill -9` in any stage, the same command again: the same numbers as an unbroken run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lanser_bench.store import Store

from .conftest import WORKERS, Project

STAGES = ("transcribe", "label", "features", "pretrain", "embed", "targets", "evaluate", "probe")
VOLATILE = ("created", "timings", "seconds", "peak_mib")


def numbers(record: Any) -> Any:
    """The record without what may differ between two runs: times."""
    if isinstance(record, dict):
        return {k: numbers(v) for k, v in record.items() if k not in VOLATILE}
    if isinstance(record, list):
        return [numbers(v) for v in record]
    return record


def forget(project: Project, stages: tuple[str, ...]) -> None:
    """Removes what the stages have made, so that they must run again."""
    store = Store(project.store)
    for key in list(store.keys()):
        if store.checked(key).spec.stage.partition(".")[0] in stages:
            store.discard(key)


def made(project: Project) -> dict[str, int]:
    """Key → when its artifact was finished."""
    markers = project.store.glob("objects/*/*/done.json")
    return {marker.parent.name: marker.stat().st_mtime_ns for marker in markers}


@pytest.mark.slow
def test_killed_in_every_stage_it_ends_with_the_same_numbers(
    finished: Project, tmp_path: Path
) -> None:
    project = finished
    project.settings["executor"] = WORKERS
    unbroken = {name: numbers(r) for name, r in project.records().items()}
    (project.root / "results").rename(tmp_path / "unbroken-results")

    killed = []
    for position, stage in enumerate(STAGES):
        for _ in range(5):  # where much else runs, a stage may end before it is seen to begin
            forget(project, STAGES[position:])
            before = made(project)
            done = project.kill_when(stage)
            assert before.items() <= made(project).items(), "nothing finished is made again"
            if done:
                break
        killed.append(done)
    project.run()

    assert all(killed)
    assert {name: numbers(r) for name, r in project.records().items()} == unbroken

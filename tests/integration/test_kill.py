"""`kill -9` in any stage, the same command again: the same numbers as an unbroken run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .conftest import Project

STAGES = ("transcribe", "label", "features", "pretrain", "embed", "targets", "evaluate", "probe")
VOLATILE = ("created", "timings", "seconds")


def numbers(record: Any) -> Any:
    """The record without what may differ between two runs: times."""
    if isinstance(record, dict):
        return {k: numbers(v) for k, v in record.items() if k not in VOLATILE}
    if isinstance(record, list):
        return [numbers(v) for v in record]
    return record


@pytest.mark.slow
def test_killed_in_every_stage_it_ends_with_the_same_numbers(
    project: Project, tmp_path: Path
) -> None:
    project.run(f"paths.store={tmp_path}/unbroken", f"paths.results={tmp_path}/unbroken-results")
    results = project.root / "results"
    (tmp_path / "unbroken-results").rename(results)
    unbroken = {name: numbers(r) for name, r in project.records().items()}
    results.rename(tmp_path / "kept")

    killed = [stage for stage in STAGES if project.kill_when(stage)]
    project.run()

    assert killed == list(STAGES)
    assert {name: numbers(r) for name, r in project.records().items()} == unbroken

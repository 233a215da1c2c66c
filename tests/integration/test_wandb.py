"""The offline W&B file, read back, holds every score of the run."""

from __future__ import annotations

import json
from typing import Any

import pytest
from wandb_files import offline_runs

from .conftest import Project


def scores(value: Any) -> list[float]:
    """Every `value` of a metric below a part of a record."""
    if isinstance(value, dict):
        own = [value["value"]] if isinstance(value.get("value"), float) else []
        return own + [s for v in value.values() for s in scores(v)]
    if isinstance(value, list):
        return [s for v in value for s in scores(v)]
    return []


def numbers(value: Any) -> set[float]:
    if isinstance(value, bool):
        return set()
    if isinstance(value, (int, float)):
        return {round(float(value), 9)}
    if isinstance(value, dict):
        return {n for v in value.values() for n in numbers(v)}
    if isinstance(value, list):
        return {n for v in value for n in numbers(v)}
    return set()


@pytest.mark.slow
def test_offline_runs_hold_every_score(project: Project) -> None:
    project.forked = False
    project.settings["trackers"] = ["jsonl", "wandb"]
    project.settings["tracker_timeout_s"] = 600.0
    project.settings["controls"] = {
        "random_init": True,
        "logmel_stats": False,
        "shuffled": "none",
    }
    done = project.run("--json")  # W&B and libraries print lines, too
    records = project.records().values()
    assert len(json.loads(done.stdout)["records"]) == len(records)
    runs = offline_runs(project.root)
    assert len(runs) == len(records) + 1  # that of the grid
    everything = set().union(*(numbers([*run.summary.values(), run.history]) for run in runs))
    for record in records:
        wanted = {round(s, 9) for s in scores(record["datasets"])}
        assert wanted
        assert wanted <= everything

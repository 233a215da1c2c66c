"""The offline W&B file, read back, holds every score of the run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from wandb_files import wandb_records

from .conftest import Project


def logged(folder: Path) -> list[dict[str, Any]]:
    """Every summary and history value of each offline run under a folder, by key."""
    from wandb.proto import wandb_internal_pb2

    runs = []
    for path in sorted(folder.rglob("*.wandb")):
        values: dict[str, list[Any]] = {}
        for data in wandb_records(path):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            for update in (*record.summary.update, *record.history.item):
                key = update.key or ".".join(update.nested_key)
                values.setdefault(key, []).append(json.loads(update.value_json))
        runs.append(values)
    return runs


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
    project.settings["trackers"] = ["jsonl", "wandb"]
    project.settings["tracker_timeout_s"] = 600.0
    project.settings["controls"] = {
        "random_init": True,
        "logmel_stats": False,
        "shuffled": "none",
    }
    project.run()
    records = project.records().values()
    runs = logged(project.root)
    assert len(runs) == len(records)
    everything = set().union(*(numbers(values) for values in runs))
    for record in records:
        wanted = {round(s, 9) for s in scores(record["datasets"])}
        assert wanted
        assert wanted <= everything

"""A finished experiment whose cells can be exported, made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from integration.conftest import make_project

from lanser_bench.experiment import run_experiment
from lanser_bench.records.reading import load_records
from lanser_bench.records.record import ResultRecord
from lanser_bench.store import Store


@dataclass
class Finished:
    root: Path
    store: Store
    records: dict[str, ResultRecord]
    plugin_dirs: tuple[Path, ...]


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    root = tmp_path_factory.mktemp("exported")
    project = make_project(root)
    settings = project.settings | {
        "encoder": {"name": "cnn", "channels": [8, 8]},
        "probes": [],
        "evaluate": {"folds": 3, "budgets": [1.0], "seeds": 1},
        "controls": {"random_init": True, "logmel_stats": True, "shuffled": "none"},
        "executor": {"name": "local", "inline": True},
        "trackers": [],
    }
    dirs = (root / "plugins",)
    assert run_experiment(settings, plugin_dirs=dirs).ok
    records = {r.control or "main": r for _, r in load_records([root / "results"])}
    return Finished(root, Store(root / "store"), records, dirs)

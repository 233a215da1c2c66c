"""A finished experiment whose cells can be exported, made once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
    return finish(tmp_path_factory.mktemp("exported"), {"name": "cnn", "channels": [8, 8]})


@pytest.fixture(scope="session")
def finished_adapter(tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """An adapter on Whisper with attentive pooling."""
    attentive = {"embed": {"pooling": "attentive"}, "pretrain.pooling": "attentive"}
    return finish(tmp_path_factory.mktemp("adapter"), {"name": "adapter", "hidden": 8}, attentive)


def finish(root: Path, encoder: dict[str, Any], more: dict[str, Any] | None = None) -> Finished:
    more = dict(more or {})
    project = make_project(root)
    pretrain = project.settings.get("pretrain", {})
    if pooling := more.pop("pretrain.pooling", None):
        pretrain = {**pretrain, "pooling": pooling, "learning_rate": 0.02}
    settings = project.settings | {
        "encoder": encoder,
        "pretrain": pretrain,
        "probes": [],
        "evaluate": {"folds": 3, "budgets": [1.0], "seeds": 1},
        "controls": {"random_init": True, "logmel_stats": True, "shuffled": "none"},
        "executor": {"name": "local", "inline": True},
        "trackers": [],
        **more,
    }
    dirs = (root / "plugins",)
    assert run_experiment(settings, plugin_dirs=dirs).ok
    records = {r.control or "main": r for _, r in load_records([root / "results"])}
    return Finished(root, Store(root / "store"), records, dirs)

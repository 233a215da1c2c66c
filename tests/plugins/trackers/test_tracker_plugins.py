from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wandb_files import wandb_records

from lanser_bench.plugins.discovery import load_plugins

BUDGETS = [("10%", 0.1, 0.31), ("100%", 1.0, 0.47)]


def metric(value: float, half: float | None = 0.0625) -> dict[str, Any]:
    if half is None:
        return {"value": value, "interval": None}
    interval = {"low": value - half, "high": value + half, "level": 0.95, "method": "t"}
    return {"value": value, "interval": interval}


@pytest.fixture
def record() -> dict[str, Any]:
    budgets = [
        {
            "budget": name,
            "fraction": fraction,
            "per_class": None,
            "n_labels": 100 * fraction,
            "uar": metric(uar),
            "wa": metric(uar + 0.01),
            "macro_f1": metric(uar - 0.01, None),
            "folds": [
                {
                    "fold": f,
                    "seed": 0,
                    "n_train": 9,
                    "n_test": 4,
                    "uar": uar + f / 128,
                    "wa": uar,
                    "macro_f1": uar,
                    "layer": "layer_01",
                    "strength": 0.1,
                }
                for f in range(2)
            ],
        }
        for name, fraction, uar in BUDGETS
    ]
    evaluation = {
        "budgets": budgets,
        "area": metric(0.40625),
        "majority": {
            "uar": metric(0.125, None),
            "wa": metric(0.15, None),
            "macro_f1": metric(0.03, None),
        },
    }
    target = {
        "target": "f0_mean_st",
        "scale": "raw",
        "layer": "layer_00",
        "strength": 1.0,
        "n": 40,
        "r2": metric(0.3125),
        "pearson": metric(0.57),
        "ccc": metric(0.52),
        "layers": {"layer_00": metric(0.3), "layer_01": metric(0.21, None)},
    }
    return {
        "schema_version": 1,
        "experiment": "study",
        "name": "labeler=words",
        "group": "g",
        "key": "ab" * 16,
        "role": "main",
        "control": None,
        "axes": {"labeler": "words"},
        "seed": 0,
        "seeds": {"evaluate": 0},
        "asr": "reference",
        "labeler": "words",
        "taxonomy": "mood",
        "encoder": "cnn",
        "settings": {"root": "…/data"},
        "versions": {},
        "commit": None,
        "stages": {"pretrain": {"stage": "pretrain", "key": "cd" * 16, "seconds": 3.5}},
        "labels": {"corpora.0": {"coverage": 0.875}},
        "transcripts": {},
        "training": {},
        "datasets": [
            {
                "dataset": "talk",
                "evaluation": evaluation,
                "probes": [{"probe": "prosody", "targets": [target]}],
            }
        ],
    }


EVENTS = [
    {
        "event": "stage",
        "stage": "pretrain",
        "training": {"epochs": [{"epoch": 0, "train_loss": 1.75}, {"epoch": 1, "train_loss": 1.5}]},
    },
]


def numbers(value: Any) -> Iterator[float]:
    """Every score below a part of a record."""
    if isinstance(value, dict):
        for inner in value.values():
            yield from numbers(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from numbers(inner)
    elif isinstance(value, float):
        yield value


def test_jsonl_appends_one_line_per_cell(record: dict[str, Any], tmp_path: Path) -> None:
    tracker = load_plugins(only="").create("tracker", "jsonl")
    for _ in range(2):
        tracker.log_cell(record, EVENTS, tmp_path)
    lines = (tmp_path / "cells.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"record": record, "events": EVENTS}] * 2


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_an_offline_run_holds_every_score_and_no_path(
    record: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    tracker = load_plugins(only="").create("tracker", "wandb", {"project": "p"})
    tracker.log_cell(record, EVENTS, tmp_path)
    (path,) = tmp_path.rglob("*.wandb")
    found: dict[str, Any] = {}
    run = None
    for data in wandb_records(path):
        line = wandb_internal_pb2.Record()
        line.ParseFromString(data)
        if line.WhichOneof("record_type") == "run":
            run = line.run
        for item in (*line.summary.update, *line.history.item):
            key = item.key or "/".join(item.nested_key)
            found.setdefault(key, []).append(json.loads(item.value_json))
    assert run is not None
    assert (run.project, run.run_group, run.display_name) == ("p", "study", "labeler=words")
    assert run.run_id == path.stem.removeprefix("run-")
    logged = {n for values in found.values() for n in values if isinstance(n, int | float)}
    wanted = set(numbers(record["datasets"])) - {0.95}
    assert wanted <= logged
    assert list(dict.fromkeys(found["pretrain/train_loss"])) == [1.75, 1.5]
    assert found["labels/corpora.0/coverage"] == [0.875]
    content = path.read_bytes()
    for secret in (str(tmp_path), str(Path.cwd()), str(Path.home())):
        assert secret.encode() not in content
    assert f"lanser-store://pretrain/{'cd' * 16}".encode() in content
    assert found["scores/_type"] == ["html-file"] * len(found["scores/_type"])
    assert "image-file" in found["label-efficiency/_type"]
    [table] = path.parent.rglob("scores_*.html")
    assert "31.0 [24.8, 37.2]" in table.read_text()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_stages_can_be_runs_of_their_own(
    record: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    from wandb.proto import wandb_internal_pb2

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("HOME", str(tmp_path))
    tracker = load_plugins(only="").create("tracker", "wandb", {"stages": True})
    event = EVENTS[0] | {"place": "pretrain", "key": "cd" * 16, "seconds": 3.5, "counts": {"n": 2}}
    tracker.log_cell(record, [event], tmp_path)
    kinds = {}
    for path in tmp_path.rglob("*.wandb"):
        for data in wandb_records(path):
            line = wandb_internal_pb2.Record()
            line.ParseFromString(data)
            if line.WhichOneof("record_type") == "run":
                kinds[line.run.run_id] = line.run.job_type, line.run.run_group
    assert kinds["cd" * 8] == ("pretrain", "study")
    assert ("main", "study") in kinds.values()
    assert len(kinds) == 2


@pytest.mark.slow
def test_tensorboard_holds_curves_scores_and_a_picture(
    record: dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tracker = load_plugins(only="").create("tracker", "tensorboard")
    for _ in range(2):
        tracker.log_cell(record, EVENTS, tmp_path)
    [events] = tmp_path.rglob("events.*")
    found = EventAccumulator(str(events.parent))
    found.Reload()
    assert [e.value for e in found.Scalars("pretrain/train_loss")] == [1.75, 1.5]
    uar = [(e.step, round(e.value, 2)) for e in found.Scalars("talk/curve/uar")]
    assert uar == [(10, 0.31), (100, 0.47)]
    assert found.Tags()["images"] == ["label-efficiency"]
    assert str(tmp_path).encode() not in events.read_bytes()


def test_the_same_cell_has_the_same_run_and_another_cell_another(record: dict[str, Any]) -> None:
    module = pytest.importorskip("lanser_bench_plugins.trackers._lines")
    assert module.run_id(record) == module.run_id(dict(record))
    assert module.run_id(record) != module.run_id({**record, "key": "cd" * 16})


@pytest.mark.parametrize(
    ("said", "key", "mode"),
    [
        ("", "", "offline"),
        ("", "k", "online"),
        ("offline", "k", "offline"),
        ("disabled", "k", "disabled"),
        ("nonsense", "", "offline"),
    ],
)
def test_the_mode_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, key: str, mode: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_MODE", said)
    monkeypatch.setenv("WANDB_API_KEY", key)
    tracker = load_plugins(only="").create("tracker", "wandb")
    assert tracker._mode() == mode

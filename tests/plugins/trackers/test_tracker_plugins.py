from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from wandb_files import offline_runs

from lanser_bench import headline
from lanser_bench.plugins.discovery import load_plugins
from lanser_bench.testing import check

RESULTS = Path(__file__).parents[3] / "results"
EVENTS = [
    {
        "event": "stage",
        "stage": "pretrain",
        "training": {"epochs": [{"epoch": 1, "train_loss": 1.75}, {"epoch": 2, "train_loss": 1.5}]},
    },
]
SEED = ", seed=0", ""


@pytest.fixture
def record() -> dict[str, Any]:
    """A cell that a run wrote: seven budgets, three probes, zero-shot scores."""
    [path] = RESULTS.glob("ravdess/encoder-cnn-corpora-librispeech-*-seed-0-*.json")
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def numbers(value: Any) -> Iterator[float]:
    """Every score below a part of a record."""
    if isinstance(value, dict):
        if isinstance(value.get("value"), float):
            yield value["value"]
            value = value["interval"] and {k: value["interval"][k] for k in ("low", "high")}
        yield from (n for inner in (value or {}).values() for n in numbers(inner))
    elif isinstance(value, list):
        yield from (n for inner in value for n in numbers(inner))
    elif isinstance(value, float):
        yield value


def test_jsonl_appends_one_line_per_cell(record: dict[str, Any], tmp_path: Path) -> None:
    tracker = load_plugins(only="").create("tracker", "jsonl")
    for _ in range(2):
        tracker.log_cell(record, EVENTS, tmp_path)
    lines = (tmp_path / "cells.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"record": record, "events": EVENTS}] * 2


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for W&B, which has no key, and writes nothing elsewhere."""
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name in ("WANDB_DATA_DIR", "WANDB_CACHE_DIR"):
        monkeypatch.setenv(name, "")  # the tracker sets them; the test takes them back
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    return tmp_path


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["jsonl", "tensorboard", "wandb"])
def test_trackers_keep_the_contract(name: str, offline: Path) -> None:
    assert check("tracker", lambda: load_plugins(only="").create("tracker", name)) == []


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_an_offline_run_holds_every_score_and_no_path(
    record: dict[str, Any], offline: Path
) -> None:
    tracker = load_plugins(only="").create("tracker", "wandb", {"project": "p"})
    tracker.log_cell(record, EVENTS, offline)
    [found] = offline_runs(offline)
    name, group = (f"encoder=cnn, corpora=[librispeech,librispeech,ljspeech]{s}" for s in SEED)
    run = found.run
    assert (run.project, run.run_group, run.job_type) == ("p", f"ravdess/{group}", "main")
    assert run.display_name == name
    assert run.run_id == found.path.stem.removeprefix("run-")
    values = [*found.summary.values(), *(v for line in found.history.values() for v in line)]
    result = record["datasets"][0]
    del result["zero_shot"]["recalls"]
    assert set(numbers(result)) <= {v for v in values if isinstance(v, int | float)}
    assert found.history["pretrain/train_loss"] == [1.75, 1.5]
    content = found.path.read_bytes()
    for secret in (str(offline), str(Path.cwd()), str(Path.home())):
        assert secret.encode() not in content
    key = record["stages"]["pretrain"]["key"]
    assert f"lanser-store://pretrain/{key}".encode() in content


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_curves_have_their_axes_and_the_summary_has_only_headlines(
    record: dict[str, Any], offline: Path
) -> None:
    load_plugins(only="").create("tracker", "wandb").log_cell(record, EVENTS, offline)
    [found] = offline_runs(offline)
    axis = {name: metric.step_metric for name, metric in found.metrics.items()}
    assert axis["ravdess/curve/uar"] == "ravdess/curve/n_labels"
    assert axis["pretrain/*"] == "pretrain/epoch"
    budgets = record["datasets"][0]["evaluation"]["budgets"]
    assert found.history["ravdess/curve/n_labels"] == [b["n_labels"] for b in budgets]
    assert found.history["ravdess/curve/uar"] == [b["uar"]["value"] for b in budgets]
    assert all(metric.summary.none for metric in found.metrics.values())
    assert found.metrics["ravdess/folds/*"].options.hidden
    assert not found.metrics["ravdess/curve/uar"].options.hidden
    # wandb's own service keeps last values in the summary; servers follow `summary.none`.
    shown = {k for k in found.summary if k not in found.history and not k.startswith("_")}
    assert shown == set(headline(record))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_stages_are_runs_of_their_own_and_shared_by_cells(
    record: dict[str, Any], offline: Path
) -> None:
    tracker = load_plugins(only="").create("tracker", "wandb", {"stages": True})
    event = EVENTS[0] | {"place": "pretrain", "key": "cd" * 16, "seconds": 3.5, "counts": {"n": 2}}
    for key in ("ab" * 16, "ef" * 16):
        tracker.log_cell(record | {"key": key}, [event], offline)
    runs = {found.run.run_id: found for found in offline_runs(offline)}
    assert len(runs) == 3
    stage = runs["cd" * 8]
    assert (stage.run.job_type, stage.run.run_group) == ("pretrain", "ravdess/stages")
    assert stage.run.display_name == "pretrain cdcdcdcd"
    assert (stage.summary["seconds"], stage.summary["counts/n"]) == (3.5, 2)


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
    uar = [(e.step, e.value) for e in found.Scalars("ravdess/curve/uar")]
    budgets = record["datasets"][0]["evaluation"]["budgets"]
    assert uar == [(round(b["n_labels"]), pytest.approx(b["uar"]["value"])) for b in budgets]
    for name, value in headline(record).items():
        assert found.Scalars(f"summary/{name}")[0].value == pytest.approx(value)
    assert found.Tags()["images"] == ["label-efficiency"]
    assert str(tmp_path).encode() not in events.read_bytes()
    assert tracker.view(tmp_path) == f"tensorboard --logdir {tmp_path}"


PREPARED = """
import json, sys
from pathlib import Path
from lanser_bench.plugins.discovery import load_plugins
name, record, folder = sys.argv[1:]
tracker = load_plugins(only="").create("tracker", name)
tracker.prepare()
known = set(sys.modules)
tracker.log_cell(json.loads(Path(record).read_text()), [], Path(folder))
print(json.dumps(sorted(set(sys.modules) - known)))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["wandb", "tensorboard", "mlflow"])
def test_the_time_of_a_cell_does_not_count_imports(
    name: str, record: dict[str, Any], offline: Path
) -> None:
    pytest.importorskip(name)
    path = offline / "record.json"
    path.write_text(json.dumps(record))
    command = [sys.executable, "-c", PREPARED, name, str(path), str(offline)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    imported = json.loads(done.stdout.splitlines()[-1])
    large = {"torch", "matplotlib", "pandas", "wandb", "tensorboard", "mlflow", "lanser_bench"}
    late = Counter(module.partition(".")[0] for module in imported)
    assert sum(late[library] for library in large) < 100, late


def test_the_same_cell_has_the_same_run_and_another_cell_another(record: dict[str, Any]) -> None:
    module = pytest.importorskip("lanser_bench_plugins.trackers._lines")
    assert module.cell_id(record) == module.cell_id(dict(record))
    assert module.cell_id(record) != module.cell_id({**record, "key": "cd" * 16})
    long = [module.group_name("study", f"labeler={'x' * 200}, seed={i}") for i in range(2)]
    assert len(set(long)) == 2
    assert {len(group) for group in long} == {128}
    names = {f"labeler={'x' * 200}, seed={i}" for i in range(2)}
    assert len({module.shortened(name) for name in names}) == 2


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

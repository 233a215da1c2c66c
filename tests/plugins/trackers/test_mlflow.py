"""MLflow, read back with its own client: a database, a folder and a server."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from lanser_bench import headline
from lanser_bench.plugins.discovery import load_plugins

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(find_spec("mlflow") is None, reason="mlflow is not installed"),
]

GRID = Path(__file__).parents[3] / "results" / "real-speech"
EVENTS = [
    {"training": {"epochs": [{"epoch": 1, "train_loss": 2.0}, {"epoch": 2, "train_loss": 1.5}]}}
]


def cells() -> list[dict[str, Any]]:
    """Two cells that a run wrote."""
    paths = sorted(GRID.glob("*.json"))
    return [json.loads(path.read_text()) for path in (paths[0], paths[-1])]


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MLFLOW_DISABLE_TELEMETRY", "MLFLOW_ALLOW_FILE_STORE"):
        monkeypatch.setenv(name, "")  # the tracker sets them; the test takes them back
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def tracked(uri: str | None, folder: Path) -> Any:
    """Sends the cells, one of them twice, and the grid; returns a client."""
    import mlflow

    tracker = load_plugins(only="").create("tracker", "mlflow", {"uri": uri})
    tracker.prepare()
    first, last = cells()
    for record in (first, last, first):
        tracker.log_cell(record, EVENTS, folder)
    tracker.log_grid(GRID, folder)
    return mlflow.MlflowClient(tracker._uri(folder))


def check(client: Any, folder: Path) -> None:
    """Compares what was stored with the records."""
    home = client.get_experiment_by_name("lanser").experiment_id
    runs = client.search_runs([home])
    assert {run.info.status for run in runs} == {"FINISHED"}
    of = {run.info.run_name: run for run in runs}
    records = {record["name"]: record for record in cells()}
    parent = of.pop("lanser: all cells")
    assert of.keys() == records.keys()
    for name, record in records.items():
        run = of[name]
        metrics = run.data.metrics
        assert {k: metrics[k] for k in headline(record)} == headline(record)
        budgets = record["datasets"][0]["evaluation"]["budgets"]
        dataset = record["datasets"][0]["dataset"]
        curve = client.get_metric_history(run.info.run_id, f"{dataset}/curve/uar")
        wanted = [(round(b["n_labels"]), b["uar"]["value"]) for b in budgets]
        assert sorted((m.step, m.value) for m in curve) == wanted
        losses = client.get_metric_history(run.info.run_id, "pretrain/train_loss")
        assert sorted((m.step, m.value) for m in losses) == [(1, 2.0), (2, 1.5)]
        assert run.data.params["encoder"] == record["encoder"]
        assert run.data.params.items() >= record["axes"].items()
        assert run.data.tags["group"] == f"lanser/{record['group']}"
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        path = client.download_artifacts(run.info.run_id, "settings.json", str(folder))
        assert json.loads(Path(path).read_text())["key"] == record["key"]
    assert parent.data.metrics["cells"] == len(list(GRID.glob("*.json")))
    files = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert "report.html" in files
    [board] = files - {"report.html"}
    pictures = {file.path for file in client.list_artifacts(parent.info.run_id, board)}
    assert f"{board}/board.csv" in pictures
    assert any("confusions-1" in path for path in pictures)


def test_a_database_in_the_runs_own_folder(tmp_path: Path) -> None:
    check(tracked(None, tmp_path), tmp_path)
    made = {path.name for path in tmp_path.iterdir()}
    assert {"mlflow.db", "artifacts"} <= made
    tracker = load_plugins(only="").create("tracker", "mlflow")
    assert tracker.view(tmp_path) == f"mlflow ui --backend-store-uri sqlite:///{tmp_path}/mlflow.db"
    assert not tracker.remote


def test_a_folder_which_mlflow_itself_refuses_by_default(tmp_path: Path) -> None:
    client = tracked(str(tmp_path / "mlruns"), tmp_path)
    check(client, tmp_path)
    assert list((tmp_path / "mlruns").rglob("meta.yaml"))
    for uri in ("mlruns", "file:///there/mlruns"):
        tracker = load_plugins(only="").create("tracker", "mlflow", {"uri": uri})
        command = f"MLFLOW_ALLOW_FILE_STORE=true mlflow ui --backend-store-uri {uri}"
        assert tracker.view(tmp_path) == command


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real server of MLflow on this machine."""
    pytest.importorskip("flask_cors")
    pytest.importorskip("aiohttp")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = ["--backend-store-uri", f"sqlite:///{tmp_path}/server.db", "--port", str(port)]
    words += ["--artifacts-destination", str(tmp_path / "kept"), "--workers", "1"]
    command = [sys.executable, "-W", "ignore", "-m", "mlflow", "server", *words]
    environment = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    url = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 300
        while process.poll() is None and time.monotonic() < until:
            with suppress(OSError), urllib.request.urlopen(f"{url}/health", timeout=5):
                break
            time.sleep(0.2)
        assert process.poll() is None, (tmp_path / "server.log").read_text()
        yield url
    finally:
        process.terminate()
        process.wait(60)


def test_a_server_gets_runs_and_files(server: str, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    check(tracked(server, tmp_path / "here"), tmp_path / "here")
    assert list((tmp_path / "kept").rglob("report.html"))
    tracker = load_plugins(only="").create("tracker", "mlflow", {"uri": server})
    assert tracker.remote
    assert tracker.view(tmp_path) is None


def test_a_server_that_is_away_is_one_error(tmp_path: Path) -> None:
    tracker = load_plugins(only="").create("tracker", "mlflow", {"uri": "http://127.0.0.1:9"})
    tracker.prepare()
    with pytest.raises(Exception, match="port=9"):
        tracker.log_cell(cells()[0], [], tmp_path)

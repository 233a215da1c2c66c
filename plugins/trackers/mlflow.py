"""MLflow: one run per cell, nested below one run of the grid."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import Any

from lanser_bench import Event, PluginOptions, Tracker, grid_summary, headline, metric_name

from .._optional import import_optional
from ._lines import (
    budget_curves,
    cell_id,
    configuration,
    curves,
    group_name,
    load_pictures,
    picture,
    run_id,
)

ID, RUN_NAME, PARENT = "lanser.id", "mlflow.runName", "mlflow.parentRunId"
MINUS = "minus_"
MOST_METRICS, LONGEST_PARAMETER = 900, 500
"""Limits of MLflow's servers."""
PARAMETERS = ("asr", "labeler", "taxonomy", "encoder", "seed", "control")
SERVERS = ("http://", "https://", "databricks")


class MLflowOptions(PluginOptions):
    """Options of `mlflow`."""

    uri: str | None = None
    """Tracking URI: a server such as ``http://localhost:5000``, a database such as
    ``sqlite:///mlflow.db``, or a folder. Null: the value of MLFLOW_TRACKING_URI; without it, a
    database in the run's own folder of the store."""


class MLflow(Tracker[MLflowOptions]):
    """Writes each cell as a run of the MLflow experiment; writing it again replaces the run."""

    Options = MLflowOptions
    version = "1"
    libraries = ("mlflow-skinny",)

    def prepare(self) -> None:
        """Imports MLflow and the libraries of pictures, and switches off its usage statistics.

        Folders need MLFLOW_ALLOW_FILE_STORE, which is set for this process: MLflow advises
        databases instead.
        """
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        os.environ["MLFLOW_ALLOW_FILE_STORE"] = "true"
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
        for module in ("mlflow", "sqlalchemy", "alembic"):
            _part(module)
        load_pictures()

    @property
    def remote(self) -> bool:
        """Whether runs are sent to a server."""
        return (self._given or "").startswith(SERVERS)

    @property
    def _given(self) -> str | None:
        return self.options.uri or os.environ.get("MLFLOW_TRACKING_URI") or None

    def _uri(self, folder: Path) -> str:
        return self._given or f"sqlite:///{folder / 'mlflow.db'}"

    def view(self, folder: Path) -> str | None:
        """Returns the command that shows the runs in a browser; None for a server."""
        if self.remote:
            return None
        uri = self._uri(folder)
        allowed = "" if "://" in uri.removeprefix("file://") else "MLFLOW_ALLOW_FILE_STORE=true "
        return f"{allowed}mlflow ui --backend-store-uri {quote(uri)}"

    def log_cell(self, record: Mapping[str, Any], events: Iterable[Event], folder: Path) -> None:
        """Writes one run: parameters, training curves, scores, settings and a picture."""
        experiment, role = str(record["experiment"]), str(record["control"] or record["role"])
        tags = {"group": group_name(experiment, str(record["group"])), "role": role}
        tags[RUN_NAME] = str(record["name"])
        client = self._client(folder)
        home = self._home(client, experiment, folder)
        run = _new_run(client, home, cell_id(record), tags)
        points = [
            (name, value, int(line["pretrain/epoch"]))
            for line in curves(events)
            for name, value in line.items()
            if isinstance(value, int | float)
        ]
        points += budget_curves(record)
        points += [(name, value, 0) for name, value in headline(record).items()]
        given = {name: record[name] for name in PARAMETERS} | dict(record["axes"])
        params = {metric_name(name): str(value) for name, value in given.items()}
        _log(client, run, points, params)
        client.log_dict(run, configuration(record), "settings.json")
        figure = picture(record)
        if figure is not None:
            client.log_figure(run, figure, "label-efficiency.png")
        client.set_terminated(run)

    def log_grid(self, results: Path, folder: Path) -> None:
        """Writes the parent of the cells' runs: boards, pictures and the report.

        Cells also get their differences to controls.
        """
        grid = grid_summary(results, folder)
        client = self._client(folder)
        home = self._home(client, grid.experiment, folder)
        tags = {RUN_NAME: f"{grid.experiment}: all cells", "role": "grid"}
        parent = _new_run(client, home, run_id(grid.experiment, "grid"), tags)
        _log(client, parent, [(name, value, 0) for name, value in grid.headline.items()])
        cells: dict[str, list[str]] = {}
        for name, group, key in grid.cells:
            for run in _runs(client, home, run_id(grid.experiment, name, key)):
                client.set_tag(run, PARENT, parent)
                cells.setdefault(group, []).append(run)
        for board in grid.boards:
            place = metric_name(board.title)
            client.log_text(parent, board.csv, f"{place}/board.csv")
            for path in board.pictures.values():
                client.log_artifact(parent, str(path), place)
            for row in board.rows:
                points = [(f"{place}/{n}", v, 0) for n, v in row.items() if n.startswith(MINUS)]
                for run in cells.get(row["group"], ()) if points else ():
                    _log(client, run, points)
        client.log_artifact(parent, str(grid.report))
        client.set_terminated(parent)

    def _client(self, folder: Path) -> Any:
        return _part("mlflow").MlflowClient(self._uri(folder))

    def _home(self, client: Any, experiment: str, folder: Path) -> str:
        """Returns the id of the MLflow experiment; its own database has files next to it."""
        known = client.get_experiment_by_name(experiment)
        if known is not None:
            return str(known.experiment_id)
        beside = None if self._given else (folder / "artifacts").as_uri()
        return str(client.create_experiment(experiment, artifact_location=beside))


def _part(module: str) -> Any:
    need = "The tracker 'mlflow' needs its packages"
    install = "pip install 'lanser-bench[mlflow]', or remove it from 'trackers'."
    return import_optional(module, need, install)


def _new_run(client: Any, home: str, identity: str, tags: Mapping[str, str]) -> str:
    """Starts a run, and deletes the one that had the same identity."""
    for old in _runs(client, home, identity):
        client.delete_run(old)
    return str(client.create_run(home, tags={**tags, ID: identity}).info.run_id)


def _runs(client: Any, home: str, identity: str) -> list[str]:
    return [r.info.run_id for r in client.search_runs([home], f"tags.`{ID}` = '{identity}'")]


def _log(
    client: Any,
    run: str,
    points: Sequence[tuple[str, float, int]],
    params: Mapping[str, str] | None = None,
) -> None:
    """Writes parameters, and values at steps, as many at once as servers accept."""
    entities = _part("mlflow.entities")
    now = round(1000 * time.time())
    metrics = [entities.Metric(name, float(value), now, step) for name, value, step in points]
    given = [
        entities.Param(name, value[:LONGEST_PARAMETER]) for name, value in (params or {}).items()
    ]
    for begin in range(0, max(len(metrics), 1), MOST_METRICS):
        client.log_batch(run, metrics[begin : begin + MOST_METRICS], () if begin else given)

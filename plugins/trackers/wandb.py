"""Weights & Biases: one run per cell and one for the grid, offline without a key.

A run is written after the cell's record is on disk, and contains only data of the record: no
console, no source, no git remote, no machine facts, no absolute paths. A cell's artifacts are
references by key, never bytes: ``lanser-store://pretrain/<key>``. The grid's report is uploaded;
until then, its offline file names the report's place on this machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import Any, Literal
from urllib.parse import quote as quote_url

from pydantic import Field

from lanser_bench import Event, PluginOptions, Tracker, grid_summary, headline, metric_name

from .._optional import import_optional
from ._lines import (
    METRICS,
    cell_id,
    configuration,
    curves,
    datasets,
    group_name,
    load_pictures,
    run_id,
    score_lines,
    shortened,
)

LOCAL_TIMEOUT_S = 600.0
"""Longest wait for wandb's own process when offline."""
PRIVATE: dict[str, Any] = {
    **dict.fromkeys(("disable_code", "disable_git", "disable_job_creation", "silent"), True),
    **dict.fromkeys(("x_disable_machine_info", "x_disable_meta", "x_disable_stats"), True),
    **dict.fromkeys(("save_code", "x_save_requirements"), False),
    "finish_timeout_raises": True,
    "console": "off",
    **dict.fromkeys(("host", "program"), ""),
}
TIMEOUTS = ("init_timeout", "finish_timeout", "login_timeout")


class WandBOptions(PluginOptions):
    """Options of `wandb`."""

    project: str = "lanser-bench"
    entity: str | None = None
    mode: Literal["auto", "online", "offline"] = "auto"
    """``auto``: the value of WANDB_MODE; without it, online if there is a key, else offline."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Longest wait for the server at the start and at the end of a run."""
    stages: bool = False
    """Also writes a run per distinct stage, with its time, counts and curve."""


class WandB(Tracker[WandBOptions]):
    """Writes each cell as its own W&B run: the same cell always has the same run id."""

    Options = WandBOptions
    version = "1"
    libraries = ("wandb",)

    @cached_property
    def _stages(self) -> set[str]:
        """Keys of the stages that have a run; cells share them."""
        return set()

    def prepare(self) -> None:
        """Imports wandb and the libraries of pictures, or raises `MissingDependencyError`."""
        install = "pip install wandb, or remove it from 'trackers'."
        import_optional("wandb.apis.public", "The tracker 'wandb' needs its package", install)
        load_pictures()

    def view(self, folder: Path) -> str | None:
        """Returns the command that uploads offline runs; None if they were sent at once."""
        return f"wandb sync {quote(str(folder / 'wandb'))}" if self._mode() == "offline" else None

    def log_cell(self, record: Mapping[str, Any], events: Iterable[Event], folder: Path) -> None:
        """Writes one run: configuration, training curves, scores per budget and fold, probes."""
        if self._mode() == "disabled":
            return
        events, experiment = list(events), str(record["experiment"])
        for event in events if self.options.stages else ():
            self._log_stage(experiment, event, folder)
        about = {
            "id": cell_id(record),
            "name": shortened(str(record["name"])),
            "group": group_name(experiment, str(record["group"])),
            "job_type": str(record["control"] or record["role"]),
            "config": configuration(record),
        }
        with self._run(folder, about) as run:
            _define_axes(run, record)
            for line in (*curves(events), *score_lines(record)):
                run.log(line)
            run.summary.update(headline(record))
            run.log_artifact(_references(record))

    def _log_stage(self, experiment: str, event: Event, folder: Path) -> None:
        key, stage = str(event["key"]), str(event["stage"])
        if key in self._stages:
            return
        self._stages.add(key)
        about = {
            "id": key[:16],
            "name": f"{stage} {key[:8]}",
            "group": group_name(experiment, "stages"),
            "job_type": stage,
            "config": {"key": key, "stage": stage},
        }
        with self._run(folder, about) as run:
            run.define_metric("pretrain/*", step_metric="pretrain/epoch")
            for line in curves([event]):
                run.log(line)
            run.summary["seconds"] = event["seconds"]
            for name, value in event["counts"].items():
                if isinstance(value, int | float | str):
                    run.summary[f"counts/{name}"] = value

    def log_grid(self, results: Path, folder: Path) -> None:
        """Writes one run: leaderboards with links, the report's pictures, the report."""
        import wandb

        if self._mode() == "disabled":
            return
        grid = grid_summary(results, folder)
        about = {
            "id": run_id(grid.experiment, "grid"),
            "name": shortened(f"{grid.experiment}: all cells"),
            "group": group_name(grid.experiment, "grid"),
            "job_type": "grid",
        }
        with self._run(folder, about) as run:
            for board in grid.boards:
                rows = [self._linked(run, grid.experiment, row) for row in board.rows]
                heads = list(dict.fromkeys(name for row in rows for name in row))
                values = [[row.get(head) for head in heads] for row in rows]
                table = wandb.Table([*heads], values, allow_mixed_types=True)
                pictures = {n: wandb.Image(str(path)) for n, path in board.pictures.items()}
                place = metric_name(board.title)
                run.log({f"{place}/{n}": v for n, v in {"board": table, **pictures}.items()})
            run.summary.update(grid.headline)
            report = wandb.Artifact(f"report-{run.id}", type="report")
            report.add_file(str(grid.report), policy="immutable", skip_cache=True)
            run.log_artifact(report)

    def _linked(self, run: Any, experiment: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """Returns a row with its W&B group and the group's page.

        The page is None as long as the owner of the project is unknown.
        """
        group = group_name(experiment, row["group"])
        base = str(run.url).partition("/runs/")[0] if self.remote else ""
        if not base and self.options.entity:
            base = f"https://wandb.ai/{self.options.entity}/{self.options.project}"
        link = f"{base}/groups/{quote_url(group, safe='')}" if base else None
        return {**row, "group": group, "link": link}

    @contextmanager
    def _run(self, folder: Path, about: Mapping[str, Any]) -> Iterator[Any]:
        """Opens a run, or the same run again, and closes it completely."""
        import wandb

        os.environ |= {"WANDB_DATA_DIR": str(folder), "WANDB_CACHE_DIR": str(folder / "cache")}
        timeout_s = self.options.timeout_s if self.remote else LOCAL_TIMEOUT_S
        wanted = PRIVATE | dict.fromkeys(TIMEOUTS, timeout_s)
        # As far as this version of wandb has these settings.
        settings = {k: v for k, v in wanted.items() if k in wandb.Settings.model_fields}
        run = wandb.init(
            project=self.options.project,
            entity=self.options.entity,
            dir=str(folder),
            mode=self._mode(),
            resume="allow" if self.remote else None,
            settings=wandb.Settings(**settings),
            **about,
        )
        try:
            yield run
        finally:
            run.finish()
            # `finish` may return before the service has written the run's file; this waits.
            wandb.teardown()

    @property
    def remote(self) -> bool:
        """True unless runs are only written to disk."""
        return self._mode() == "online"

    def _mode(self) -> Literal["online", "offline", "disabled"]:
        if self.options.mode != "auto":
            return self.options.mode
        match os.environ.get("WANDB_MODE", ""):
            case "online" | "offline" | "disabled" as mode:
                return mode
        return "online" if _has_key() else "offline"


def _has_key() -> bool:
    """Whether this machine has a W&B key; never prompts for one."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    import netrc

    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _define_axes(run: Any, record: Mapping[str, Any]) -> None:
    """Draws curves over epochs and over labels; other lines get no chart and no summary."""
    run.define_metric("pretrain/*", step_metric="pretrain/epoch", summary="none")
    for name, result in datasets(record):
        probes = (str(probe["probe"]) for probe in result["probes"])
        for part in ("curve", "folds", "other", *probes):
            run.define_metric(f"{name}/{part}/*", hidden=True, summary="none")
        for metric in METRICS:
            labels = f"{name}/curve/n_labels"
            run.define_metric(f"{name}/curve/{metric}", step_metric=labels, summary="none")


def _references(record: Mapping[str, Any]) -> Any:
    """The cell's artifacts in the store, by key: no bytes and no paths leave the machine."""
    import wandb

    artifact = wandb.Artifact(f"cell-{cell_id(record)}", type="cell")
    for place, use in record["stages"].items():
        uri, name = f"lanser-store://{use['stage']}/{use['key']}", place.replace(" ", "/")
        artifact.add_reference(uri, name=name, checksum=False)
    return artifact

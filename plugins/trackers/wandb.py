"""Weights & Biases: one run per cell, offline without a key.

The run is written after the cell's record is on disk, and contains only data of the record: no
console, no source, no git remote, no machine facts, no absolute paths. Artifacts are references by
key, never bytes: ``lanser-store://pretrain/<key>``.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lanser_bench import Event, PluginOptions, Tracker

from .._optional import import_optional
from ._lines import configuration, curves, picture, run_id, score_lines, score_table, summary

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

    def prepare(self) -> None:
        """Imports wandb.

        Raises:
            MissingDependencyError: wandb is not installed.
        """
        install = "pip install wandb, or remove it from 'trackers'."
        import_optional("wandb", "The tracker 'wandb' needs its package", install)

    def log_cell(self, record: Mapping[str, Any], events: Iterable[Event], folder: Path) -> None:
        """Writes one run: configuration, training curves, scores per budget and fold, probes."""
        if self._mode() == "disabled":
            return
        events = list(events)
        for event in events if self.options.stages else ():
            self._log_stage(record, event, folder)
        about = {
            "id": run_id(record),
            "name": str(record["name"]),
            "config": configuration(record),
            "job_type": str(record["control"] or record["role"]),
        }
        with self._run(record, folder, about) as run:
            for line in curves(events):
                run.log(line)
            for scores in score_lines(record):
                run.log(scores)
            run.log(_media(record))
            for key, value in summary(record).items():
                run.summary[key] = value
            run.log_artifact(_references(record))

    def _log_stage(self, record: Mapping[str, Any], event: Event, folder: Path) -> None:
        about = {
            "id": str(event["key"])[:16],
            "name": str(event["place"]),
            "job_type": str(event["stage"]),
            "config": {"key": event["key"], "stage": event["stage"]},
        }
        with self._run(record, folder, about) as run:
            for line in curves([event]):
                run.log(line)
            run.summary["seconds"] = event["seconds"]
            for name, value in event["counts"].items():
                if isinstance(value, int | float | str):
                    run.summary[f"counts/{name}"] = value

    @contextmanager
    def _run(
        self, record: Mapping[str, Any], folder: Path, about: Mapping[str, Any]
    ) -> Iterator[Any]:
        """Opens a run, or the same run again, and closes it completely."""
        import wandb

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
            group=str(record["experiment"]),
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


def _media(record: Mapping[str, Any]) -> dict[str, Any]:
    """The scores as a table and a picture.

    HTML and not `wandb.Table`, see `score_lines`.
    """
    import wandb

    media: dict[str, Any] = {"scores": wandb.Html(score_table(record))}
    figure = picture(record)
    if figure is not None:
        from PIL import Image

        file = BytesIO()  # for a figure, wandb would load pyplot and its windows
        figure.savefig(file, format="png", dpi=120)
        media["label-efficiency"] = wandb.Image(Image.open(file))
    return media


def _references(record: Mapping[str, Any]) -> Any:
    """The cell's artifacts in the store, by key: no bytes and no paths leave the machine."""
    import wandb

    artifact = wandb.Artifact(f"cell-{run_id(record)}", type="cell")
    for place, use in record["stages"].items():
        uri, name = f"lanser-store://{use['stage']}/{use['key']}", place.replace(" ", "/")
        artifact.add_reference(uri, name=name, checksum=False)
    return artifact

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
        import_optional(
            "wandb",
            "The tracker 'wandb' needs its package",
            "pip install wandb, or remove it from 'trackers'.",
        )

    def log_cell(self, record: Mapping[str, Any], events: Iterable[Event], folder: Path) -> None:
        """Writes one run: configuration, training curves, scores per budget and fold, probes."""
        import wandb

        mode = self._mode()
        if mode == "disabled":
            return
        events = list(events)
        if self.options.stages:
            for event in events:
                self._stage(wandb, mode, record, event, folder)
        with self._run(
            wandb,
            mode,
            folder,
            id=run_id(record),
            name=str(record["name"]),
            group=str(record["experiment"]),
            config=configuration(record),
            job_type=str(record["control"] or record["role"]),
        ) as run:
            for line in curves(events):
                run.log(line)
            for scores in score_lines(record):
                run.log(scores)
            run.log(_media(wandb, record))
            for key, value in summary(record).items():
                run.summary[key] = value
            run.log_artifact(_references(wandb, record))

    def _stage(
        self, wandb: Any, mode: str, record: Mapping[str, Any], event: Event, folder: Path
    ) -> None:
        with self._run(
            wandb,
            mode,
            folder,
            id=str(event["key"])[:16],
            name=str(event["place"]),
            group=str(record["experiment"]),
            job_type=str(event["stage"]),
            config={"key": event["key"], "stage": event["stage"]},
        ) as run:
            for line in curves([event]):
                run.log(line)
            run.summary["seconds"] = event["seconds"]
            for name, value in event["counts"].items():
                if isinstance(value, int | float | str):
                    run.summary[f"counts/{name}"] = value

    @contextmanager
    def _run(self, wandb: Any, mode: str, folder: Path, **about: Any) -> Iterator[Any]:
        """Opens a run, or the same run again, and closes it completely."""
        run = wandb.init(
            project=self.options.project,
            entity=self.options.entity,
            dir=str(folder),
            mode=mode,
            resume="allow" if mode == "online" else None,
            settings=wandb.Settings(**self._settings(wandb)),
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

    def _settings(self, wandb: Any) -> dict[str, Any]:
        """Settings that keep a run small and private, as far as this wandb supports them."""
        timeout_s = self.options.timeout_s if self.remote else LOCAL_TIMEOUT_S
        wanted = PRIVATE | dict.fromkeys(TIMEOUTS, timeout_s)
        return {k: v for k, v in wanted.items() if k in wandb.Settings.model_fields}


def _has_key() -> bool:
    """Whether this machine has a W&B key; never prompts for one."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    import netrc

    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def _media(wandb: Any, record: Mapping[str, Any]) -> dict[str, Any]:
    """The scores as a table and a picture.

    HTML and not `wandb.Table`, see `score_lines`.
    """
    media = {"scores": wandb.Html(score_table(record))}
    figure = picture(record)
    if figure is not None:
        from PIL import Image

        file = BytesIO()  # for a figure, wandb would load pyplot and its windows
        figure.savefig(file, format="png", dpi=120)
        media["label-efficiency"] = wandb.Image(Image.open(file))
    return media


def _references(wandb: Any, record: Mapping[str, Any]) -> Any:
    """The cell's artifacts in the store, by key: no bytes and no paths leave the machine."""
    artifact = wandb.Artifact(f"cell-{run_id(record)}", type="cell")
    for place, use in record["stages"].items():
        artifact.add_reference(
            f"lanser-store://{use['stage']}/{use['key']}",
            name=place.replace(" ", "/"),
            checksum=False,
        )
    return artifact

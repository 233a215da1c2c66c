"""Weights & Biases: one run per cell, offline where there is no key.

The run is written after the cell's record is on disk and holds nothing that the record does not
have: no console, no source, no git remote, no machine facts, no absolute paths.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from lanser_bench import Event, MissingDependencyError, PluginOptions, Tracker

Scores = dict[str, float | int | str]


class WandBOptions(PluginOptions):
    """Where runs go."""

    project: str = "lanser-bench"
    entity: str | None = None
    mode: Literal["auto", "online", "offline"] = "auto"
    """``auto``: what WANDB_MODE says; without it online if there is a key, offline if not."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Longest wait for the server at the start and at the end of a run."""


class WandB(Tracker[WandBOptions]):
    """Writes each cell as a W&B run of its own: the same cell always has the same run id."""

    Options = WandBOptions
    version = "1"
    libraries = ("wandb",)

    def log_cell(self, record: Mapping[str, Any], events: Iterable[Event], folder: Path) -> None:
        """Writes one run: configuration, training curves, scores per budget and fold, probes.

        Raises:
            MissingDependencyError: wandb is not installed.
        """
        try:
            import wandb
        except ImportError:
            raise MissingDependencyError(
                "Tracker 'wandb' needs wandb: pip install wandb, or leave it out of 'trackers'."
            ) from None
        mode = self._mode()
        if mode == "disabled":
            return
        run = wandb.init(
            project=self.options.project,
            entity=self.options.entity,
            group=str(record["experiment"]),
            name=str(record["name"]),
            id=run_id(record),
            job_type=str(record["control"] or record["role"]),
            config=configuration(record),
            dir=str(folder),
            mode=mode,
            resume="allow" if mode == "online" else None,
            settings=wandb.Settings(**self._settings(wandb)),
        )
        try:
            for line in curves(events):
                run.log(line)
            for line in score_lines(record):
                run.log(line)
            for key, value in summary(record).items():
                run.summary[key] = value
        finally:
            run.finish()
            # `finish` may return before the service has flushed the run's file; this waits for it.
            wandb.teardown()

    def _mode(self) -> Literal["online", "offline", "disabled"]:
        chosen = self.options.mode
        if chosen == "auto":
            said = os.environ.get("WANDB_MODE", "")
            if said in ("online", "offline", "disabled"):
                chosen = said  # type: ignore[assignment]
            else:
                chosen = "online" if _has_key() else "offline"
        return chosen  # type: ignore[return-value]

    def _settings(self, wandb: Any) -> dict[str, Any]:
        """Settings that keep a run small and private, as far as this wandb knows them."""
        wanted = {
            "console": "off",
            "disable_code": True,
            "disable_git": True,
            "disable_job_creation": True,
            "save_code": False,
            "silent": True,
            "host": "",
            "program": "",
            "x_disable_machine_info": True,
            "x_disable_meta": True,
            "x_disable_stats": True,
            "x_save_requirements": False,
            "init_timeout": self.options.timeout_s,
            "finish_timeout": self.options.timeout_s,
            "finish_timeout_raises": True,
            "login_timeout": self.options.timeout_s,
        }
        return {k: v for k, v in wanted.items() if k in wandb.Settings.model_fields}


def _has_key() -> bool:
    """Whether this machine has a W&B key, without asking for one."""
    if os.environ.get("WANDB_API_KEY"):
        return True
    import netrc

    try:
        return netrc.netrc().authenticators("api.wandb.ai") is not None
    except (OSError, netrc.NetrcParseError):
        return False


def run_id(record: Mapping[str, Any]) -> str:
    """Returns the run's id: the same for the same cell of the same experiment."""
    text = f"{record['experiment']}\n{record['name']}\n{record['key']}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def configuration(record: Mapping[str, Any]) -> dict[str, Any]:
    """Returns what a run can be filtered by: settings, axes, identities, versions."""
    kept = (
        "key", "group", "role", "control", "axes", "seed", "seeds", "asr", "labeler", "taxonomy",
        "encoder", "settings", "versions", "commit", "stages", "schema_version",
    )  # fmt: skip
    return {name: record[name] for name in kept}


def curves(events: Iterable[Event]) -> Iterator[dict[str, Any]]:
    """Yields one line per epoch of pre-training."""
    for event in events:
        for line in event.get("training", {}).get("epochs", ()):
            yield {f"pretrain/{name}": value for name, value in line.items()}


def score_lines(record: Mapping[str, Any]) -> Iterator[Scores]:
    """Yields one line per label budget, one per fold score and one per probe target.

    Lines and not `wandb.Table`: a table becomes an artifact, and an offline run then holds the
    absolute path of its staging folder.
    """
    for result in record["datasets"]:
        name = result["dataset"]
        for budget in result["evaluation"]["budgets"]:
            line: Scores = {"budget": budget["budget"], "n_labels": budget["n_labels"]}
            if budget["fraction"] is not None:
                line["fraction"] = budget["fraction"]
            for metric in ("uar", "wa", "macro_f1"):
                line |= flat(metric, budget[metric])
            yield {f"{name}/curve/{key}": value for key, value in line.items()}
        for budget in result["evaluation"]["budgets"]:
            for fold in budget["folds"]:
                scores = {"budget": budget["budget"], **fold}
                yield {f"{name}/folds/{key}": value for key, value in scores.items()}
        for probe in result["probes"]:
            for target in probe["targets"]:
                row: Scores = {k: target[k] for k in ("target", "scale", "layer", "strength", "n")}
                for metric in ("r2", "pearson", "ccc"):
                    row |= flat(metric, target[metric])
                yield {f"{name}/{probe['probe']}/{key}": value for key, value in row.items()}


def summary(record: Mapping[str, Any]) -> Scores:
    """Returns a run's columns: scores at each budget, area, majority, probes, label quality."""
    found: Scores = {}
    for result in record["datasets"]:
        name, evaluation = result["dataset"], result["evaluation"]
        for budget in evaluation["budgets"]:
            for metric in ("uar", "wa", "macro_f1"):
                found |= flat(f"{name}/{metric}@{budget['budget']}", budget[metric])
        found |= flat(f"{name}/area", evaluation["area"])
        for metric, value in evaluation["majority"].items():
            found |= flat(f"{name}/majority/{metric}", value)
        for probe in result["probes"]:
            for target in probe["targets"]:
                place = f"{name}/{probe['probe']}/{target['target']}/{target['scale']}"
                for metric in ("r2", "pearson", "ccc"):
                    found |= flat(f"{place}/{metric}", target[metric])
    for group in ("labels", "transcripts", "training"):
        found |= dict(_numbers(record[group], group))
    return found


def flat(name: str, metric: Mapping[str, Any]) -> Scores:
    """Returns a metric and the ends of its interval as plain numbers."""
    found: Scores = {name: metric["value"]}
    interval = metric["interval"]
    if interval is not None:
        found |= {f"{name}_low": interval["low"], f"{name}_high": interval["high"]}
    return found


def _numbers(value: Any, place: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _numbers(inner, f"{place}/{key}")
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield place, value

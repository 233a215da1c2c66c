"""TensorBoard: one folder of events per cell."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lanser_bench import Event, MissingDependencyError, PluginOptions, Tracker, UserPath

from ._lines import configuration, curves, picture, run_id, summary


class TensorBoardOptions(PluginOptions):
    """Where events go."""

    folder: UserPath | None = None
    """Folder for all runs; None keeps them with the run's own files in the store."""


class TensorBoard(Tracker[TensorBoardOptions]):
    """Writes each cell into a folder of its own; writing it again replaces what was there."""

    Options = TensorBoardOptions
    version = "1"
    libraries = ("tensorboard",)

    def prepare(self) -> None:
        """Imports the writer.

        Raises:
            MissingDependencyError: tensorboard is not installed.
        """
        try:
            import torch.utils.tensorboard  # noqa: F401
        except ImportError:
            raise MissingDependencyError(
                "Tracker 'tensorboard' needs tensorboard: pip install 'lanser-bench[tensorboard]', "
                "or leave it out of 'trackers'."
            ) from None

    def log_cell(self, record: Mapping[str, Any], events: Iterable[Event], folder: Path) -> None:
        """Writes training curves, label-efficiency curves, all scores, settings and a picture."""
        from torch.utils.tensorboard import SummaryWriter

        place = (self.options.folder or folder) / _folder(record)
        shutil.rmtree(place, ignore_errors=True)
        with SummaryWriter(str(place)) as writer:
            for step, line in enumerate(curves(events)):
                for name, value in line.items():
                    if isinstance(value, int | float):
                        writer.add_scalar(name, value, step)
            for result in record["datasets"]:
                for budget in result["evaluation"]["budgets"]:
                    for metric in ("uar", "wa", "macro_f1"):
                        writer.add_scalar(
                            f"{result['dataset']}/curve/{metric}",
                            budget[metric]["value"],
                            round(budget["n_labels"]),
                        )
            for name, number in summary(record).items():
                if isinstance(number, int | float):
                    writer.add_scalar(f"summary/{name}", number, 0)
            writer.add_text("settings", _markdown(configuration(record)))
            figure = picture(record)
            if figure is not None:
                writer.add_figure("label-efficiency", figure)


def _folder(record: Mapping[str, Any]) -> str:
    name = re.sub(r"[^\w.=-]+", "-", str(record["name"])).strip("-")[:60]
    experiment = re.sub(r"[^\w.=-]+", "-", str(record["experiment"])).strip("-.") or "experiment"
    return f"{experiment}/{name}-{run_id(record)[:6]}"


def _markdown(settings: Mapping[str, Any]) -> str:
    import json

    text = json.dumps(settings, indent=1, ensure_ascii=False)
    return "\n".join("    " + line for line in text.splitlines())

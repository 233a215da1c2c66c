"""TensorBoard: one folder of events per cell."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from shlex import quote
from textwrap import indent
from typing import Any

from lanser_bench import Event, PluginOptions, Tracker, UserPath, headline

from .._optional import import_optional
from ._lines import budget_curves, cell_id, configuration, curves, load_pictures, picture


class TensorBoardOptions(PluginOptions):
    """Options of `tensorboard`."""

    folder: UserPath | None = None
    """Folder for all runs; null for the run's own folder in the store."""


class TensorBoard(Tracker[TensorBoardOptions]):
    """Writes each cell into its own folder; writing it again replaces the folder."""

    Options = TensorBoardOptions
    version = "1"
    libraries = ("tensorboard",)

    def prepare(self) -> None:
        """Imports the writer; raises `MissingDependencyError` if tensorboard is not installed."""
        need = "The tracker 'tensorboard' needs its package"
        install = "pip install 'lanser-bench[tensorboard]', or remove it from 'trackers'."
        import_optional("torch.utils.tensorboard", need, install)
        load_pictures()

    def view(self, folder: Path) -> str | None:
        """Returns the command that shows the curves in a browser."""
        return f"tensorboard --logdir {quote(str(self.options.folder or folder))}"

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
            for name, value, labels in budget_curves(record):
                writer.add_scalar(name, value, labels)
            for name, value in headline(record).items():
                writer.add_scalar(f"summary/{name}", value, 0)
            settings = json.dumps(configuration(record), indent=1, ensure_ascii=False)
            writer.add_text("settings", indent(settings, "    "))
            figure = picture(record)
            if figure is not None:
                writer.add_figure("label-efficiency", figure)


def _folder(record: Mapping[str, Any]) -> str:
    name = re.sub(r"[^\w.=-]+", "-", str(record["name"])).strip("-")[:60]
    experiment = re.sub(r"[^\w.=-]+", "-", str(record["experiment"])).strip("-.") or "experiment"
    return f"{experiment}/{name}-{cell_id(record)[:6]}"

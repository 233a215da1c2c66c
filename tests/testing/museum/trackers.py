"""Broken trackers."""

from __future__ import annotations

import json
import os
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any

from lanser_bench import PluginOptions, Tracker, grid_summary

from . import caught

caught = partial(caught, "tracker")
FORM = "results have the declared form"


class Lines(Tracker[PluginOptions]):
    """A good tracker: a line per cell."""

    version = "1"

    def log_cell(self, record: Any, events: Any, folder: Path) -> None:
        with (folder / "cells.jsonl").open("a") as file:
            file.write(json.dumps([record, list(events)]) + "\n")

    def log_grid(self, results: Path, folder: Path) -> None:
        (folder / "grid.txt").write_text(str(len(list(results.glob("*.json")))))


@caught(FORM, "log_cell raised ConnectionError: no server")
class Raises(Lines):
    def log_cell(self, record, events, folder):
        raise ConnectionError("no server")


@caught(FORM, "log_cell did not return within 0.2 s", patience_s=0.2)
class Hangs(Lines):
    def log_cell(self, record, events, folder):
        time.sleep(1)


@caught(FORM, "view() gave")
class ViewsAPath(Lines):
    def view(self, folder):
        return folder


@caught("a cell is sent when log cell returns", "after log_cell returned: cells.jsonl")
class FlushesAtTheEnd(Lines):
    def log_cell(self, record, events, folder):
        self.file = self.__dict__.get("file") or (folder / "cells.jsonl").open("a")
        self.file.write(json.dumps(record) + "\n")

    def __del__(self):
        if "file" in self.__dict__:
            self.file.close()


@caught("a later run keeps what was sent", "no longer in: cells.jsonl")
class Overwrites(Lines):
    def log_cell(self, record, events, folder):
        (folder / "cells.jsonl").write_text(json.dumps(record))


@caught("a later run keeps what was sent", "FileExistsError")
class NeedsAnEmptyFolder(Lines):
    def log_cell(self, record, events, folder):
        if not self.__dict__.setdefault("made", False):
            (folder / "mine").mkdir()
            self.made = True
        super().log_cell(record, events, folder)


@caught("a cell may be sent again", "FileExistsError")
class RefusesRepeats(Lines):
    def log_cell(self, record, events, folder):
        with (folder / f"{record['key']}.json").open("x") as file:
            json.dump(record, file)


@caught("controls are sent", "AttributeError")
class NeedsALabeler(Lines):
    def log_cell(self, record, events, folder):
        super().log_cell(record, record["labeler"].upper(), folder)


@caught("new events are ignored", "KeyError")
class KnowsAllEvents(Lines):
    def log_cell(self, record, events, folder):
        super().log_cell(record, [event["stage"] for event in events], folder)


@caught("it sends no secrets", "secret is in: cells.jsonl")
class SendsTheEnvironment(Lines):
    def log_cell(self, record, events, folder):
        super().log_cell({**record, "environment": dict(os.environ)}, events, folder)


@caught("it writes only into its folder", "elsewhere: cells.json")
class WritesIntoTheWorkingFolder(Lines):
    def log_cell(self, record, events, folder):
        Path("cells.json").write_text(json.dumps(record))


@caught("its process can end", "uploader")
class LeavesAThread(Lines):
    def log_cell(self, record, events, folder):
        threading.Thread(target=time.sleep, args=(0.3,), name="uploader").start()
        super().log_cell(record, events, folder)


@caught("it keeps its input", "changed in place")
class RemovesWhatIsEmpty(Lines):
    def log_cell(self, record, events, folder):
        for name in [name for name, value in record.items() if value is None]:
            del record[name]
        super().log_cell(record, events, folder)


@caught("the grid is summarised", "log_grid raised")
class NeedsSpeakers(Lines):
    def log_grid(self, results, folder):
        grid_summary(results).boards[7]

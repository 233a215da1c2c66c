"""One JSON line per finished cell, in the folder of the run's event log."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lanser_bench import Event, PluginOptions, Tracker


class JsonLines(Tracker[PluginOptions]):
    """Appends each cell's record and the events of its stages to ``cells.jsonl``."""

    version = "1"

    def log_cell(self, record: Mapping[str, Any], events: Iterable[Event], folder: Path) -> None:
        """Appends one line and flushes it to disk."""
        line = {"record": dict(record), "events": [dict(event) for event in events]}
        text = json.dumps(line, ensure_ascii=False) + "\n"
        with (folder / "cells.jsonl").open("a", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

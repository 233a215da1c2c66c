"""Reads the files that wandb writes offline."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def wandb_records(path: Path) -> Iterator[bytes]:
    """Records of a .wandb file: LevelDB's log format behind a header of 7 bytes."""
    data, position, whole = path.read_bytes(), 7, b""
    while position + 7 <= len(data):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        _, size, kind = struct.unpack_from("<IHB", data, position)
        whole += data[position + 7 : position + 7 + size]
        position += 7 + size
        if kind in (1, 4):  # a whole record, or the last part of one
            yield whole
            whole = b""


@dataclass
class OfflineRun:
    """What one .wandb file says."""

    path: Path
    run: Any = None
    history: dict[str, list[Any]] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, Any] = field(default_factory=dict)
    """Name or glob → how its chart is drawn."""
    artifacts: dict[str, Any] = field(default_factory=dict)
    """Type → artifact."""

    @property
    def folder(self) -> Path:
        return self.path.parent


def offline_runs(folder: Path) -> list[OfflineRun]:
    """All offline runs below a folder."""
    from wandb.proto import wandb_internal_pb2

    runs = []
    for path in sorted(folder.rglob("*.wandb")):
        found = OfflineRun(path)
        for data in wandb_records(path):
            line = wandb_internal_pb2.Record()
            line.ParseFromString(data)
            match line.WhichOneof("record_type"):
                case "run":
                    found.run = line.run
                case "metric":
                    found.metrics[line.metric.name or line.metric.glob_name] = line.metric
                case "artifact":
                    found.artifacts[line.artifact.type] = line.artifact
            for item in line.history.item:
                key = item.key or "/".join(item.nested_key)
                found.history.setdefault(key, []).append(json.loads(item.value_json))
            for item in line.summary.update:
                key = item.key or "/".join(item.nested_key)
                found.summary[key] = json.loads(item.value_json)
        runs.append(found)
    return runs

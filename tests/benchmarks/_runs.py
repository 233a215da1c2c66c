"""What the benchmarks of whole runs share: starting one, and reading what it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

VOLATILE = ("created", "timings", "seconds", "peak_mib", "settings")
"""What differs between two runs that compute the same: times, and where and how they ran."""


def write(folder: Path, settings: dict[str, Any], **changes: Any) -> Path:
    """Writes an experiment file into a folder, with its store and its results beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "experiment.yaml"
    paths = {"store": str(folder / "store"), "results": str(folder / "results")}
    file.write_text(yaml.safe_dump({**settings, **changes, "paths": paths}, sort_keys=False))
    return file


def command(file: Path, *arguments: str) -> list[str]:
    return [sys.executable, "-m", "lanser_bench", "run", str(file), *arguments]


def start(file: Path, *arguments: str) -> subprocess.Popen[str]:
    """Starts a run in a session of its own, so that it can be killed with all its children."""
    with (file.parent / "said.txt").open("a") as said:
        return subprocess.Popen(
            command(file, *arguments),
            cwd=file.parent,
            stdout=said,
            stderr=said,
            text=True,
            start_new_session=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )


def run(file: Path, *arguments: str) -> float:
    """Runs to the end; returns the seconds of the whole command, from start to exit."""
    begin = time.perf_counter()
    code = start(file, *arguments).wait()
    if code:
        raise SystemExit(f"exit {code}\n{(file.parent / 'said.txt').read_text()[-3000:]}")
    return time.perf_counter() - begin


def events(folder: Path) -> list[dict[str, Any]]:
    """Events of all runs in a folder's store; a line cut short by a kill is left out."""
    found = []
    for log in sorted(folder.glob("store/runs/*/events.jsonl")):
        found += [json.loads(line) for line in log.read_text().splitlines() if line.endswith("}")]
    return found


def executed(folder: Path) -> Counter[str]:
    """Key → how often its stage ran to its end."""
    ends = [e for e in events(folder) if e["event"] == "stage-end" and not e["reused"]]
    return Counter(e["key"] for e in ends)


def stage_seconds(folder: Path) -> float:
    """The stages' own times, and those of reading the recordings, which is a stage as well."""
    ended = sum(e["seconds"] for e in events(folder) if e["event"] == "stage-end")
    return float(ended + sum(m["seconds"] for m in markers(folder) if stage(m) == "manifest"))


def markers(folder: Path) -> list[dict[str, Any]]:
    """Done-markers of all artifacts."""
    return [json.loads(p.read_text()) for p in folder.glob("store/objects/*/*/done.json")]


def stage(marker: dict[str, Any]) -> str:
    return str(marker["spec"]["stage"])


def numbers(content: Any) -> Any:
    """A record without what may differ: times."""
    if isinstance(content, dict):
        return {k: numbers(v) for k, v in content.items() if k not in VOLATILE}
    if isinstance(content, list):
        return [numbers(v) for v in content]
    return content


def records(folder: Path) -> dict[str, bytes]:
    """Cell → the bytes of its record without times."""
    found = {}
    for path in (folder / "results").rglob("*.json"):
        content = json.loads(path.read_text())
        if "schema_version" in content:
            found[content["name"]] = json.dumps(numbers(content), sort_keys=True).encode()
    return found

"""Two simultaneous runs of one grid on one store: prints how often each stage was computed.

python tests/benchmarks/two_runs.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import yaml

SYNTHETIC = {"dataset": "synthetic", "clips": 42, "speakers": 6}
GRID = {
    "name": "two-runs",
    "corpora": [{**SYNTHETIC, "seed": 1}],
    "targets": [{**SYNTHETIC, "seed": 2}],
    "labeler": "random",
    "taxonomy": "ekman-6",
    "encoder": {"name": "cnn", "channels": [16, 16]},
    "pretrain": {"epochs": 1, "seeds": [0, 1]},
    "evaluate": {"folds": 3, "seeds": 1, "budgets": [1.0]},
    "controls": {"shuffled": "none"},
    "threads": {"pretrain": 1, "embed": 1, "transcribe": 1, "label": 1},
    "grid": {"taxonomy": ["ekman-6", "sentiment-3"]},
    "executor": {"name": "local", "threads": 1},
}


def main() -> None:
    """Starts both runs at once, each with results of its own, and counts from their events."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "grid.yaml").write_text(yaml.safe_dump(GRID))
        begin = time.perf_counter()
        runs = [start(folder, f"results-{number}") for number in (1, 2)]
        codes = [run.wait() for run in runs]
        seconds = time.perf_counter() - begin
        logs = [
            [json.loads(line) for line in path.read_text().splitlines()]
            for path in folder.glob("store/runs/*/events.jsonl")
        ]
        ends = [[e for e in log if e["event"] == "stage-end"] for log in logs]
        ran = Counter(e["key"] for log in ends for e in log if not e["reused"])
        needed = {e["key"] for log in logs for e in log if e["event"] == "stage-planned"}
        records = [len(list((folder / f"results-{n}").rglob("*.json"))) for n in (1, 2)]
    own = [sum(not e["reused"] for e in log) for log in ends]
    print(f"exit codes {codes}, {records[0]} and {records[1]} records, {seconds:.0f} s")
    print(f"{len(needed)} distinct stages: {own[0]} computed by one run, {own[1]} by the other")
    twice = [key for key, times in ran.items() if times > 1]
    print(f"computed twice: {len(twice)}; never: {len(needed - ran.keys())}")
    if any(codes) or twice or needed - ran.keys() or records[0] != records[1]:
        raise SystemExit(1)


def start(folder: Path, results: str) -> subprocess.Popen[bytes]:
    """Starts one run in the background."""
    places = [f"paths.store={folder / 'store'}", f"paths.results={folder / results}"]
    command = [sys.executable, "-m", "lanser_bench", "run", str(folder / "grid.yaml"), *places]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=dict(os.environ)
    )


if __name__ == "__main__":
    main()

"""What W&B costs a run while its server hangs, and that the records stay the same.

    python tests/benchmarks/tracker_cost.py [--repeats 2] [--epochs 20]

One experiment on the synthetic corpus runs in turn without a tracker and with `wandb` online at a
server that takes connections and never answers; each time in an empty store. The ratio is that of
the quickest of each; scores, keys and predictions of the records are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[1]))

import yaml
from wandb_server import broken_server, environment

SETTINGS: dict[str, Any] = {
    "name": "cost",
    "corpora": [{"dataset": "synthetic", "clips": 210, "speakers": 6, "seed": 1}],
    "targets": [{"dataset": "synthetic", "clips": 84, "speakers": 6, "seed": 2}],
    "labeler": "random",
    "taxonomy": "ekman-6",
    "encoder": "resnet",
    "evaluate": {"folds": 3, "seeds": 1, "budgets": [0.3, 1.0]},
    "probes": ["prosody"],
    "controls": {"shuffled": "none"},
    "threads": {"pretrain": 1, "embed": 1},
    "executor": {"name": "local", "threads": 1},
}


def run(folder: Path, tracker: list[str], epochs: int, more: dict[str, str]) -> float:
    file = folder / "cost.yaml"
    file.write_text(
        yaml.safe_dump(
            SETTINGS | {"trackers": tracker, "pretrain": {"epochs": epochs, "seeds": [0, 1]}}
        )
    )
    begin = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "lanser_bench", "run", str(file)],
        cwd=folder,
        env={**os.environ, **more},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds = time.perf_counter() - begin
    for line in done.stderr.splitlines():
        if line.startswith("!"):
            print(f"    {line}")
    return seconds


def records(folder: Path) -> dict[str, Any]:
    found = {}
    for path in (folder / "results").rglob("*.json"):
        record = json.loads(path.read_text())
        found[record["name"]] = {
            k: record[k] for k in ("key", "datasets", "labels", "plugins", "predictions")
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    times: dict[str, list[float]] = {"none": [], "hanging": []}
    made: list[dict[str, Any]] = []
    with broken_server("hangs") as url, tempfile.TemporaryDirectory() as name:
        for repeat in range(options.repeats):
            for kind in times:
                folder = Path(name) / f"{kind}-{repeat}"
                folder.mkdir()
                hanging = kind == "hanging"
                seconds = run(
                    folder,
                    ["wandb"] if hanging else [],
                    options.epochs,
                    environment(url) if hanging else {},
                )
                print(f"{kind:8} {seconds:6.1f} s", flush=True)
                times[kind].append(seconds)
                made.append(records(folder))
    ratio = min(times["hanging"]) / min(times["none"])
    print(f"ratio    {ratio:6.3f}")
    same = all(one == made[0] for one in made)
    print(f"records  {'identical' if same else 'DIFFERENT'} ({len(made[0])} cells)")


if __name__ == "__main__":
    main()

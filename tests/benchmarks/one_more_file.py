"""One file more in a corpus of 1,000: prints how many shards each map stage computes again.

python tests/benchmarks/one_more_file.py
"""

from __future__ import annotations

import argparse
import csv
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf

from lanser_bench.experiment import run_experiment
from lanser_bench.store import Store

RATE = 16_000
MAPS = ("transcribe", "label", "features", "embed", "targets")


def add(folder: Path, numbers: range) -> None:
    """Writes clips of half a second, each with a text of its own, and the manifest."""
    rows = []
    for number in numbers:
        t = np.arange(RATE // 2) / RATE
        tone = 0.2 * np.sin(2 * np.pi * (100 + number / 4) * t)
        sf.write(folder / f"{number}.wav", tone.astype(np.float32), RATE)
    for number in range(numbers.stop):
        feeling = ("happy", "sad", "afraid")[number % 3]
        rows.append(
            {
                "id": str(number),
                "path": f"{number}.wav",
                "speaker": f"s{number % 10}",
                "label": ("joy", "sadness")[number // 10 % 2],
                "language": "en",
                "transcript": f"{number} times I am {feeling}",
            }
        )
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def settings(folder: Path) -> dict[str, Any]:
    """The corpus is also what is evaluated and probed, so that every map stage meets it."""
    corpus = {"dataset": "manifest", "root": str(folder / "corpus"), "taxonomy": "ekman-6"}
    return {
        "name": "one-more",
        "corpora": [corpus],
        "targets": [corpus],
        "labeler": "lexicon",
        "taxonomy": "ekman-6",
        "label": {"shard_rows": 64},
        "encoder": {"name": "cnn", "channels": [8]},
        "pretrain": {"epochs": 1},
        "probes": ["prosody"],
        "evaluate": {"folds": 2, "seeds": 1, "budgets": [1.0]},
        "controls": {"random_init": False, "logmel_stats": True, "shuffled": "none"},
        "executor": {"name": "local", "inline": True},
        "paths": {"store": str(folder / "store"), "results": str(folder / "results")},
    }


def main() -> None:
    """Runs with all files, then with one more."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=1000)
    files = parser.parse_args().files
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "corpus").mkdir()
        for step in (range(files), range(files, files + 1)):
            add(folder / "corpus", step)
            begin = time.perf_counter()
            outcome = run_experiment(settings(folder))
            seconds = time.perf_counter() - begin
            if not outcome.ok:
                raise SystemExit(outcome.failures[0].sentence)
            print(f"{step.stop} files, {seconds:.0f} s")
        report(outcome.plan.nodes, Store(folder / "store"))


def report(nodes: dict[str, Any], store: Store) -> None:
    """Prints shards computed and reused; exits with 1 if a stage did more than one bucket.

    Embeddings of the pre-trained encoder are left out: it was trained on another corpus then.
    """
    too_much = []
    for key, node in nodes.items():
        if node.stage not in MAPS or "model" in node.spec.parents:
            continue
        counts = store.checked(key).meta["counts"]
        shards, reused = counts["shards"], counts["shards_reused"]
        print(f"{node.stage}: {shards} shards, {reused} reused, {shards - reused} computed")
        if shards - reused > 2:
            too_much.append(node.stage)  # a bucket that grows past its capacity makes two
    if too_much:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

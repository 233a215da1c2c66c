"""How much faster two workers are than one on the shards of one stage, and whether bytes agree.

Pairs in turn: the stage by one worker, by two; every second pair the other way round. Each worker
has one thread: with two, one worker would occupy this machine's two cores. Workers are started
before, as in a grid; models are loaded in every run. The time is that of the whole stage, with what
one worker does alone: reading the rows, the first shard and merging. Beside the median and the
range of all pairs stands what limits it: the seconds outside shards, and how much longer a shard
takes while a second one is computed on the machine.

python tests/benchmarks/shard_speed.py STAGE [--executor ray] [--pairs 5] [--rows 192]

STAGE is transcribe, lexicon, similarity, entailment or embed. Speech is synthetic; texts are read
from --texts, a file of one text per line, or made.
"""

from __future__ import annotations

import argparse
import csv
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

from lanser_bench.experiment import Listener, plan_experiment
from lanser_bench.experiment.planning.plan import Node
from lanser_bench.experiment.running.resources import needs
from lanser_bench.experiment.running.scheduler import Scheduler
from lanser_bench.kinds.executor import StageReport

WORDS = (
    "cannot",
    "really",
    "never",
    "love",
    "hate",
    "want",
    "need",
    "day",
    "friend",
    "rain",
    "news",
)
STAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "transcribe": ("transcribe", {"asr": "faster-whisper", "transcribe": {"shard_rows": 8}}),
    "lexicon": ("label", {"labeler": "lexicon"}),
    "similarity": ("label", {"labeler": "similarity", "label": {"shard_rows": 64}}),
    "entailment": ("label", {"labeler": "entailment", "label": {"shard_rows": 16}}),
    "embed": ("embed", {"encoder": "egemaps"}),
}


class Clock(Listener):
    """The seconds of the stage that runs, and the workers that joined it."""

    def __init__(self) -> None:
        self.began = self.seconds = 0.0
        self.joined = 0

    def stage_started(self, node: Node) -> None:
        self.began = time.perf_counter()

    def stage_ended(self, node: Node, report: StageReport) -> None:
        self.seconds = time.perf_counter() - self.began

    def workers_changed(self, node: Node, workers: int, report: StageReport | None = None) -> None:
        self.joined += report is None

    def stage_failed(self, node: Node, error: BaseException) -> None:
        raise SystemExit(f"{node.stage}: {error}")


class Bench:
    """One stage, whose artifacts are removed before each run."""

    def __init__(self, folder: Path, case: str, rows: int, texts: list[str]) -> None:
        self.stage, changes = STAGES[case]
        speech = {"dataset": "synthetic", "clips": rows, "speakers": 8, "seed": 1}
        corpus: dict[str, Any] = speech
        if self.stage == "label":
            (folder / "texts").mkdir()
            with (folder / "texts" / "all.csv").open("w", newline="") as file:
                csv.writer(file).writerows([["text"], *([text] for text in texts)])
            corpus = {"dataset": "text", "root": str(folder / "texts")}
        settings = {
            "name": "shards",
            "corpora": [corpus],
            "targets": [speech],
            "labeler": "random",
            "taxonomy": "ekman-6",
            "encoder": "cnn",
            "threads": {"transcribe": 1, "label": 1, "embed": 1},
            "trackers": [],
            "paths": {"store": str(folder / "store"), "results": str(folder / "results")},
            **changes,
        }
        self.plan, self.plugins, self.store = plan_experiment(settings)
        self.node = next(n for n in self.plan.nodes.values() if n.stage == self.stage)

    def run(self, executor: Any, nodes: dict[str, Node]) -> Clock:
        clock = Clock()
        wanted = needs(self.plan, self.plugins, nodes.values())
        Scheduler(self.plan, nodes, executor, self.store, clock, needs=wanted).run()
        return clock

    def prepare(self, executor: Any) -> None:
        """Runs what the stage reads."""
        self.run(executor, self.plan.missing_below(self.node.key, self.store))

    def timed(self, executor: Any) -> tuple[Clock, float, dict[str, str]]:
        """Runs the stage; returns its clock, its shards' seconds and the hashes of all files."""
        artifact = self.store.get(self.node.key)
        if artifact is not None:
            for key in (*artifact.meta["parts"], self.node.key):
                self.store.discard(key)
        clock = self.run(executor, {self.node.key: self.node})
        artifact = self.store.checked(self.node.key)
        markers = [self.store.checked(key).meta for key in artifact.meta["parts"]]
        files = {
            f"{m['key']}/{name}": file["sha256"]
            for m in (artifact.meta, *markers)
            for name, file in m["files"].items()
        }
        return clock, sum(m["cost"]["wall_s"] for m in markers), files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--executor", default="local")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rows", type=int, default=192)
    parser.add_argument("--texts", type=Path)
    given = parser.parse_args()
    if given.texts:
        texts = list(dict.fromkeys(given.texts.read_text().splitlines()))[: given.rows]
    else:
        n = len(WORDS)
        texts = [
            " ".join(WORDS[(i * k + i // n + k) % n] for k in range(1, 12)) + f" {i}"
            for i in range(given.rows)
        ]
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), given.stage, given.rows, texts)
        executors = {
            n: bench.plugins.create("executor", given.executor, {"threads": n}) for n in (1, 2)
        }
        bench.prepare(executors[2])
        bench.timed(executors[2])  # starts its workers, and loads libraries
        print(f"{given.stage}, {given.rows} rows, {given.executor}: one thread per worker")
        ratios, outside, slower, same = [], [], [], True
        for pair in range(given.pairs):
            found = {}
            for workers in (1, 2) if pair % 2 == 0 else (2, 1):
                found[workers] = bench.timed(executors[workers])
            one, two = found[1], found[2]
            same = same and one[2] == two[2]
            ratios.append(one[0].seconds / two[0].seconds)
            outside.append((one[0].seconds - one[1]) / one[0].seconds)
            slower.append(two[1] / one[1])
            print(
                f"  one worker {one[0].seconds:.2f} s, two {two[0].seconds:.2f} s "
                f"({two[0].joined} joined): {ratios[-1]:.2f}",
                flush=True,
            )
        for executor in executors.values():
            executor.close()
    print(
        f"two workers are {spread(ratios)} × as fast as one; outside shards "
        f"{spread([100 * share for share in outside], 0)} % of one worker's time; a shard takes "
        f"{spread(slower)} × as long beside another; bytes {'equal' if same else 'DIFFER'}"
    )


def spread(values: list[float], digits: int = 2) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


if __name__ == "__main__":
    main()

"""How much faster two workers are than one on the shards of one stage, and whether bytes agree.

Pairs in turn: the stage by one worker, by two; every second pair the other way round. Each worker
has one thread: with two, one worker would occupy both cores of a small machine. Workers are started
before, as in a grid; models are loaded in every run. The time is that of the whole stage, with what
one worker does alone: reading the rows, the first shard and merging. Where other programs use the
machine, two workers get less than two processors; so the same ratio is also printed in CPU seconds:
all that one worker used, over those of the busier one of two. Beside the median and the range of
all pairs stands what limits it: the seconds outside shards, and how much longer a shard takes while
a second one is computed on the machine.

python tests/benchmarks/shard_speed.py STAGE [--executor ray] [--pairs 5] [--rows N]

STAGE is transcribe, lexicon, similarity, entailment, embed or waiting: a labeler that only sleeps,
50 ms a text, as one whose work is done by a GPU or a server. Its ratio is that of the harness,
whatever else the processors do. Speech is synthetic; texts are read from --texts, a file of one
text per line, or made.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"

import psutil  # type: ignore[import-untyped]
from _figures import figure

from lanser_bench.experiment import Listener, plan_experiment
from lanser_bench.experiment.planning.plan import Node
from lanser_bench.experiment.running.resources import Need
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
WAITING = """
import time
import numpy as np
from lanser_bench import Labeler, PluginOptions, Scores, hookimpl

class Waiting(Labeler[PluginOptions]):
    version = "1"

    def score(self, records, taxonomy):
        time.sleep(0.05 * len(records))
        values = np.full((len(records), len(taxonomy.names)), 1 / len(taxonomy.names), np.float32)
        return Scores(values, "distribution", np.zeros(len(records), bool))

@hookimpl
def register_labelers(register):
    register("waiting", f"{__name__}:Waiting")
"""
STAGES: dict[str, tuple[str, int, dict[str, Any]]] = {
    "transcribe": ("transcribe", 240, {"asr": "faster-whisper", "transcribe": {"shard_rows": 8}}),
    "lexicon": ("label", 100_000, {"labeler": "lexicon"}),
    "similarity": ("label", 20_480, {"labeler": "similarity"}),
    "entailment": ("label", 960, {"labeler": "entailment", "label": {"shard_rows": 16}}),
    "waiting": ("label", 960, {"labeler": "waiting", "label": {"shard_rows": 16}}),
    "embed": ("embed", 2_048, {"encoder": "whisper-encoder"}),
}
"""Case → its stage, rows that one worker needs about a minute for, and settings."""


class Clock(Listener):
    """The seconds of the stage that runs, and the workers that joined it."""

    def __init__(self) -> None:
        self.began = self.seconds = 0.0
        self.cpu: list[float] = []
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

    def __init__(self, folder: Path, case: str, executor: str, texts: list[str]) -> None:
        self.stage, _, changes = STAGES[case]
        clips = 48 if self.stage == "label" else len(texts)
        speech = {"dataset": "synthetic", "clips": clips, "speakers": 8, "seed": 1}
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
            "labeler": "lexicon",
            "taxonomy": "ekman-6",
            "encoder": "cnn",
            "threads": {"transcribe": 1, "label": 1, "embed": 1},
            "trackers": [],
            "paths": {"store": str(folder / "store"), "results": str(folder / "results")},
            **changes,
        }
        (folder / "plugins").mkdir()
        (folder / "plugins" / "waiting.py").write_text(WAITING)
        self.plan, plugins, self.store = plan_experiment(settings, plugin_dirs=[folder / "plugins"])
        self.executor = plugins.create("executor", executor, {"threads": 2})
        nodes = [node for node in self.plan.nodes.values() if node.stage == self.stage]
        # Embedding needs no pre-training with the weights of the random-init control.
        self.node = next(node for node in nodes if "model" not in node.spec.parents)

    def run(self, nodes: dict[str, Node], workers: int) -> Clock:
        """Runs stages; who asks for both threads is alone."""
        clock = Clock()
        wanted = {key: Need(3 - workers) for key in nodes}
        Scheduler(self.plan, nodes, self.executor, self.store, clock, needs=wanted).run()
        return clock

    def prepare(self) -> None:
        """Runs what the stage reads."""
        self.run(self.plan.missing_below(self.node.key, self.store), 2)

    def cpu(self) -> dict[int, float]:
        """CPU seconds of the processes below this one so far, by process id."""
        times = {}
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                own = process.cpu_times()
                times[process.pid] = own.user + own.system
        return times

    def markers(self) -> list[dict[str, Any]]:
        """The markers of the stage's shards."""
        parts = self.store.checked(self.node.key).meta["parts"]
        return [self.store.checked(key).meta for key in parts]

    def timed(self, workers: int) -> tuple[Clock, float, dict[str, str]]:
        """Runs the stage; returns its clock, its shards' CPU seconds and hashes of all files."""
        if self.node.key in self.store:
            shared = [key for marker in self.markers() for key in marker["parts"]]
            own = [marker["key"] for marker in self.markers()]
            for key in (*shared, *own, self.node.key):
                self.store.discard(key)
        before = self.cpu()
        clock = self.run({self.node.key: self.node}, workers)
        clock.cpu = sorted(now - before.get(pid, 0.0) for pid, now in self.cpu().items())[-workers:]
        markers = self.markers()
        files = {
            f"{m['key']}/{name}": file["sha256"]
            for m in (self.store.checked(self.node.key).meta, *markers)
            for name, file in m["files"].items()
        }
        return clock, sum(m["cost"]["cpu_s"] for m in markers), files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stage", choices=STAGES)
    parser.add_argument("--executor", default="local")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--rows", type=int, help="default: what one worker needs a minute for")
    parser.add_argument("--texts", type=Path)
    parser.add_argument("--record", type=Path, help="add CPU seconds of each shard to a JSON file")
    given = parser.parse_args()
    given.rows = given.rows or STAGES[given.stage][1]
    if given.texts:
        texts = list(dict.fromkeys(given.texts.read_text().splitlines()))[: given.rows]
    else:
        n = len(WORDS)
        texts = [
            " ".join(WORDS[(i * k + i // n + k) % n] for k in range(1, 12)) + f" {i}"
            for i in range(given.rows)
        ]
    with tempfile.TemporaryDirectory() as name:
        bench = Bench(Path(name), given.stage, given.executor, texts)
        bench.prepare()
        bench.timed(2)  # starts the workers, which load libraries
        print(
            f"{given.stage}, {given.rows} rows, {given.executor}: one thread per worker", flush=True
        )
        ratios, ratios_cpu, outside, slower, same = [], [], [], [], True
        for pair in range(given.pairs):
            found = {}
            for workers in (1, 2) if pair % 2 == 0 else (2, 1):
                found[workers] = bench.timed(workers)
            one, two = found[1], found[2]
            same = same and one[2] == two[2]
            ratios.append(one[0].seconds / two[0].seconds)
            ratios_cpu.append(sum(one[0].cpu) / max(two[0].cpu))
            outside.append(1 - one[1] / sum(one[0].cpu))
            slower.append(two[1] / one[1])
            print(
                f"  one worker {one[0].seconds:.2f} s, two {two[0].seconds:.2f} s "
                f"({two[0].joined} joined): {ratios[-1]:.2f}; CPU {sum(one[0].cpu):.2f} s against "
                f"{' and '.join(f'{seconds:.2f}' for seconds in two[0].cpu)} s",
                flush=True,
            )
        bench.executor.close()
        if given.record:
            known = json.loads(given.record.read_text()) if given.record.exists() else {}
            costs = [m["cost"]["cpu_s"] for m in bench.markers()]
            known[given.stage] = {"rows": given.rows, "shards": [round(s, 3) for s in costs]}
            given.record.write_text(json.dumps(known, indent=1) + "\n")
    name = f"two workers, {given.stage}, {given.executor}"
    figure(name, ratios, "one worker")
    figure(f"{name}, processor time of the busier one", ratios_cpu, "one worker")
    print(
        f"  outside shards {spread([100 * share for share in outside], 0)} % of one worker's time; "
        f"a shard takes {spread(slower)} × as long beside another; "
        f"bytes {'equal' if same else 'DIFFER'}"
    )


def spread(values: list[float], digits: int = 2) -> str:
    low, middle, high = min(values), statistics.median(values), max(values)
    return f"{middle:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


if __name__ == "__main__":
    main()

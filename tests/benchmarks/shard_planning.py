"""How busy many workers are: the real scheduler in virtual time, with recorded shard times.

A corpus is transcribed and labelled; it is also embedded, if the record has that stage. Each shard
takes the CPU seconds of a shard that `shard_speed.py --record` has measured, drawn with replacement
and scaled to the rows of a shard.
The first worker of a stage reads and merges all rows alone. A worker takes a few seconds to start
and to load a model. Use is the share of all workers' time that they spend on shards, reading and
merging.

python tests/benchmarks/shard_planning.py RECORD [--hours 1000] [--workers 1 8 64]
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "experiment"))

from virtual_workers import Steps, VirtualExecutor, Work

from lanser_bench.experiment.planning.plan import Node, Plan
from lanser_bench.experiment.running import scheduler
from lanser_bench.experiment.running.resources import Need
from lanser_bench.experiment.settings.model import Experiment
from lanser_bench.store import Spec, Store

CLIP_S = 4.0
"""Mean length of an utterance, in seconds."""
ROWS = {"transcribe": 64, "entailment": 256, "embed": 256}
"""Stage in the record → rows of a shard; half as many on average, because full shards split."""
EDGES: dict[str, tuple[str, ...]] = {
    "transcribe": (),
    "entailment": ("transcribe",),
    "embed": (),
}


def works(record: Path, hours: float, row_s: float, load_s: float, seed: int) -> dict[str, Work]:
    """The shards of each stage, and what only its first worker does."""
    recorded, rng = json.loads(record.read_text()), random.Random(seed)
    n = round(3600 * hours / CLIP_S)
    found = {}
    for stage, most in ROWS.items():
        if stage not in recorded:
            continue
        each = 0.75 * most
        shards, rows = recorded[stage]["shards"], recorded[stage]["rows"]
        scale = each / (rows / len(shards))
        drawn = [scale * rng.choice(shards) for _ in range(round(n / each))]
        found[stage] = Work(drawn, n * row_s / 2, n * row_s / 2, load_s)
    return found


def simulated(all_works: dict[str, Work], workers: int, start_s: float) -> VirtualExecutor:
    """Runs the stages of `all_works` to the end."""
    nodes = {
        name: Node(name, Spec(stage=name, stage_version="1"), name, 1, parents)
        for name, parents in EDGES.items()
        if name in all_works
    }
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        executor = VirtualExecutor(workers, all_works, store, start_s)
        plan = Plan(Experiment.model_construct(), [], nodes, {})
        needs = {name: Need(1) for name in nodes}
        scheduler.Scheduler(plan, nodes, executor, store, Steps(executor), needs=needs).run()
    return executor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("record", type=Path)
    parser.add_argument("--hours", type=float, default=1000.0)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 8, 64])
    parser.add_argument("--row-ms", type=float, default=0.06, help="reading and merging a row")
    parser.add_argument("--load-s", type=float, default=10.0)
    parser.add_argument("--start-s", type=float, default=5.0)
    given = parser.parse_args()
    scheduler.TICK_S = 0.0
    for workers in given.workers:
        for seed in range(5 if workers > 1 else 1):
            begin = time.perf_counter()
            todo = works(given.record, given.hours, given.row_ms / 1000, given.load_s, seed)
            found = simulated(todo, workers, given.start_s)
            print(
                f"{workers} workers, draw {seed}: {found.now / 3600:.2f} h for {given.hours:g} h "
                f"of speech, {sum(len(work.shards) for work in todo.values())} shards; use "
                f"{100 * found.useful_s / (workers * found.now):.1f} % "
                f"(simulated in {time.perf_counter() - begin:.0f} s)",
                flush=True,
            )


if __name__ == "__main__":
    main()

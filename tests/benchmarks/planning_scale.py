"""Plans a grid of 100,000 cells of cheap plugins over one small manifest; prints time and memory.

    python tests/benchmarks/planning_scale.py [--cells 100000] [--profile]

The planner's real code path: an experiment file is read, its points are expanded and validated,
every cell gets its chain of keys, equal stages are merged, and the plan is compared with an empty
store and saved. `--finished` also writes a finished (empty) artifact for every stage and measures
planning again, with what a no-op run reads: files opened below the store, by kind.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import soundfile as sf
import yaml

from lanser_bench.experiment import plan_experiment
from lanser_bench.experiment.planning.plan import Plan
from lanser_bench.store import Store

PLUGINS = """
import numpy as np
from lanser_bench import Labeler, PluginOptions, Scores, hookimpl

class Options(PluginOptions):
    sharp: float = 1.0

class Cheap(Labeler[Options]):
    Options = Options
    version = "1"

    def score(self, records, taxonomy):
        k = len(taxonomy.labels)
        scores = np.full((len(records), k), 1 / k, np.float32)
        return Scores(scores, "distribution", np.zeros(len(records), bool))

@hookimpl
def register_labelers(register):
    register("cheap", f"{__name__}:Cheap")
"""


def project(folder: Path, cells: int) -> Path:
    """Writes plugins, recordings and a grid of about `cells` cells; returns the grid's file."""
    (folder / "plugins").mkdir()
    (folder / "plugins" / "cheap.py").write_text(PLUGINS)
    lines = ["id,path,speaker,transcript,language,label"]
    rng = np.random.default_rng(0)
    for take in range(12):
        sound = 0.1 * rng.standard_normal(4_000).astype(np.float32)
        sf.write(folder / f"{take}.wav", sound, 16_000)
        lines.append(f"{take},{take}.wav,s{take % 6},so it goes,en,{('joy', 'anger')[take % 2]}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    data = {"dataset": "manifest", "root": str(folder), "taxonomy": "ekman-6"}
    settings: dict[str, Any] = {
        "name": "scale",
        "corpora": [data],
        "targets": [data],
        "encoder": "cnn",
        "controls": {"random_init": False, "logmel_stats": False, "shuffled": "none"},
        "paths": {"store": str(folder / "store"), "results": str(folder / "results")},
        # labelers × taxonomies × thresholds × epochs: 1,000 encoders, each evaluated many times
        "grid": {
            "labeler": [{"name": "cheap", "sharp": 1.0 + i} for i in range(10)],
            "taxonomy": ["ekman-6", "plutchik-8", "goemotions-28", "sentiment-3", "cowen-34"],
            "label.min_confidence": [0.0, 0.1],
            "pretrain.epochs": list(range(1, 11)),
            "evaluate.folds": [2, 3, 4, 5, 6],
            "evaluate.seed": list(range(cells // 5_000)),
        },
    }
    path = folder / "grid.yaml"
    path.write_text(yaml.safe_dump(settings, sort_keys=False))
    return path


class Opened:
    """Counts the files below a folder that are opened, by what they are."""

    def __init__(self, root: Path) -> None:
        """Counts from now on; a hook cannot be taken off again."""
        self.root, self.counts, self.twice = str(root), Counter[str](), 0
        self._markers: set[str] = set()
        sys.addaudithook(self._hear)

    def _hear(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event != "open" or not str(arguments[0]).startswith(self.root):
            return
        path = Path(str(arguments[0]))
        kind = path.relative_to(self.root).parts[0]
        if kind == "objects":
            kind = "markers" if path.name == "done.json" else "payload"
            if kind == "markers":
                self.twice += str(path) in self._markers
                self._markers.add(str(path))
        self.counts[kind] += 1


def finish(plan: Plan, store: Store) -> None:
    """Writes a finished artifact without files for every stage of the plan."""
    for node in plan.nodes.values():
        folder = store.root / "objects" / node.key[:2] / node.key
        folder.mkdir(parents=True, exist_ok=True)
        marker = {
            "format": 1,
            "key": node.key,
            "spec": node.spec.model_dump(mode="json"),
            "files": {},
            "parts": [],
            "counts": {},
            "seconds": 0.0,
            "written": "2026-01-01T00:00:00+00:00",
        }
        (folder / "done.json").write_text(json.dumps(marker))


def measure(path: Path) -> tuple[Plan, Store]:
    """Plans once, prints what it took, and returns the plan."""
    begin, busy = time.perf_counter(), time.process_time()
    plan, _, store = plan_experiment(path, plugin_dirs=[path.parent / "plugins"])
    planned, busy = time.perf_counter(), time.process_time() - busy
    to_run = plan.to_run(store)
    reasons = plan.reasons(store, to_run)
    asked = time.perf_counter()
    plan.save(store)
    saved = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    size = sum(p.stat().st_size for p in (store.root / "plans").rglob("*") if p.is_file()) / 2**20
    print(
        f"{len(plan.cells)} cells, {len(plan.nodes)} distinct stages: planned in "
        f"{planned - begin:.1f} s ({busy:.1f} s of CPU), "
        f"compared with the store in {asked - planned:.1f} s "
        f"({len(to_run)} to run, {len(set(reasons.values()))} reasons), saved in "
        f"{saved - asked:.1f} s ({size:.1f} MiB); all {saved - begin:.1f} s, "
        f"peak {peak:.2f} GiB"
    )
    return plan, store


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=100_000)
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    parser.add_argument("--finished", action="store_true", help="plan again with a full store")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = project(Path(name), arguments.cells)
        profiler = cProfile.Profile() if arguments.profile else None
        if profiler:
            profiler.enable()
        plan, store = measure(path)
        if profiler:
            profiler.disable()
            pstats.Stats(profiler).sort_stats("cumulative").print_stats(35)
        if arguments.finished:
            finish(plan, store)
            del plan
            opened = Opened(store.root)
            measure(path)
            print(f"opened: {dict(opened.counts)}; markers opened again: {opened.twice}")


if __name__ == "__main__":
    main()

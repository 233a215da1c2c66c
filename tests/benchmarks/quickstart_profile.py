"""Processor seconds of a small quickstart by stage, for one or several commits in turn.

Every run has a fresh store. A stage's time is what its calls used in the workers, all threads; the
rest are the driver, the workers' start, records and the leaderboard. The tables show medians.

    python tests/benchmarks/quickstart_profile.py [REVISION …] [--turns 3] [--set KEY=VALUE …]

Without a revision it measures this checkout.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path
from statistics import median

from bench import code_of

SMALL = ("corpora.0.clips=60", "targets.0.clips=60", "pretrain.epochs=8")
HOOK = '''
import importlib.util, json, os, sys, time

class Finder:
    """Measures stage calls of any commit, in workers too: Python imports this file at its start."""

    def find_spec(self, name, *_):
        if name != "lanser_bench.stages.base":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            run = module.run_call

            def measured(call):
                begin = time.process_time()
                try:
                    return run(call)
                finally:
                    line = {"stage": call.stage, "cpu_s": time.process_time() - begin}
                    with open(os.environ["LANSER_STAGE_TIMES"], "a") as file:
                        file.write(json.dumps(line) + "\\n")

            module.run_call = measured

        spec.loader.exec_module = exec_module
        return spec

sys.meta_path.insert(0, Finder())
'''


def profile(variables: dict[str, str], settings: list[str]) -> dict[str, float]:
    """Runs once; returns processor seconds by stage, of the rest and of all."""
    with tempfile.TemporaryDirectory() as name:
        folder, times = Path(name), Path(name) / "times"
        (folder / "sitecustomize.py").write_text(HOOK)
        times.touch()
        path = os.pathsep.join(filter(None, (name, variables.get("PYTHONPATH"))))
        command = [sys.executable, "-m", "lanser_bench", "run", "--grid", "quickstart", *settings]
        with (folder / "said.txt").open("w") as said:
            process = subprocess.Popen(
                [*command, f"paths.store={name}/store", f"paths.results={name}/results"],
                cwd=name,
                stdout=said,
                stderr=said,
                env=os.environ | variables | {"PYTHONPATH": path, "LANSER_STAGE_TIMES": str(times)},
            )
            _, status, used = os.wait4(process.pid, 0)
        if status:
            raise SystemExit((folder / "said.txt").read_text()[-3000:])
        stages: dict[str, float] = defaultdict(float)
        for line in map(json.loads, times.read_text().splitlines()):
            stages[line["stage"].partition(".")[0]] += line["cpu_s"]
    whole = used.ru_utime + used.ru_stime
    return {**stages, "rest": whole - sum(stages.values()), "all": whole}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("revisions", nargs="*", metavar="REVISION")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--set", nargs="+", default=list(SMALL), help="settings of the quickstart")
    given = parser.parse_args()
    turns: dict[str, list[dict[str, float]]] = defaultdict(list)
    with ExitStack() as stack:
        trees = [stack.enter_context(code_of(one)) for one in given.revisions or [None]]
        for number in range(given.turns):
            for commit, variables in trees:
                turns[commit].append(profile(variables, [*given.set, "trackers=[]"]))
                print(f"turn {number + 1}, {commit}: {turns[commit][-1]['all']:.1f} s", flush=True)
    commits = list(turns)
    names = list(dict.fromkeys(stage for runs in turns.values() for run in runs for stage in run))
    print("| CPU s | " + " | ".join(f"`{commit}`" for commit in commits) + " |")
    print("|---" + "|--:" * len(commits) + "|")
    for name in sorted(names, key=lambda one: (one in ("rest", "all"), one == "all")):
        values = [[run.get(name, 0.0) for run in turns[commit]] for commit in commits]
        cells = [f"{median(v):.1f} [{min(v):.1f}, {max(v):.1f}]" for v in values]
        print(f"| {name} | " + " | ".join(cells) + " |")


if __name__ == "__main__":
    main()

"""Measures speed and memory, and keeps the figures of every commit in `history.json`.

    python tests/benchmarks/bench.py [NAME …]            measure; add to the history and the page
    python tests/benchmarks/bench.py --commit REVISION   the same for the code of another commit
    python tests/benchmarks/bench.py --check             a minute's worth; warn of a slowdown
    python tests/benchmarks/bench.py --page              only write docs/performance.md again

Each benchmark runs in a new process and reports by `_figures.figure`. Some have a quick version,
which is measured beside the full one; `--check` compares it with the last quick figures of the same
kind of machine (processor, instruction set, cores) and never fails. Benchmarks are always those of
this checkout. An older commit may lack what one of them needs: it is then named and skipped.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from _figures import FILE

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HISTORY = HERE / "history.json"
PAGE = ROOT / "docs" / "performance.md"

FULL: dict[str, list[str]] = {
    "asr_speed": ["asr_speed.py"],
    "cell_cost": ["cell_cost.py"],
    "labeling_memory": ["labeling_memory.py", "--rows", "10000", "100000"],
    "labeling_speed": ["labeling_speed.py"],
    "linear_speed": ["linear_speed.py"],
    "map_memory": ["map_memory.py", "--rows", "10000", "100000", "--stages", "transcribe", "embed"],
    "segment_memory": ["map_memory.py", "--hours", "0.5", "5"],
    "pretrain_speed": ["pretrain_speed.py", "--encoders", "cnn"],
    **{
        f"shards_{stage}": ["shard_speed.py", stage]
        for stage in ("transcribe", "similarity", "entailment", "embed")
    },
}
"""Commands of `make bench`, in `tests/benchmarks`. Data, if needed, is in `LANSER_DATA_ROOT`."""
QUICK: dict[str, list[str]] = {
    "linear_speed": ["linear_speed.py", "--draws", "1", "--against", "skilled"],
    "pretrain_speed": [
        *FULL["pretrain_speed"],
        "--kinds",
        "acted",
        "--clips",
        "48",
        "--rounds",
        "5",
    ],
}
"""Commands of `--check`, less than a minute together."""
SETS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "sve")
NOISE = 0.05
"""A slowdown counts if the ranges do not overlap and the median lost more than this share."""


def machine() -> dict[str, Any]:
    """The kind of machine: figures of another kind are not compared."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    told = {key.strip(): value.strip() for key, _, value in (x.partition(":") for x in lines)}
    flags = told.get("flags", told.get("Features", "")).split()
    return {
        "processor": told.get("model name") or platform.processor() or platform.machine(),
        "instructions": [name for name in SETS if name in flags],
        "cores": os.cpu_count(),
        "system": platform.system(),
    }


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@contextmanager
def code_of(revision: str | None) -> Iterator[tuple[str, dict[str, str]]]:
    """The name of the measured commit, and variables that make processes import its code."""
    if revision is None:
        changed = git("status", "--porcelain", "lanser_bench", "plugins", "taxonomies")
        yield git("rev-parse", "--short=12", "HEAD") + ("+changes" if changed else ""), {}
        return
    with tempfile.TemporaryDirectory() as name:
        tree, packages = Path(name) / "tree", Path(name) / "packages"
        git("worktree", "add", "--detach", str(tree), revision)
        try:
            packages.mkdir()
            for package, folder in {
                "lanser_bench": "lanser_bench",
                "lanser_bench_plugins": "plugins",
                "lanser_bench_taxonomies": "taxonomies",
            }.items():
                (packages / package).symlink_to(tree / folder)
            yield git("rev-parse", "--short=12", revision), {"PYTHONPATH": str(packages)}
        finally:
            git("worktree", "remove", "--force", str(tree))


def measured(commands: dict[str, list[str]], variables: dict[str, str]) -> list[dict[str, Any]]:
    """Runs benchmarks one after another; returns their figures."""
    figures = []
    for name, (script, *arguments) in commands.items():
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "figures"
            file.touch()
            print(f"$ python tests/benchmarks/{' '.join([script, *arguments])}", flush=True)
            code = subprocess.run(
                [sys.executable, str(HERE / script), *arguments],
                env={**os.environ, **variables, FILE: str(file)},
                check=False,
            ).returncode
            if code:
                print(f"! {name} ended with exit code {code}: its figures may be incomplete.")
            lines = file.read_text(encoding="utf-8").splitlines()
            command = " ".join([script, *arguments])
            figures += [{**json.loads(line), "command": command} for line in lines]
    return figures


def history() -> list[dict[str, Any]]:
    """All kept runs, the oldest first."""
    return json.loads(HISTORY.read_text(encoding="utf-8")) if HISTORY.is_file() else []


def which(figure: dict[str, Any]) -> tuple[str, ...]:
    """What makes figures of two runs the same measurement."""
    return figure["command"], figure["name"], figure["opponent"]


def last_of(kind: dict[str, Any]) -> dict[tuple[str, ...], dict[str, Any]]:
    """The latest of each figure of a kind of machine, with its commit."""
    return {
        which(figure): figure | {"commit": run["commit"]}
        for run in history()
        if run["machine"] == kind
        for figure in run["figures"]
    }


def named(figure: dict[str, Any]) -> str:
    """Name and opponent."""
    return ", against ".join(filter(None, (figure["name"], figure["opponent"])))


def slower(now: dict[str, Any], last: dict[str, Any]) -> bool:
    """Whether a figure is worse than the last one beyond noise."""
    if now["unit"] == "×":
        return now["max"] < last["min"] and now["median"] < (1 - NOISE) * last["median"]
    return now["min"] > last["max"] and now["median"] > (1 + NOISE) * last["median"]


def check() -> None:
    """Measures the quick versions and warns of what is slower than the last time."""
    known = last_of(machine())
    for now in measured(QUICK, {}):
        last = known.get(which(now))
        if last is None:
            print(f"  {named(now)}: no earlier figure of this kind of machine")
        elif slower(now, last):
            print(
                f"! Warning: {named(now)}: {now['median']:.4g} {now['unit']}, but "
                f"{last['median']:.4g} {last['unit']} [{last['min']:.4g}, {last['max']:.4g}] at "
                f"commit {last['commit']}. Look for the cause with "
                f"`python tests/benchmarks/bench.py --commit {last['commit']}`."
            )


def page() -> str:
    """The text of docs/performance.md: its own words, then the latest figures of each machine."""
    begin, end = "<!-- generated: begin -->", "<!-- generated: end -->"
    text = PAGE.read_text(encoding="utf-8")
    runs, parts = history(), []
    quick = {" ".join(command) for command in QUICK.values()}
    kinds = [run["machine"] for run in runs]
    for kind in [one for i, one in enumerate(kinds) if one not in kinds[:i]]:
        sets = ", ".join(kind["instructions"])
        parts.append(f"### {kind['processor']}, {kind['cores']} cores, {sets} ({kind['system']})")
        rows = ["| figure | opponent | median | range | n | commit |", "|---|---|--:|--:|--:|---|"]
        commands: dict[str, None] = {}
        for one in last_of(kind).values():
            if one["command"] in quick:
                continue
            commands[one["command"]] = None
            rows.append(
                f"| {one['name']} | {one['opponent']} | {one['median']:.4g} {one['unit']} | "
                f"{one['min']:.4g}–{one['max']:.4g} | {one['n']} | `{one['commit']}` |"
            )
        shown = "\n".join(f"$ python tests/benchmarks/{command}" for command in commands)
        parts += ["\n".join(rows), "Printed by:"]
        parts.append(f"<!-- not run here: it takes minutes -->\n```console\n{shown}\n```")
        parts += _changes([run for run in runs if run["machine"] == kind], quick)
    made = "\n\n".join(parts)
    return f"{text.partition(begin)[0]}{begin}\n\n{made}\n\n{end}{text.partition(end)[2]}"


def _changes(runs: list[dict[str, Any]], quick: set[str]) -> list[str]:
    """A table of the medians by commit, of figures that were measured at several."""
    medians: dict[str, dict[str, str]] = {}
    for run in runs:
        for one in run["figures"]:
            if one["command"] not in quick:
                shown = f"{one['median']:.4g} {one['unit']}"
                medians.setdefault(named(one), {})[run["commit"]] = shown
    several = {name: found for name, found in medians.items() if len(found) > 1}
    if not several:
        return []
    measured_at = {commit for found in several.values() for commit in found}
    commits = [c for c in dict.fromkeys(run["commit"] for run in runs) if c in measured_at]
    rows = ["| figure | " + " | ".join(f"`{c}`" for c in commits) + " |"]
    rows.append("|---" + "|--:" * len(commits) + "|")
    rows += [
        f"| {name} | " + " | ".join(found.get(c, "") for c in commits) + " |"
        for name, found in several.items()
    ]
    return ["Medians by commit, in the order of measuring:", "\n".join(rows)]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(FULL))
    parser.add_argument("--commit", help="measure the code of another commit")
    parser.add_argument("--check", action="store_true", help="quick; warn of a slowdown")
    parser.add_argument("--page", action="store_true", help="only write the page again")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - FULL.keys():
        parser.error(f"unknown: {', '.join(sorted(unknown))}; known: {', '.join(FULL)}")
    if given.check:
        check()
        return
    if not given.page:
        chosen = {name: FULL[name] for name in given.names or FULL}
        quick = {f"{name}, quick": QUICK[name] for name in chosen if name in QUICK}
        with code_of(given.commit) as (commit, variables):
            date = datetime.now(UTC).date().isoformat()
            run = {"commit": commit, "date": date, "machine": machine()}
            run["figures"] = measured(chosen | quick, variables)
        text = json.dumps([*history(), run], indent=1, ensure_ascii=False) + "\n"
        HISTORY.write_text(text, encoding="utf-8")
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()

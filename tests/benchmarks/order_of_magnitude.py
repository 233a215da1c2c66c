"""Time and peak memory of inputs that are ten times as large as usual, each at two sizes.

    OMP_NUM_THREADS=1 python tests/benchmarks/order_of_magnitude.py [PART...]

PART is records, manifest, store, recording or sparse; all of them by default. Each task is a
process of its own, with its start; its peak is the largest resident memory (`ru_maxrss`).

- records: copies of those in results/real-speech. The gate compares two folders of so many
  records; every score of the candidate is that of another cell, so that nothing is equal.
- manifest: spans of 0.5 s, 1,000 of each recording, with labels.
- store: half of the artifacts are shards that the latest plans of ten experiments need.
- recording: speech by eSpeak in one file, cut by `vad`.
- sparse: a WAV of zeros that takes no place on disk, as one clip among others of a manifest.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import map_memory
import numpy as np
import soundfile
import yaml
from report_speed import copies

RATE = 16_000
SPANS = 1_000
EXPERIMENTS = 10
SHARDS = 100
"""Shards of one stage of the store."""


def task(name: str, size: str, words: list[str], folder: Path) -> None:
    """Runs a process in a folder and prints a line of the table."""
    begin = time.perf_counter()
    with (folder / "said.txt").open("w") as said:
        process = subprocess.Popen(words, cwd=folder, stdout=said, stderr=said)
        _, status, usage = os.wait4(process.pid, 0)
    seconds, cpu = time.perf_counter() - begin, usage.ru_utime + usage.ru_stime
    line = f"| {name} | {size} | {seconds:.1f} | {cpu:.1f} | {usage.ru_maxrss / 1000:,.0f} |"
    code = os.waitstatus_to_exitcode(status)
    last = (folder / "said.txt").read_text().strip().splitlines()[-1:]
    print(line, *([f"exit {code}: {last[0] if last else ''}"] if code else []), flush=True)


def lanser(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "lanser_bench", *map(str, words)]


def records(folder: Path, count: int) -> None:
    sides = folder / "main", folder / "branch"
    for shift, side in enumerate(sides):
        side.mkdir()
        copies(count, side, shift=3 * shift)
    size = f"{count:,} records"
    task("leaderboard", size, lanser("leaderboard", sides[0]), folder)
    task("report", size, lanser("report", sides[0], "-o", folder / "report.html"), folder)
    gate = lanser("gate", "--baseline", sides[0], "--candidate", sides[1])
    task("gate", f"2 × {size}", gate, folder)


def experiment(folder: Path) -> Path:
    """Writes an experiment whose target is the manifest of a folder."""
    target = {"dataset": "manifest", "root": str(folder), "taxonomy": "ekman-6"}
    paths = {"store": str(folder / "store"), "results": str(folder / "results")}
    settings = {"name": "large", "targets": [target], "paths": paths, "labeler": "random"}
    settings |= {"taxonomy": "ekman-6", "encoder": "logmel-stats"}
    file = folder / "large.yaml"
    file.write_text(yaml.safe_dump(settings))
    return file


def manifest(folder: Path, rows: int) -> None:
    lines = ["id,path,start,end,speaker,transcript,language,label"]
    for take in range(rows // SPANS):
        noise = np.random.default_rng(take).normal(0, 0.1, 60 * RATE)
        soundfile.write(folder / f"{take}.wav", noise, RATE)
        for span in range(SPANS):
            label = ("joy", "anger", "sadness")[span % 3]
            begin = 0.05 * span
            place = f"{take}.wav,{begin:.2f},{begin + 0.5:.2f},s{take % 50}"
            lines.append(f"{take}-{span},{place},this is sentence {span},en,{label}")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    file = experiment(folder)
    store = ("--store", folder / "store")
    check = lanser("data", "check", "manifest", folder, "taxonomy=ekman-6", *store)
    task("data check", f"{rows:,} rows", check, folder)
    task("run --dry-run", f"{rows:,} rows", lanser("run", file, "--dry-run"), folder)


def store(folder: Path, count: int) -> None:
    from lanser_bench.store import PluginIdentity, Spec, Store
    from lanser_bench.store.plan_history import plan_path, save_plan

    opened = Store(folder / "store")
    plugin = PluginIdentity(
        kind="asr",
        name="whisper",
        distribution="lanser-bench",
        version="1",
        source="0" * 16,
        options={"model": "tiny"},
        weights="sha256:" + "0" * 64,
        libraries={"torch": "2.9.0"},
    )

    def write(stage: str, number: int, parts: list[str]) -> Spec:
        spec = Spec(
            stage=stage,
            stage_version="1",
            plugins={"asr": plugin},
            params={"rows": f"{number:032}", "beam": 5},
            parents={} if parts else {"utterances": "0" * 64},
            threads=1,
        )
        with opened.write(spec) as draft:
            (draft.path / "rows.parquet").write_bytes(b"0" * 100)
            draft.parts = parts
            draft.counts = {"utterances": 64}
        return spec

    plans: list[dict[str, Spec]] = [{} for _ in range(EXPERIMENTS)]
    for number in range(count // SHARDS):
        shards = range(number * SHARDS, (number + 1) * SHARDS - 1)
        keys = [write("transcribe.shard", shard, []).key for shard in shards]
        whole = write("transcribe", number, keys)
        if number % 2:
            plans[number // 2 % EXPERIMENTS][whole.key] = whole
    for number, specs in enumerate(plans):
        cell = SimpleNamespace(name="main", control=None, axes={}, stages={k: k for k in specs})
        save_plan(plan_path(opened, f"experiment-{number}"), specs, [cell])
    (folder / "results").mkdir()
    copies(14, folder / "results")
    size, where = f"{count:,} artifacts", ("--store", folder / "store")
    task("cache ls", size, lanser("cache", "ls", *where), folder)
    of = ("--results", folder / "results", *where)
    task("cache size", size, lanser("cache", "size", *of), folder)
    task("cache gc", size, lanser("cache", "gc", "--older-than", "0m", "--yes", *of), folder)


def recording(folder: Path, hours: int) -> None:
    key = map_memory.write_recording(folder, hours)
    command = [sys.executable, map_memory.__file__, "--child", str(folder), key, "segment"]
    task("segment by vad", f"{hours} h in one file", command, folder)


def sparse(folder: Path, megabytes: int) -> None:
    lines = ["id,path,speaker,label"]
    for take in range(12):
        noise = np.random.default_rng(take).normal(0, 0.1, RATE)
        soundfile.write(folder / f"{take}.wav", noise, RATE)
        lines.append(f"{take},{take}.wav,s{take % 6},{('joy', 'anger')[take // 6]}")
    lines.append("long,long.wav,s1,joy")
    (folder / "manifest.csv").write_text("\n".join(lines) + "\n")
    data = megabytes * 1_000_000
    with (folder / "long.wav").open("wb") as file:
        head = b"WAVEfmt " + np.array([16], "<u4").tobytes() + np.array([1, 1], "<u2").tobytes()
        head += np.array([RATE, 2 * RATE], "<u4").tobytes() + np.array([2, 16], "<u2").tobytes()
        file.write(b"RIFF" + np.array([36 + data], "<u4").tobytes() + head)
        file.write(b"data" + np.array([data], "<u4").tobytes())
        file.truncate(44 + data)
    size, file_of = f"{megabytes:,} MB WAV", experiment(folder)
    check = lanser("data", "check", "manifest", folder, "taxonomy=ekman-6")
    task("data check", size, [*check, "--store", str(folder / "store")], folder)
    task("run", size, lanser("run", file_of), folder)
    task("run, vad", size, lanser("run", file_of, "segmenter=vad"), folder)


PARTS: dict[str, tuple[Any, tuple[int, int]]] = {
    "records": (records, (2_000, 10_000)),
    "manifest": (manifest, (20_000, 100_000)),
    "store": (store, (10_000, 50_000)),
    "recording": (recording, (1, 5)),
    "sparse": (sparse, (100, 1_000)),
}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--size", type=int, help="only this size, instead of two")
    given = parser.parse_args()
    os.fsync = lambda descriptor: None  # of this process, which makes the inputs
    print("| task | size | seconds | of CPU | peak, MB |\n|---|--:|--:|--:|--:|", flush=True)
    for part in given.parts or PARTS:
        make, sizes = PARTS[part]
        for size in [given.size] if given.size else sizes:
            with tempfile.TemporaryDirectory(prefix="order-of-magnitude-") as name:
                make(Path(name), size)


if __name__ == "__main__":
    main()

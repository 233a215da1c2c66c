"""How long tables and report of many records take, with memory, and opening the report in Chromium.

    python tests/benchmarks/report_speed.py [--records 2000] [--old] [--times 3]

Records are copies of those in results/real-speech under other names, with files of their own, in a
folder of files; `--old`: without counts by speaker, as older versions wrote them. Each command is a
process of its own, with its start; the best of several times counts. The gate compares the folder
with itself. Opening ends when the page has loaded and its script has drawn the first rows.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lanser_bench.records.attachments import read_attached, write_attached
from lanser_bench.records.counts import footer
from lanser_bench.records.reading import load_records
from lanser_bench.records.record import save_record

RESULTS = Path(__file__).parents[2] / "results" / "real-speech"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def best(action: Callable[[], object], times: int = 3) -> float:
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        action()
        found.append(time.perf_counter() - begin)
    return min(found)


def copies(count: int, folder: Path, *, old: bool = False, shift: int = 0) -> None:
    """Writes so many records, each with files of its own as a run writes them, or an `old` one.

    With `shift`, a record has the predictions and probes of another one.
    """
    found = []
    for path, record in load_records([RESULTS]):
        assert record.predictions is not None
        table = read_attached(path, record.predictions).replace_schema_metadata()
        about = None if old else footer([table], [len(record.datasets[0].evaluation.labels)])
        beside = write_attached(table, folder / path.name, "predictions", about)
        assert record.probe_sums is not None
        probes = (path.parent / record.probe_sums.file).read_bytes()
        found.append((path.stem, record, beside, (folder / beside.file).read_bytes(), probes))
        (folder / beside.file).unlink()
    for i in range(count):
        stem, record, *_ = found[i % len(found)]
        _, other, beside, predictions, probes = found[(i + shift) % len(found)]
        copy = i // len(found)
        name, file = f"{record.group}, copy {copy}", f"{stem}-{copy}"
        changes: dict[str, Any] = {
            "group": name,
            "name": f"{name}, seed={record.seed}",
            "axes": {**record.axes, "copy": str(copy)},
            "predictions": beside.model_copy(update={"file": f"{file}.predictions.parquet"}),
        }
        assert other.probe_sums is not None
        update = {"file": f"{file}.probes.parquet"}
        changes["probe_sums"] = other.probe_sums.model_copy(update=update)
        (folder / f"{file}.predictions.parquet").write_bytes(predictions)
        (folder / f"{file}.probes.parquet").write_bytes(probes)
        save_record(record.model_copy(update=changes), folder / f"{file}.json")


def timed(times: int, name: str, *words: str | Path) -> None:
    """Runs a command several times; prints its best time and its peak memory."""
    found = []
    for _ in range(times):
        begin = time.perf_counter()
        line = [sys.executable, "-m", "lanser_bench", *words]
        process = subprocess.Popen(line, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        if status:
            sys.exit(f"{' '.join(map(str, words))} failed")
        found.append((time.perf_counter() - begin, usage.ru_utime, usage.ru_maxrss / 2**20))
    wall, busy, peak = min(found)
    print(f"{name:12} {wall:.2f} s ({busy:.2f} s of CPU), peak {peak:.2f} GiB", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=2000)
    parser.add_argument("--old", action="store_true", help="records without counts by speaker")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    chromium = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        copies(options.records, folder, old=options.old)
        page = folder / "report.html"
        print(f"{options.records} records")
        pair = [f"encoder={name},copy=0,control=none" for name in ("whisper-encoder", "resnet")]
        for title, words in {
            "leaderboard": ("leaderboard", folder),
            "--by encoder": ("leaderboard", folder, "--by", "encoder"),
            "compare": ("compare", *pair, "--in", folder),
            "gate": ("gate", "--baseline", folder, "--candidate", folder),
            "report": ("report", folder, "-o", page),
        }.items():
            timed(options.times, title, *words)
        if chromium is None:
            print("open         not measured: no Chromium is installed")
            return
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)

            def visit() -> None:
                tab = browser.new_page(bypass_csp=True)
                tab.goto(page.as_uri())
                tab.wait_for_function("document.querySelectorAll('tr[hidden]').length > 0")
                tab.close()

            print(f"open         {best(visit):.2f} s")
            browser.close()


if __name__ == "__main__":
    main()

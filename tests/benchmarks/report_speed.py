"""How long the report of many records takes: to build, and to open in Chromium.

    python tests/benchmarks/report_speed.py [--records 2000]

Records are copies of those in results/real-speech under other names, each a row of its own, in a
folder of files. Building and opening are timed three times; the best counts. Opening ends when the
page has loaded and its script has drawn the first rows.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from lanser_bench.records.reading import load_records
from lanser_bench.reporting.report.report import render

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


def copies(count: int, folder: Path) -> list[tuple[Path, object]]:
    """Puts so many records in memory: rows of their own, beside the files that they refer to."""
    for path in RESULTS.iterdir():
        shutil.copy(path, folder)
    found = load_records([folder])
    made = []
    for i in range(count):
        path, record = found[i % len(found)]
        name = f"{record.group}, copy {i // len(found)}"
        changes = {"group": name, "name": f"{name}, seed={record.seed}"}
        made.append((path, record.model_copy(update=changes)))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=2000)
    options = parser.parse_args()
    chromium = shutil.which("chromium")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        records = copies(options.records, folder)
        page = folder / "report.html"
        build = best(lambda: page.write_text(render(records), encoding="utf-8"))
        print(f"{options.records} records, {page.stat().st_size / 1e6:.1f} MB")
        print(f"build  {build:.2f} s")
        if chromium is None:
            print("open   not measured: no Chromium is installed")
            return
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)

            def visit() -> None:
                tab = browser.new_page()
                tab.goto(page.as_uri())
                tab.wait_for_function("document.querySelectorAll('tr[hidden]').length > 0")
                tab.close()

            print(f"open   {best(visit):.2f} s")
            browser.close()


if __name__ == "__main__":
    main()

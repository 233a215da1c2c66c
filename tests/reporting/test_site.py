"""The static site: every link leads somewhere, and every number is that of the leaderboard."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import numpy as np
import pytest

from lanser_bench.cli import main
from lanser_bench.evaluation.contrast import difference
from lanser_bench.numbers import percent
from lanser_bench.records.reading import load_records
from lanser_bench.reporting.comparing.history import add_history
from lanser_bench.reporting.groups import grouped
from lanser_bench.reporting.report.site import write_site

from .published import publish, simulated
from .test_report import MAIN, NASTY, control

RESULTS = Path(__file__).parents[2] / "results"


def links(page: Path) -> set[Path]:
    found = re.findall(r'href="([^"#]+)"', page.read_text(encoding="utf-8"))
    return {(page.parent / unescape(link)).resolve() for link in found}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Records of two experiments, one with a hostile name, and a history of two commits."""
    folder = tmp_path_factory.mktemp("results")
    rng = np.random.default_rng(0)
    for experiment in ("study", NASTY):
        home = folder / ("a" if experiment == "study" else "b")
        for name, hit, changes in (
            ("main", 0.8, MAIN),
            ("shuffled", 0.4, control("shuffled")),
            ("random_init", 0.45, control("random_init")),
        ):
            for seed in (0, 1, 2):
                publish(
                    home, name, simulated(rng, hit), seed=seed, experiment=experiment, **changes
                )
    for commit in ("1" * 40, "2" * 40):
        add_history([folder / "a"], folder / "history.parquet", commit=commit)
    return folder


def test_the_pages_are_linked_and_show_the_paired_differences(folder: Path, tmp_path: Path) -> None:
    index = write_site([folder], tmp_path / "site")
    pages = sorted((tmp_path / "site").rglob("*.html"))
    assert len(pages) == 5
    for page in pages:
        assert all(link.is_file() for link in links(page)), page
        assert NASTY not in page.read_text()
    assert {index.resolve()} <= links(next((tmp_path / "site" / "experiments").glob("*.html")))
    text = unescape(re.sub(r"<[^>]+>", "", index.read_text()))
    groups = {cell.group: group for cell, group in grouped(load_records([folder / "a"])).items()}
    assert percent(groups["main"].score()) in text
    for name in ("shuffled", "random_init"):
        gap = difference(groups["main"].side(), groups[name].side()).metric()
        assert percent(gap, sign=True).replace("-", "−") in text
    assert (
        "2 experiments: weak pre-training beats shuffled labels and random weights in 2 of 2"
        in text
    )
    history = (tmp_path / "site" / "history.html").read_text()
    assert history.count("<circle") == 2 * 3  # commits × cells
    assert "2" * 10 in history
    listed = json.loads((tmp_path / "site" / "index.json").read_text())
    for experiment, records in listed.items():
        page, _, anchor = records[0]["page"].partition("#")
        assert f'id="{anchor}"' in (tmp_path / "site" / page).read_text()
        keys = {one.key for _, one in load_records([folder]) if one.experiment == experiment}
        assert {record["key"] for record in records} == keys


def test_publish_writes_only_valid_records(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["results", "publish", str(folder / "a"), "-o", str(tmp_path / "site")])
    assert ended.value.code == 0
    assert "9 of 9 records are sound." in capsys.readouterr().out
    publish(tmp_path / "bad", "main", simulated(np.random.default_rng(0)))
    next((tmp_path / "bad").glob("*.parquet")).write_bytes(b"no")
    with pytest.raises(SystemExit) as ended:
        main(["results", "publish", str(tmp_path / "bad"), "-o", str(tmp_path / "none")])
    assert ended.value.code == 2
    assert not (tmp_path / "none").exists()

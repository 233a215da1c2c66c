"""The numbers that trackers show are those of the records."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from lanser_bench import grid_summary, headline
from lanser_bench.reporting.comparing.compare import compare

RESULTS = Path(__file__).parents[2] / "results"
OLDEST = Path(__file__).parent / "records" / "schema-1.json"


def content(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_numbers_are_those_of_the_record() -> None:
    [path] = RESULTS.glob("ravdess/encoder-cnn-corpora-librispeech-*-seed-0-*.json")
    record = content(path)
    numbers, result = headline(record), record["datasets"][0]
    budgets = sorted(result["evaluation"]["budgets"], key=lambda b: b["n_labels"])
    uar, majority = budgets[-1]["uar"], result["evaluation"]["majority"]["uar"]
    assert numbers["ravdess/uar"] == uar["value"]
    assert numbers["ravdess/uar_low"] == uar["interval"]["low"]
    assert numbers["ravdess/uar_high"] == uar["interval"]["high"]
    assert numbers["ravdess/uar_above_majority"] == uar["value"] - majority["value"]
    assert numbers["ravdess/uar_fewest_labels"] == budgets[0]["uar"]["value"]
    assert numbers["ravdess/area"] == result["evaluation"]["area"]["value"]
    assert numbers["ravdess/zero_shot"] == result["zero_shot"]["uar"]["value"]
    targets = result["probes"][0]["targets"]
    raw = [target["r2"]["value"] for target in targets if target["scale"] == "raw"]
    assert numbers["ravdess/prosody/r2_raw"] == fmean(raw)
    assert numbers["labels/corpora.0-librispeech/coverage"] == next(
        labels["coverage"] for labels in record["labels"].values()
    )
    assert numbers["training/chosen_epoch"] == record["training"]["chosen_epoch"]
    spent = {use["key"]: use["seconds"] for use in record["stages"].values() if use["seconds"]}
    assert numbers["seconds"] == pytest.approx(sum(spent.values()))


def test_every_record_has_few_numbers_under_names_that_all_trackers_accept() -> None:
    for path in [OLDEST, *(next(f.rglob("*.json")) for f in RESULTS.iterdir() if f.is_dir())]:
        record = content(path)
        if "schema_version" in record:
            numbers = headline(record)
            assert 10 <= len(numbers) <= 45
            assert all(re.fullmatch(r"[\w./-]+", name, re.ASCII) for name in numbers)


def test_two_sets_of_one_name_are_told_apart() -> None:
    record = content(OLDEST)
    alone = headline(record)
    [name] = {key.partition("/")[0] for key in alone if key.endswith("/uar")}
    twice = headline(record | {"datasets": record["datasets"] * 2})
    assert twice[f"{name}.0/uar"] == twice[f"{name}.1/uar"] == alone[f"{name}/uar"]


@pytest.mark.slow
def test_differences_of_a_grid_are_those_of_compare(tmp_path: Path) -> None:
    place = RESULTS / "ravdess-finetune"
    summary = grid_summary(place, tmp_path)
    [board] = summary.boards
    row = board.rows[0]
    for control in ("random_init", "shuffled", "logmel_stats"):
        found = compare("control=none", f"control={control}", folder=place).lines[0].difference
        assert row[f"minus_{control}"] == pytest.approx(found.value, abs=1e-12)
        assert found.interval is not None
        assert row[f"minus_{control}_low"] == pytest.approx(found.interval.low, abs=1e-9)
        assert row[f"minus_{control}_high"] == pytest.approx(found.interval.high, abs=1e-9)
    assert summary.headline["cells"] == len(list(place.glob("*.json")))
    assert summary.headline[f"{board.title}/best/uar"] == row["uar"]


@pytest.mark.slow
def test_a_grid_has_the_reports_pictures_and_no_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = RESULTS / "ravdess-finetune"
    summary = grid_summary(place, Path("here"))
    records = [content(path) for path in place.glob("*.json")]
    assert {(r["name"], r["group"], r["key"]) for r in records} == set(summary.cells)
    [board] = summary.boards
    assert {"finding", "label-efficiency", "confusions-1"} <= board.pictures.keys()
    for path in (*board.pictures.values(), summary.report):
        assert path.is_relative_to(tmp_path / "here")
        assert path.stat().st_size > 1000
    page = summary.report.read_text()
    assert "ravdess-finetune/" in page
    assert str(RESULTS) not in page

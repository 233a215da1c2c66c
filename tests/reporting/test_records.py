from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lanser_bench.errors import DataError
from lanser_bench.experiment.running.cell_record import portable
from lanser_bench.records.reading import latest, load_record, load_records
from lanser_bench.records.record import ResultRecord, save_record

Make = Callable[..., ResultRecord]


def test_a_record_survives_its_file(record: Make, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "r.json"
    save_record(record(), path)
    assert load_record(path) == record()
    assert json.loads(path.read_text())["schema_version"] == 5
    assert [p.name for p in path.parent.iterdir()] == ["r.json"]


def _with_seconds(content: dict[str, Any], seconds: object) -> dict[str, Any]:
    use = {"stage": "label", "key": "0" * 32, "seconds": seconds}
    return {**content, "stages": {"label": use}}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: {**c, "schema_version": 99}, "schema version 99"),
        (lambda c: {**c, "ecnoder": "x"}, "unknown key 'ecnoder'.*'encoder'"),
        (lambda c: {k: v for k, v in c.items() if k != "key"}, "'key' is missing"),
        (lambda c: _with_seconds(c, "NaN"), "seconds.*finite"),
        (lambda c: _with_seconds(c, 1e300), "seconds.*1000000000"),
        (lambda c: _with_seconds(c, -1), "seconds.*0"),
        (lambda c: {"a": 1}, "no schema_version"),
        (lambda c: [], "no schema_version"),
    ],
)
def test_what_is_no_record_is_said(
    record: Make, tmp_path: Path, change: Callable[[object], object], words: str
) -> None:
    path = tmp_path / "r.json"
    path.write_text(json.dumps(change(record().model_dump(mode="json"))))
    with pytest.raises(DataError, match=words):
        load_record(path)


def test_a_folder_without_records_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DataError, match="has no result records"):
        load_records([tmp_path])
    with pytest.raises(DataError, match="does not exist"):
        load_records([tmp_path / "nowhere"])
    (tmp_path / "r.json").write_text("{")
    with pytest.raises(DataError, match="not JSON"):
        load_records([tmp_path])
    monkeypatch.setattr("lanser_bench.records.reading.MOST_FILES", 0)
    with pytest.raises(DataError, match=r"more than 0 files.*Name the folder of the records"):
        load_records([tmp_path])


def test_the_newest_record_of_a_cell_is_kept(record: Make) -> None:
    old, new = (record(created=f"2026-01-0{day}T00:00:00+00:00", key=str(day)) for day in (1, 2))
    other = record(name="other", group="other")
    assert latest([new, old, other]) == [new, other]


def test_a_place_that_cannot_be_written_is_a_sentence(record: Make, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written.*paths\.results"):
        save_record(record(), tmp_path / "file" / "r.json")


def test_absolute_paths_are_cut_to_their_last_part() -> None:
    given = {
        "root": "/home/me/data",
        "n": 3,
        "list": ["/a/b", "c/d"],
        "url": "https://x/y",
        "s": "/",
    }
    assert portable(given) == {
        "root": "…/data",
        "n": 3,
        "list": ["…/b", "c/d"],
        "url": "https://x/y",
        "s": "/",
    }

"""Files in a folder of results that are no records, or damaged ones, are named and stop little."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from command_line import lanser

from lanser_bench.errors import DataError
from lanser_bench.evaluation.results import Metric
from lanser_bench.records.reading import load_records, read_records
from lanser_bench.reporting.comparing.gate import gate
from lanser_bench.reporting.leaderboard.boards import rank
from lanser_bench.reporting.leaderboard.table import notes
from lanser_bench.reporting.report.report import render

from .published import publish, simulated

Lanser = Callable[..., tuple[int, str, str]]
FOREIGN: dict[str, bytes] = {
    "notes.json": b'{"a": 1}',
    "list.json": b"[1, 2]",
    "number.json": b"3",
    "latin.json": '{"name": "Jörg"}'.encode("latin-1"),
    "tool.json": b'{"schema_version": 1, "packages": [], "labels": ["a"]}',
    "worded.json": b'{"schema_version": "1.0", "labels": {}}',
    "deep.json": b"[" * 100_000,
    "._a-0.json": b"\x00\x05\x16\x07",
}
DAMAGED: dict[str, Callable[[bytes], bytes]] = {
    "cut": lambda whole: whole[: len(whole) // 2],
    "cut early": lambda whole: whole[:5],
    "empty": lambda whole: b"",
    "not UTF-8": lambda whole: whole.replace(b'"glad"', b'"gl\xe4d"', 1),
    "a label lost": lambda whole: whole.replace(b'"wa": {', b'"wax": {', 1),
    "newer": lambda whole: whole.replace(b'"schema_version": 5', b'"schema_version": 99'),
    "version lost": lambda whole: whole.replace(b'"schema_version": 5,', b""),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two cells of two seeds each."""
    for name, hit in (("a", 0.8), ("b", 0.5)):
        for seed in (0, 1):
            predicted = simulated(np.random.default_rng([seed, ord(name)]), hit)
            publish(tmp_path / "results", name, predicted, seed=seed, axes={"encoder": name})
    return tmp_path / "results"


def spoil(folder: Path) -> None:
    for name, content in FOREIGN.items():
        (folder / name).write_bytes(content)
    (folder / "folder.json").mkdir()


def test_foreign_files_are_named_and_the_rest_is_shown(folder: Path, tmp_path: Path) -> None:
    before = lanser("leaderboard", str(folder))
    spoil(folder)
    code, out, err = lanser("leaderboard", str(folder))
    assert (code, out) == before[:2]
    assert "are not result records" in err
    assert f"and {len(FOREIGN) - 3} more" in err
    assert sorted(p.name for p in read_records([folder]).foreign) == sorted(FOREIGN)
    assert read_records([folder]).damaged == []
    code, out, err = lanser("report", str(folder), "-o", str(tmp_path / "r.html"))
    assert (code, "are not result records" in err) == (0, True)
    assert "are not result records" in (tmp_path / "r.html").read_text()
    code, out, err = lanser("compare", "encoder=a", "encoder=b", "--in", str(folder))
    assert (code, "are not result records" in " ".join(out.split())) == (0, True)
    code, out, err = lanser("gate", "--baseline", str(folder), "--candidate", str(folder))
    assert (code, "are not result records" in " ".join(out.split())) == (0, True)
    code, out, err = lanser("results", "validate", str(folder))
    assert (code, "4 of 4 records are sound" in out) == (0, True)
    code, out, err = lanser("results", "upgrade", str(folder))
    assert (code, "not a result record" in out) == (0, True)


@pytest.mark.parametrize("how", DAMAGED)
def test_a_damaged_record_is_named_and_stops_the_gate_alone(
    folder: Path, tmp_path: Path, how: str
) -> None:
    path = folder / "b-1.json"
    path.write_bytes(DAMAGED[how](path.read_bytes()))
    code, out, err = lanser("leaderboard", str(folder))
    assert code == 0
    assert err.startswith("! Left out: ")
    assert str(path) in err
    code, out, err = lanser("report", str(folder), "-o", str(tmp_path / "r.html"))
    assert (code, str(path) in err) == (0, True)
    assert str(path) in (tmp_path / "r.html").read_text()
    code, out, err = lanser("compare", "encoder=a", "encoder=b", "--in", str(folder))
    assert (code, path.name in out) == (0, True)
    for sides in ([folder], [folder / "a-0.json"]), ([folder / "a-0.json"], [folder]):
        with pytest.raises(DataError, match="may hide a regression"):
            gate(*sides)
    code, _, err = lanser("gate", "--baseline", str(folder), "--candidate", str(folder))
    assert (code, str(path) in err) == (2, True)
    code, _, err = lanser("results", "validate", str(folder))
    assert (code, str(path) in err) == (2, True)
    with pytest.raises(DataError, match=path.name):
        load_records([folder])


def test_a_link_that_leads_nowhere_is_a_damaged_record(folder: Path) -> None:
    (folder / "c.json").symlink_to(folder / "not-fetched")
    assert "c.json cannot be read" in read_records([folder]).damaged[0]


def test_a_record_that_an_editor_gave_a_mark_of_its_encoding_is_read(folder: Path) -> None:
    path = folder / "a-0.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(load_records([folder])) == 4
    assert gate([folder], [folder]).not_compared == []


def test_a_single_file_that_is_no_record_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{}")
    for place in (tmp_path / "a.json", tmp_path):
        code, _, err = lanser("leaderboard", str(place))
        assert (code, "a.json is not a result record" in err) == (2, True)


def test_without_predictions_intervals_are_averaged_and_marked(folder: Path) -> None:
    (exact,) = rank(load_records([folder]))
    assert not any("wider than exact" in note for note in notes(exact))
    content = json.loads((folder / "b-1.json").read_text())
    (folder / "b-1.json").write_text(json.dumps({**content, "predictions": None}))
    (board,) = rank(load_records([folder]))
    assert any(note.endswith("UAR, WA, F1, area of encoder=b") for note in notes(board))
    rows = [{row.name: row.uar for row in one.main} for one in (exact, board)]
    assert rows[0]["a"] == rows[1]["a"]
    assert width(rows[1]["b"]) > width(rows[0]["b"])
    assert rows[1]["b"].value == pytest.approx(rows[0]["b"].value)


def width(metric: Metric) -> float:
    assert metric.interval is not None
    return metric.interval.high - metric.interval.low


@pytest.mark.parametrize("change", [Path.unlink, lambda path: path.write_bytes(b"PAR1")])
def test_predictions_that_are_missing_or_damaged_are_named(
    folder: Path, change: Callable[[Path], object]
) -> None:
    path = folder / "b-1.predictions.parquet"
    change(path)
    (board,) = rank(load_records([folder]))
    assert any(path.name in note for note in notes(board))
    assert all(row.standing is None for row in board.main)
    assert path.name in render(load_records([folder]))
    with pytest.raises(DataError, match=path.name):
        gate([folder], [folder])


def test_damaged_predictions_leave_the_other_pairs_and_axes_as_they_are(folder: Path) -> None:
    for name, hit in (("a", 0.8), ("b", 0.5)):
        predicted = simulated(np.random.default_rng(ord(name)), hit)
        axes = {"encoder": name, "taxonomy": "other"}
        publish(folder, f"{name}-other", predicted, axes=axes)
    (folder / "b-1.predictions.parquet").write_bytes(b"PAR1")
    code, out, _ = lanser("compare", "encoder=a", "encoder=b", "--in", str(folder))
    assert (code, "b-1.predictions.parquet" in out) == (0, True)
    code, out, _ = lanser("leaderboard", str(folder), "--by", "encoder", "--format", "md")
    assert (code, "b-1.predictions.parquet" in out, "| a |" in out) == (0, True, True)
    code, out, _ = lanser("leaderboard", str(folder), "--targets")
    assert code == 0


def test_runs_and_published_records_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for place in ("results/study", "results/scratch/first", "results/scratch/second"):
        name = place.rpartition("/")[2]
        predicted = simulated(np.random.default_rng(0))
        publish(tmp_path / place, "main", predicted, experiment=name, dataset=f"set of {name}")
    os.utime(next(Path("results/scratch/first").glob("*.json")), (1, 1))
    code, out, err = lanser("leaderboard")
    assert (code, "set of second" in out, "first" in out, "study" in out) == (0, True, False, False)
    assert err == (
        "! results/scratch/second: the newest run. Other runs: first. Name folders to see others, "
        "such as results.\n"
    )
    code, out, err = lanser("leaderboard", "results")
    assert (code, "set of study" in out, "second" in out) == (0, True, False)
    assert "2 records in scratch are not shown" in err
    code, out, err = lanser("leaderboard", "results/scratch")
    assert (code, "set of first" in out, "set of second" in out, err) == (0, True, True, "")


def test_what_one_side_lacks_is_counted_and_what_is_damaged_is_named(folder: Path) -> None:
    for n in range(5):
        predicted = simulated(np.random.default_rng(n))
        publish(folder, f"a-{n}", predicted, axes={"encoder": "a", "taxonomy": f"t{n}"})
    code, out, _ = lanser("compare", "encoder=a", "encoder=b", "--in", str(folder))
    text = " ".join(out.split())
    assert (code, "left out: 5 cells only on the first side" in text) == (0, True)
    assert "taxonomy=t3: only on the first side" not in text
    code, out, _ = lanser("compare", "encoder=a", "encoder=b", "--in", str(folder), "--notes")
    assert "taxonomy=t3: only on the first side" in " ".join(out.split())


@pytest.mark.parametrize("names", [{"s01": "x"}, {"s01": "s02", "s02": "s01"}, {"s01": "s02"}])
def test_seeds_of_other_speakers_are_a_fault_of_their_row(
    folder: Path, names: dict[str, str]
) -> None:
    path = sorted(folder.rglob("*.json"))[1]
    content = json.loads(path.read_text())
    beside = path.parent / content["predictions"]["file"]
    table = pq.read_table(beside).replace_schema_metadata(None)
    speakers = [names.get(name, name) for name in table.column("speaker").to_pylist()]
    place = table.column_names.index("speaker")
    pq.write_table(table.set_column(place, "speaker", pa.array(speakers)), beside)
    content["predictions"]["sha256"] = hashlib.sha256(beside.read_bytes()).hexdigest()
    path.write_text(json.dumps(content))
    (board,) = rank(load_records([folder]))
    (fault,) = board.faults
    assert str(path) in fault
    assert "another seed of the same row" in fault

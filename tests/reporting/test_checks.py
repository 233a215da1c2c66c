from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from lanser_bench.errors import DataError
from lanser_bench.evaluation.predictions import Predicted, regression, speaker_sums
from lanser_bench.records.attachments import (
    classified,
    read_attached,
    write_attached,
)
from lanser_bench.records.checks import check_record
from lanser_bench.records.counts import footer
from lanser_bench.records.migrate import migrate_record
from lanser_bench.records.reading import load_record
from lanser_bench.records.record import Attached, ResultRecord, record_schema

from .published import LABELS, labelled, publish, simulated

OLD = Path(__file__).parent / "records" / "schema-1.json"


def edited(path: Path, **changes: object) -> None:
    content = json.loads(path.read_text())
    path.write_text(json.dumps({**content, **changes}))


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return publish(tmp_path, "main", simulated(np.random.default_rng(1)))


def test_a_published_record_is_sound_and_its_predictions_are_read_back(published: Path) -> None:
    found = check_record(published)
    assert (found.faults, found.notes) == ([], [])
    record = load_record(published)
    assert record.predictions is not None
    data = classified(record, read_attached(published, record.predictions), 0, "100%")
    assert data.predicted.tolist() == [simulated(np.random.default_rng(1)).tolist()]
    with pytest.raises(DataError, match="no rows at budget 7%"):
        classified(record, read_attached(published, record.predictions), 0, "7%")


def test_a_score_that_does_not_follow_from_the_predictions_is_named(published: Path) -> None:
    content = json.loads(published.read_text())
    content["datasets"][0]["evaluation"]["budgets"][0]["uar"]["value"] += 0.01
    published.write_text(json.dumps(content))
    (fault,) = check_record(published).faults
    assert str(published) in fault
    assert "uar at 100% is" in fault


def test_another_split_is_named(published: Path) -> None:
    content = json.loads(published.read_text())
    content["datasets"][0]["evaluation"]["split_hash"] = "0" * 32
    published.write_text(json.dumps(content))
    assert any("split's hash" in fault for fault in check_record(published).faults)


def test_predictions_of_another_record_are_refused(published: Path, tmp_path: Path) -> None:
    other = publish(tmp_path / "b", "main", simulated(np.random.default_rng(2)))
    record = load_record(published)
    assert record.predictions is not None
    beside = published.with_name(record.predictions.file)
    beside.write_bytes(other.with_name(record.predictions.file).read_bytes())
    (fault,) = check_record(published).faults
    assert "is not the file that" in fault
    beside.unlink()
    (fault,) = check_record(published).faults
    assert "cannot be read" in fault


def test_a_link_out_of_the_folder_is_refused_and_a_store_of_files_is_read(
    published: Path, tmp_path: Path
) -> None:
    record = load_record(published)
    assert record.predictions is not None
    beside = published.with_name(record.predictions.file)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    beside.rename(elsewhere / "1")
    beside.symlink_to(elsewhere / "1")
    (fault,) = check_record(published).faults
    assert f"{beside} cannot be read (it is a link to another folder; put the file" in fault
    beside.unlink()
    beside.symlink_to(beside.name)
    (fault,) = check_record(published).faults
    assert "Too many levels of symbolic links" in fault
    beside.unlink()
    beside.symlink_to(elsewhere / "1")
    published.rename(elsewhere / "2")  # as the caches of some hubs keep all files of a folder
    published.symlink_to(elsewhere / "2")
    assert check_record(published).faults == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda part: part.update(counts="eA=="), "do not fit together"),
        (lambda part: part.update(draws=10**9), "are of other rows"),
        (lambda part: part.update(speakers="many"), "do not fit together"),
        (lambda part: part.update(utterances="0" * 32), "counts by speaker are not those"),
        (lambda part: part.clear(), "do not fit together"),
    ],
)
def test_counts_of_the_footer_that_do_not_follow_from_its_rows_are_named(
    published: Path, change: Callable[[dict[str, Any]], None], fault: str
) -> None:
    record = load_record(published)
    assert record.predictions is not None
    rows = read_attached(published, record.predictions).replace_schema_metadata()
    parts = json.loads(footer([rows], [len(LABELS)])["counts"])
    change(parts[0])
    again = write_attached(rows, published, "predictions", {"counts": json.dumps(parts)})
    edited(published, predictions=again.model_dump())
    (found,) = check_record(published).faults
    assert fault in found


def test_a_record_cannot_name_a_file_elsewhere() -> None:
    with pytest.raises(ValidationError, match="not in its folder"):
        Attached(file="../x.labels.parquet", sha256="", rows=1)


def test_a_record_of_schema_1_loads_and_says_what_it_lacks() -> None:
    assert json.loads(OLD.read_text())["schema_version"] == 1
    record = load_record(OLD)
    assert (record.schema_version, record.predictions) == (5, None)
    found = check_record(OLD)
    assert found.faults == []
    assert "no predictions" in found.notes[0]


def test_an_upgrade_keeps_the_numbers_and_is_done_once(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(OLD.read_bytes())
    before = load_record(path)
    assert migrate_record(path) == "schema 1 → 5"
    assert json.loads(path.read_text())["schema_version"] == 5
    assert load_record(path) == before
    assert migrate_record(path) == "as it should be"


def test_the_taxonomy_of_old_weak_labels_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_bytes(OLD.read_bytes())
    one, other = (
        labelled(0.5, taxonomy_hash=name)["corpora.0 c"].model_dump() for name in ("t1", "t2")
    )
    edited(path, labels={"corpora.0 a": one})
    assert load_record(path).taxonomy_hash == "t1"
    edited(path, labels={"a": one, "b": other})
    assert load_record(path).taxonomy_hash is None


def test_the_schema_refuses_unknown_fields_everywhere() -> None:
    schema = record_schema()
    assert schema["additionalProperties"] is False
    assert all(d["additionalProperties"] is False for d in schema["$defs"].values())
    assert schema["properties"]["schema_version"]["const"] == 5
    assert set(schema["properties"]) == set(ResultRecord.model_fields)


def test_sums_over_speakers_hold_all_that_the_scores_need() -> None:
    rng = np.random.default_rng(0)
    truth = rng.standard_normal(60)
    data = Predicted(
        [str(i) for i in range(60)],
        [f"s{i % 6}" for i in range(60)],
        truth,
        truth + rng.standard_normal(60),
        np.zeros(60),
    )
    speakers, sums = speaker_sums(data)
    assert speakers == [f"s{i}" for i in range(6)]
    assert sums[:, 2].tolist() == [10.0] * 6
    r = regression(data)["pearson"]
    assert r.value(r.sums.sum(0)) == pytest.approx(np.corrcoef(truth, data.predicted)[0, 1])

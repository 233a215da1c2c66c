"""Folders of several machines become one."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from lanser_bench.cli import main
from lanser_bench.errors import DataError
from lanser_bench.experiment import run_experiment
from lanser_bench.records.checks import check_records
from lanser_bench.records.merge import merge_records
from lanser_bench.records.reading import load_records
from lanser_bench.reporting.report.report import render

pytestmark = pytest.mark.slow
ENCODERS = [{"name": "cnn", "channels": [4]}, {"name": "cnn", "channels": [6]}]


@pytest.fixture(scope="module")
def machines(corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`one` ran a grid with two seeds; `left` and `right` one seed each, in stores of their own."""
    home, mood = tmp_path_factory.mktemp("machines"), str(corpora / "mood.yaml")
    gold = {"dataset": "manifest", "root": str(corpora / "gold"), "taxonomy": mood}
    for name, seeds in {"one": [0, 1], "left": [0], "right": [1]}.items():
        run_experiment(
            {
                "name": "t",
                "corpora": [gold],
                "labeler": "words",
                "taxonomy": mood,
                "grid": {"encoder": ENCODERS},
                "pretrain": {"epochs": 1, "seeds": seeds},
                "targets": [gold],
                "evaluate": {"folds": 2, "budgets": [0.5, 1.0], "seeds": 1, "inner_folds": 2},
                "probes": ["size"],
                "probe": {"folds": 2, "sentence_folds": 1, "inner_folds": 2},
                "executor": {"name": "local", "inline": True},
                "threads": {"label": 1, "pretrain": 1, "embed": 1},
                "trackers": [],
                "paths": {"store": str(home / name / "store"), "results": str(home / name / "r")},
            },
            plugin_dirs=[corpora / "plugins"],
        )
    return home


def board(folder: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    with pytest.raises(SystemExit):
        main(["leaderboard", str(folder), "--targets", "--json"])
    return json.loads(capsys.readouterr().out)


def page(folder: Path) -> tuple[str, list[str]]:
    """The report without what tells machines apart (files, dates, wall times), and its keys."""
    found = []
    for path, record in load_records([folder]):
        stages = {k: use.model_copy(update={"seconds": 1.0}) for k, use in record.stages.items()}
        found.append((path, record.model_copy(update={"stages": stages})))
    text = render(found)
    keys = re.findall(r"\b[0-9a-f]{32}\b", text)
    text = re.sub(r'<dl class="origin">.*?</dl>', "", text, flags=re.DOTALL)
    return re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "", text), sorted(keys)


def test_two_halves_are_one_machines_results(
    machines: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = machines / "one" / "r"
    merged = merge_records([machines / "left" / "r", machines / "right" / "r"], tmp_path / "m")
    assert merged.copied == len(load_records([whole]))
    checked = check_records([tmp_path / "m"])
    perfect = "every prediction is right"  # as the toy's labels can be
    assert all(not c.faults and all(perfect in n for n in c.notes) for c in checked)
    assert board(tmp_path / "m", capsys) == board(whole, capsys)
    assert page(tmp_path / "m") == page(whole)
    again = merge_records([whole], tmp_path / "m")
    assert (again.copied, again.equal) == (0, merged.copied)


def changed(folder: Path, field: str, value: object, created: str) -> Path:
    """Changes one field of a record of a copied folder; returns the record."""
    path = next((folder / "t").glob("encoder-*.json"))
    content = json.loads(path.read_text())
    place = content["training"] if field == "chosen_epoch" else content["settings"]["label"]
    place[field] = value
    path.write_text(json.dumps(content | {"created": created}))
    return path


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [("chosen_epoch", 7, "differ"), ("top_q", 0.5, "have different settings (label)")],
)
def test_a_conflict_names_both_files_and_is_settled_on_request(
    machines: Path, tmp_path: Path, field: str, value: object, says: str
) -> None:
    shutil.copytree(machines / "left" / "r", tmp_path / "theirs")
    newer = changed(tmp_path / "theirs", field, value, "2999-01-01T00:00:00+00:00")
    ours = machines / "left" / "r"
    with pytest.raises(DataError, match="nothing was merged") as refused:
        merge_records([ours, tmp_path / "theirs"], tmp_path / "m")
    assert says in str(refused.value)
    assert "--newest" in str(refused.value)
    assert all(str(path) in str(refused.value) for path in (newer, ours / "t" / newer.name))
    assert not (tmp_path / "m").exists()
    merged = merge_records([ours, tmp_path / "theirs"], tmp_path / "m", newest_wins=True)
    assert (tmp_path / "m" / "t" / newer.name).read_bytes() == newer.read_bytes()
    assert [str(ours / "t" / newer.name) in note for note in merged.notes] == [True]


def test_an_invalid_record_stops_a_merge(machines: Path, tmp_path: Path) -> None:
    shutil.copytree(machines / "left" / "r", tmp_path / "broken")
    lost = next((tmp_path / "broken" / "t").glob("*.predictions.parquet"))
    lost.unlink()
    with pytest.raises(DataError, match=f"(?s)not valid.*{lost.name} cannot be read"):
        merge_records([machines / "right" / "r", tmp_path / "broken"], tmp_path / "m")
    assert not (tmp_path / "m").exists()

"""Finished results go to a tracker afterwards, once."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from lanser_bench.cli import main
from lanser_bench.records.record import ResultRecord, StageUse, save_record
from lanser_bench.reporting.rerun.replay import record_events, track_results
from lanser_bench.store import Spec, Store

Make = Callable[..., ResultRecord]


@pytest.mark.slow
def test_each_cell_is_sent_once_unless_asked_again(record: Make, tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    for name in ("a", "b"):
        save_record(record(name=name, group=name), tmp_path / "results" / f"{name}.json")
    first = track_results([tmp_path / "results"], "jsonl", store=store)
    assert (first.sent, first.had, first.failed) == (2, 0, 0)
    second = track_results([tmp_path / "results"], "jsonl", store=store)
    assert (second.sent, second.had) == (0, 2)
    third = track_results([tmp_path / "results"], "jsonl", store=store, again=True)
    assert third.sent == 2
    lines = (third.folder / "cells.jsonl").read_text().splitlines()
    assert [json.loads(line)["record"]["name"] for line in lines] == ["a", "b", "a", "b"]


@pytest.mark.slow
def test_events_come_from_the_store_where_it_has_the_stage(record: Make, tmp_path: Path) -> None:
    store = Store(tmp_path)
    spec = Spec(stage="pretrain", stage_version="1")
    with store.write(spec) as draft:
        (draft.path / "training.json").write_text('{"epochs": [{"loss": 1}]}')
        draft.counts["train"] = 7
    stages = {
        "pretrain": StageUse(stage="pretrain", key=spec.key, seconds=2.0),
        "embed targets.0": StageUse(stage="embed", key="gone", seconds=3.0),
    }
    known, gone = record_events(record(stages=stages), store)
    assert known["training"] == {"epochs": [{"loss": 1}]}
    assert known["counts"] == {"train": 7}
    assert (gone["seconds"], gone["counts"]) == (3.0, {})


@pytest.mark.slow
def test_a_failing_tracker_gives_exit_code_1(
    record: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_record(record(), tmp_path / "results" / "a.json")
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "bad.py").write_text(
        "from lanser_bench import PluginOptions, Tracker, hookimpl\n"
        "class Bad(Tracker[PluginOptions]):\n"
        "    version = '1'\n"
        "    def log_cell(self, record, events, folder):\n"
        "        raise RuntimeError('no server')\n"
        "@hookimpl\n"
        "def register_trackers(register):\n"
        "    register('bad', f'{__name__}:Bad')\n"
    )
    with pytest.raises(SystemExit) as caught:
        main(
            [
                "track",
                str(tmp_path / "results"),
                "--to",
                "bad",
                "--store",
                str(tmp_path / "s"),
                "--plugins-dir",
                str(tmp_path / "plugins"),
            ]
        )
    assert caught.value.code == 1
    printed = capsys.readouterr()
    assert "no server" in printed.err
    assert "0 cells sent" in printed.out

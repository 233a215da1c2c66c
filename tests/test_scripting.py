"""The main commands as functions, and what a notebook shows of their results."""

from __future__ import annotations

from pathlib import Path

import pytest

import lanser_bench as lb
from lanser_bench import experiment, plugins, reporting
from lanser_bench.cli import main
from lanser_bench.experiment import dry_run
from lanser_bench.plugins import load_plugins

SETTINGS = {
    "name": "n",
    "targets": [{"dataset": "synthetic", "clips": 42, "speakers": 6, "seed": 2}],
    "labeler": "random",
    "taxonomy": "ekman-6",
    "grid": {"encoder": ["logmel-stats", "logmel-prosody"]},
    "evaluate": {"folds": 3, "seeds": 1, "budgets": ["30%", 1.0], "inner_folds": 2},
    "executor": {"name": "local", "inline": True},
    "trackers": [],
}


def test_tab_finds_the_names_that_load_on_first_use() -> None:
    for package in (lb, plugins, experiment, reporting):
        assert set(package.__all__) <= set(dir(package))
    assert {"run", "label", "compare", "leaderboard", "report", "predict"} <= set(dir(lb))


def test_texts_are_labelled_in_one_line() -> None:
    (answer,) = lb.label("I am so happy", "lexicon")
    assert answer["label"] == "joy"


@pytest.mark.slow
def test_a_run_writes_what_the_command_writes_and_a_notebook_shows_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    plan = dry_run(SETTINGS)
    results = lb.run(SETTINGS)
    assert results.ok
    assert results.report == Path("results/scratch/n/report.html")
    assert results.report.is_file()
    assert results.pictures
    assert capsys.readouterr().err.count("✓ encoder=") == 2
    with pytest.raises(SystemExit):
        main(["leaderboard", "results/scratch/n", "--format", "html"])
    page = capsys.readouterr().out
    (board,) = boards = lb.leaderboard("results/scratch/n")
    table = board._repr_html_()
    assert table in page
    assert boards._repr_html_() == table
    assert table in results._repr_html_()
    assert "Finding:" in results._repr_html_()
    compared = lb.compare(
        "encoder=logmel-stats", "encoder=logmel-prosody", folder=Path("results/scratch")
    )
    assert "<table>" in compared._repr_html_()
    assert "evaluate" in plan._repr_html_()
    assert "encoder=logmel-stats" in plan.plan._repr_html_()
    assert "cells done, 0 failed" in results.outcome._repr_html_()
    assert "<td>entailment</td>" in load_plugins()._repr_html_()
    assert lb.report("results/scratch/n", output=tmp_path / "r.html").is_file()

"""Scores of measurements are metrics of compare, gate, dose and declared comparisons."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lanser_bench.errors import DataError, SettingsError
from lanser_bench.evaluation.contrast import Side, difference
from lanser_bench.evaluation.statistics import flat, interval, ratio_mean, ratios_of
from lanser_bench.experiment import run_experiment
from lanser_bench.records.checks import check_record
from lanser_bench.records.reading import load_record
from lanser_bench.reporting.comparing import compare_views, gate_views
from lanser_bench.reporting.comparing.compare import compare
from lanser_bench.reporting.comparing.dose import dose_response
from lanser_bench.reporting.comparing.gate import gate
from lanser_bench.reporting.comparing.responses import Response
from lanser_bench.reporting.comparing.verdicts import ScoreTest, judged, scale_of
from lanser_bench.reporting.groups import CellId
from lanser_bench.reporting.selection import Selection

pytestmark = pytest.mark.slow

Make = Callable[..., dict[str, Any]]
DECLARED = {"a": "pretrain.epochs=1", "b": "pretrain.epochs=3", "metric": "zero_shot"}


@pytest.fixture(scope="module")
def results(settings_in: Make, corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three cells with zero-shot, text-only and fine-tuned rows, by the number of epochs."""
    root = tmp_path_factory.mktemp("scores")
    off = {"random_init": False, "logmel_stats": False, "shuffled": "none"}
    settings = settings_in(
        root,
        pretrain={"seeds": [0, 1]},
        finetune={"epochs": 1},
        evaluate={"folds": 3, "budgets": [0.5, 1.0], "seeds": 2, "inner_folds": 2},
        probes=[],
        controls={"text_only": True, **off},
        grid={"pretrain.epochs": [1, 2, 3]},
        comparisons=[DECLARED],
    )
    outcome = run_experiment(settings, plugin_dirs=[corpora / "plugins"])
    assert outcome.ok, outcome.failures
    return root / "results"


def test_a_real_record_has_sums_that_give_the_written_scores(results: Path, tmp_path: Path) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(results, folder)
    path = sorted(folder.rglob("*.json"))[0]
    record = load_record(path)
    assert record.score_sums is not None
    assert check_record(path).faults == []
    written = json.loads(path.read_text())
    budgets = written["datasets"][0]["finetune"]["budgets"]
    written["datasets"][0]["zero_shot"]["uar"]["value"] += 0.01
    budgets[0]["uar"]["value"] += 0.02
    path.write_text(json.dumps(written, indent=1))
    faults = " ".join(check_record(path).faults)
    assert "zero_shot is" in faults
    assert f"finetune at {budgets[0]['budget']} is" in faults
    assert "text_only" not in faults


@pytest.mark.parametrize(
    ("metric", "budget"),
    [("zero_shot", None), ("text_only", None), ("finetune", None), ("finetune", "30%")],
)
def test_scores_of_measurements_are_compared(
    results: Path, metric: str, budget: str | None
) -> None:
    sides = "pretrain.epochs=1", "pretrain.epochs=3"
    found = compare(*sides, folder=results, metric=metric, budget=budget)
    (line,) = found.lines
    for side, metrics in zip(sides, (line.a, line.b), strict=True):
        (group,) = Selection.read([results]).picked(side).values()
        values = []
        for _, record in group.members.values():
            one = getattr(record.datasets[0], metric)
            at = [b.uar for b in getattr(one, "budgets", []) if b.budget == (budget or "100%")]
            values.append((at[0] if at else one.uar).value)
        assert metrics.value == pytest.approx(np.mean(values), abs=1e-9)
    assert line.difference.interval is not None
    assert line.difference.value == pytest.approx(line.a.value - line.b.value, abs=1e-12)
    assert found.family.confirmatory == (metric == "zero_shot")
    assert "UAR" in compare_views.title(found)


def test_the_gate_takes_a_measured_score_and_names_what_lacks_it(results: Path) -> None:
    found = gate([results], [results], metric="zero_shot")
    assert {row.verdict for row in found.compared} == {"same"}
    assert len(found.compared) == 3
    assert {gate_views.title_of(r.metric, scale_of(r.metric)) for r in found.compared} == {
        "UAR zero-shot"
    }
    missing = gate([results], [results], metric="drop_f0")
    assert not missing.compared
    assert {cell.why for cell in missing.not_compared} == {
        "no sums of drop, F0 flat beside the record"
    }


def test_a_dose_takes_a_measured_score(results: Path) -> None:
    records = Selection.read([results]).found
    (board,) = dose_response("pretrain.epochs", records, Response("finetune", "30%"))
    (line,) = board.lines
    assert [point.dose for point in line.points] == [1.0, 2.0, 3.0]
    assert line.slopes[0].value.interval is not None


def test_an_unknown_metric_is_refused_with_the_known_ones(results: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"Did you mean 'zero_shot'\? Known: uar, wa, .*text_only"
    ):
        Response("zeroshot")
    with pytest.raises(DataError, match="Its label budgets are: 10%, 30%, 100%"):
        compare(
            "pretrain.epochs=1",
            "pretrain.epochs=2",
            folder=results,
            metric="finetune",
            budget="3%",
        )


def test_lower_is_better_turns_the_verdict() -> None:
    cell = CellId("e", "g", "d", 0)
    ones = np.ones((8, 1))
    speakers = np.linspace(-0.01, 0.01, 8)[:, None]

    def side(mean: float) -> Side:
        return Side([ratio_mean(mean + speakers, ones, np.ones(1))], drawn=False)

    tests = [ScoreTest.of((cell, "m"), difference(side(0.2), side(0.5)))]
    assert [row.verdict for row in judged(tests, 0.01)] == ["worse"]
    assert [row.verdict for row in judged(tests, 0.01, lower_is_better=["m"])] == ["better"]


def test_flat_sums_give_the_statistic_back() -> None:
    rng = np.random.default_rng(0)
    made = ratio_mean(rng.random((6, 3)), 1 + rng.random((6, 3)), np.array([0.2, 0.3, 0.5]))
    again = ratios_of(flat(made))
    assert again.value(again.sums.sum(0)) == pytest.approx(made.value(made.sums.sum(0)), abs=1e-12)
    first, second = interval(again), interval(made)
    assert first is not None
    assert second is not None
    assert (first.low, first.high) == pytest.approx((second.low, second.high), abs=1e-12)

"""The gate's comparison of stages, on what runs with two labelers wrote."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from lanser_bench.experiment import run_experiment
from lanser_bench.records.reading import load_records
from lanser_bench.reporting.comparing import gate_views as views
from lanser_bench.reporting.comparing.gate import GateResult, gate

pytestmark = pytest.mark.slow

REGRESSION = Path(__file__).parents[2] / "lanser_bench" / "experiments" / "regression.yaml"
"""Its labeler knows words of the corpus."""
CORPUS = "corpora.0 synthetic"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results in ``words`` and ``random``: two encoders that share their labels, two seeds."""
    home = tmp_path_factory.mktemp("stages")
    words = yaml.safe_load(REGRESSION.read_text())["labeler"]
    for name, labeler in (("words", words), ("random", "random")):
        outcome = run_experiment(
            {
                "name": "stages",
                "corpora": [{"dataset": "synthetic", "clips": 240, "speakers": 12, "seed": 1}],
                "targets": [
                    {
                        "dataset": "synthetic",
                        "clips": 42,
                        "speakers": 6,
                        "first_voice": 12,
                        "seed": 2,
                    }
                ],
                "labeler": labeler,
                "taxonomy": "ekman-6",
                "encoder": {"name": "cnn", "channels": [4]},
                "pretrain": {"epochs": 1, "seeds": [0, 1]},
                "evaluate": {"folds": 2, "seeds": 1, "budgets": [1.0], "inner_folds": 2},
                "controls": {"random_init": False, "logmel_stats": False, "shuffled": "none"},
                "grid": {"encoder.channels": [[4], [5]]},
                "trackers": [],
                "executor": {"name": "local", "inline": True},
                "threads": {"label": 1, "pretrain": 1, "embed": 1},
                "paths": {"store": str(home / "store"), "results": str(home / name)},
            }
        )
        assert outcome.ok, outcome.failures
    return home


@pytest.fixture(scope="module")
def swapped(home: Path) -> GateResult:
    return gate([home / "words"], [home / "random"])


def test_a_swapped_labeler_is_caught_once_by_its_own_quality(
    home: Path, swapped: GateResult
) -> None:
    labels = {row.metric: row for row in swapped.compared if row.cell.target < 0}
    kappa = labels["labels.kappa"]
    assert len([row for row in swapped.compared if row.metric == "labels.kappa"]) == 1
    assert (kappa.verdict, kappa.cell.dataset) == ("worse", CORPUS)
    golds = [load_records([home / side])[0][1].labels[CORPUS].gold for side in ("random", "words")]
    new, old = (g.abstention_is_wrong.kappa for g in golds if g and g.abstention_is_wrong)
    assert kappa.difference == pytest.approx((new or 0) - (old or 0))
    assert kappa.detectable is not None
    assert labels["labels.coverage"].verdict == "better"
    assert not swapped.passed()
    # Each of the four cells has its own scores.
    assert [row.metric for row in swapped.compared if row.cell.target >= 0].count("uar") == 2
    assert {"zero_shot"} <= {row.metric for row in swapped.compared}


def test_every_format_says_what_changed(swapped: GateResult) -> None:
    for text in (
        "\n".join([*views.sentences(swapped), *map(str, views.sheet(swapped).rows)]),
        views.markdown(swapped, passed=False),
        views.junit(swapped),
        json.dumps(views.as_json(swapped, passed=False), ensure_ascii=False),
    ):
        assert "labeler lexicon → random" in text
        assert "kappa" in text


@pytest.mark.parametrize("metric", [None, "zero_shot"])
def test_what_is_equal_is_no_test(home: Path, metric: str | None) -> None:
    found = gate([home / "words"], [home / "words"], metric=metric)
    assert found.passed(strict=True)
    assert {row.verdict for row in found.compared} == {"same"}
    assert "p by Holm over 0" in views.sheet(found).title
    assert found.changes == []
    assert len(found.compared) == (2 if metric else 6 + 2 * 2)


def changed(home: Path, to: Path, change: Callable[[dict], None]) -> Path:
    shutil.copytree(home / "words", to)
    for path in to.rglob("*-*.json"):
        content = json.loads(path.read_text())
        change(content)
        path.write_text(json.dumps(content))
    return to


def test_a_slower_stage_is_a_warning(home: Path, tmp_path: Path) -> None:
    def slow(content: dict) -> None:
        content["stages"]["label corpora.0"]["seconds"] = 100.0

    found = gate([home / "words"], [changed(home, tmp_path / "slow", slow)])
    (warning,) = found.warnings
    assert warning.startswith("label takes")
    assert warning.endswith("100.0 s")
    assert found.passed()
    assert "slower: label takes" in views.markdown(found, passed=True)


def test_quality_that_a_side_lacks_is_named(home: Path, tmp_path: Path) -> None:
    def drop(content: dict) -> None:
        content["stage_sums"] = None

    bare = changed(home, tmp_path / "bare", drop)
    lost = gate([home / "words"], [bare])
    assert {cell.cell.dataset for cell in lost.lost} == {CORPUS}
    assert not lost.passed()
    old = gate([bare], [home / "words"])
    assert old.passed()
    assert any("Make the baseline again" in sentence for sentence in old.ignored)

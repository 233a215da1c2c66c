"""The section `soft` of an experiment: what a run of votes writes, and what reads it."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from sklearn.metrics import f1_score

from lanser_bench.experiment import run_experiment
from lanser_bench.records.attachments import read_attached
from lanser_bench.records.checks import check_record
from lanser_bench.records.reading import load_record, load_records
from lanser_bench.reporting.comparing.compare import compare
from lanser_bench.reporting.comparing.gate import gate
from lanser_bench.reporting.leaderboard.boards import rank
from lanser_bench.reporting.report.report import write_report

pytestmark = pytest.mark.slow

Make = Callable[..., dict[str, Any]]


def votes(corpora: Path, root: Path) -> dict[str, Any]:
    """The tones, with five votes each: mostly for the true label, two of them tied with a third."""
    shutil.copytree(corpora / "gold", root)
    rng = np.random.default_rng(0)
    lines = list(csv.DictReader((root / "manifest.csv").read_text().splitlines()))
    for line in lines:
        own, other = line.pop("label"), {"glad": "sad", "sad": "glad"}
        counts = {own: int(rng.integers(2, 6))}
        if counts[own] < 5:
            counts[other[own]] = 5 - counts[own]
        line["gold"], line["gold_kind"] = json.dumps(counts), "distribution"
    with (root / "manifest.csv").open("w") as file:
        writer = csv.DictWriter(file, list(lines[0]))
        writer.writeheader()
        writer.writerows(lines)
    mood = str(corpora / "mood.yaml")
    return {"dataset": "manifest", "root": str(root), "taxonomy": mood}


@pytest.fixture(scope="module")
def results(settings_in: Make, corpora: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of a run on a set with votes and one with single labels; not to be changed."""
    root = tmp_path_factory.mktemp("votes")
    made = settings_in(root, soft={"bins": 3}, probes=[])
    made["targets"].insert(0, votes(corpora, root / "votes"))
    made["evaluate"] |= {"votes": "majority", "budgets": [0.5, 1.0], "seeds": 2}
    assert run_experiment(made, plugin_dirs=(corpora / "plugins",)).ok
    return root / "results"


def test_a_run_writes_scores_that_its_files_give_again(results: Path) -> None:
    for path in results.rglob("*.json"):
        assert check_record(path).faults == []
    path = next(p for p in results.rglob("*.json") if "random" not in p.name)
    record = load_record(path)
    voted, single = record.datasets
    assert voted.soft is not None
    assert single.soft is not None
    assert voted.evaluation.n_utterances == voted.soft.n_utterances == 24
    assert voted.soft.ceiling is not None
    assert voted.soft.ceiling.n_votes == 5
    assert single.soft.ceiling is None
    assert single.soft.n_split == 0
    assert (voted.soft.from_majority is None, single.soft.from_majority is None) == (False, True)
    table = read_attached(path, record.measured["soft"])
    for target, found in enumerate((voted.soft, single.soft)):
        for budget in found.budgets:
            rows = [
                row
                for row in table.to_pylist()
                if (row["target"], row["budget"], row["head"]) == (target, budget.budget, "votes")
            ]
            p = np.array([row["predicted"] for row in rows])
            t = np.array([row["votes"] for row in rows])
            theirs = [jensenshannon(a, b, base=2) ** 2 for a, b in zip(p, t, strict=True)]
            assert budget.jsd.value == pytest.approx(np.mean(theirs), abs=1e-6)
            p /= p.sum(1, keepdims=True)
            brier = np.square(p - t).sum(1).mean()
            assert budget.brier.value == pytest.approx(brier, abs=1e-9)
            draws = np.array([row["seed"] for row in rows])
            sets = [
                f1_score(t[of] > 0.5, p[of] > 0.5, average="macro", zero_division=0)
                for of in (draws == d for d in np.unique(draws))
            ]
            assert budget.set_f1.value == pytest.approx(np.mean(sets), abs=1e-9)


def test_a_changed_score_is_a_fault(results: Path, tmp_path: Path) -> None:
    shutil.copytree(results, tmp_path / "results")
    path = sorted((tmp_path / "results").rglob("*.json"))[0]
    content = json.loads(path.read_text())
    content["datasets"][0]["soft"]["budgets"][0]["ece"]["value"] += 1e-3
    path.write_text(json.dumps(content))
    predictions, sums = check_record(path).faults
    assert "ece of votes at 50%" in predictions
    assert "soft_ece at 50%" in sums


@pytest.mark.parametrize("metric", ["soft_jsd", "soft_brier", "soft_ece", "soft_f1"])
def test_heads_are_compared_and_gated_by_their_votes(results: Path, metric: str) -> None:
    for budget in (None, "50%"):
        sides = "control=none", "control=logmel_stats"
        found = compare(*sides, folder=results, metric=metric, budget=budget)
        assert len(found.lines) == 2  # labelled sets
        for line in found.lines:
            assert line.difference.interval is not None
            assert line.difference.value == pytest.approx(line.a.value - line.b.value, abs=1e-12)
    assert {row.verdict for row in gate([results], [results], metric=metric).compared} == {"same"}


def test_tables_and_report_show_them(results: Path, tmp_path: Path) -> None:
    for board in rank(load_records([results])):
        rows = [*board.main, *board.controls]
        assert {row.control for row in rows} == {None, "random_init", "shuffled", "logmel_stats"}
        assert all(row.more["soft_jsd"] and row.more["soft_ece"] for row in rows)
    page = write_report([results], tmp_path / "report.html").read_text()
    assert "Votes of annotators" in page
    assert page.count("Reliability: ") > 2
    assert page.count('role="img" aria-label="Reliability: ') == page.count("The numbers of Reliab")
    assert "half of the annotators" in page
    assert "mean votes" in page


def test_without_the_section_nothing_is_planned(
    settings: Make, plugin_dirs: tuple[Path, ...], tmp_path: Path
) -> None:
    run_experiment(settings(probes=[]), plugin_dirs=plugin_dirs)
    record = load_record(next((tmp_path / "results").rglob("*.json")))
    assert record.datasets[0].soft is None
    assert record.measured == {}

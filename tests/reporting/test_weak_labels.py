"""Weak labels beside a record and in the report, as a small run on synthetic speech wrote them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, recall_score

from lanser_bench.evaluation.label_quality import never_given, statistics
from lanser_bench.experiment import run_experiment
from lanser_bench.records.checks import check_record
from lanser_bench.records.reading import load_record, load_records
from lanser_bench.records.record import ResultRecord
from lanser_bench.records.stage_sums import record_sums
from lanser_bench.records.weak_labels import corpus_labels

pytestmark = pytest.mark.slow

CORPUS = "corpora.0 synthetic"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run's store and results: weak labels of written words, two seeds."""
    home = tmp_path_factory.mktemp("weak")
    outcome = run_experiment(
        {
            "name": "weak",
            "corpora": [{"dataset": "synthetic", "clips": 84, "speakers": 6, "seed": 1}],
            "targets": [{"dataset": "synthetic", "clips": 42, "speakers": 6, "seed": 2}],
            "labeler": "lexicon",
            "taxonomy": "goemotions-ekman",
            "encoder": {"name": "cnn", "channels": [4]},
            "pretrain": {"epochs": 1, "seeds": [0, 1]},
            "evaluate": {"folds": 2, "seeds": 1, "budgets": [1.0], "inner_folds": 2},
            "controls": {"random_init": True, "logmel_stats": False, "shuffled": "none"},
            "trackers": [],
            "executor": {"name": "local", "inline": True},
            "threads": {"label": 1, "pretrain": 1, "embed": 1},
            "paths": {"store": str(home / "store"), "results": str(home / "results")},
        }
    )
    assert outcome.ok, outcome.failures
    return home


def main_record(results: Path) -> tuple[Path, ResultRecord]:
    return next((p, r) for p, r in load_records([results]) if r.role == "main")


def test_the_labels_beside_a_record_give_its_scores_against_gold(home: Path) -> None:
    path, record = main_record(home / "results")
    assert record.weak_labels is not None
    labels = corpus_labels(path, record.weak_labels, CORPUS)
    gold = record.labels[CORPUS].gold
    assert gold is not None
    assert gold.abstention_is_wrong is not None
    kept = labels.weak >= 0
    assert (len(labels.ids), len(set(labels.speakers))) == (gold.abstention_is_wrong.n, 6)
    assert 0 < gold.abstention_left_out.n == kept.sum() < len(kept)
    classes = np.unique(labels.gold)
    uar = recall_score(labels.gold, labels.weak, labels=classes, average="macro")
    assert gold.abstention_is_wrong.uar.value == pytest.approx(uar)
    kappa = cohen_kappa_score(labels.gold, labels.weak)
    assert gold.abstention_is_wrong.kappa == pytest.approx(kappa)
    assert np.all((labels.confidence[kept] > 0) & (labels.confidence[kept] <= 1))
    control = next(r for _, r in load_records([home / "results"]) if r.role == "control")
    assert control.weak_labels is None


def test_another_confusion_than_that_of_the_labels_is_a_fault(home: Path, tmp_path: Path) -> None:
    shutil.copytree(home / "results", tmp_path / "results")
    path, record = main_record(tmp_path / "results")
    assert check_record(path).faults == []
    content = json.loads(path.read_text())
    content["labels"][CORPUS]["gold"]["confusion"][0][0] += 1
    path.write_text(json.dumps(content))
    (fault,) = check_record(path).faults
    assert "another confusion matrix" in fault
    assert load_record(path).weak_labels == record.weak_labels


def test_the_sums_beside_a_record_give_the_scores_of_its_labels(home: Path, tmp_path: Path) -> None:
    path, record = main_record(home / "results")
    sums = record_sums(path, record)[CORPUS]
    summary = record.labels[CORPUS]
    assert summary.gold is not None
    found = {name: float(s.value(s.sums.sum(0))) for name, s in statistics(sums).items()}
    assert found["uar"] == pytest.approx(summary.gold.abstention_is_wrong.uar.value)
    assert found["kappa"] == pytest.approx(summary.gold.abstention_is_wrong.kappa)
    assert found["coverage"] == pytest.approx(summary.coverage)
    assert never_given(sums) == summary.never_firing
    assert len(sums.units) == 6
    assert 0 < found["jsd"] < 1
    shutil.copytree(home / "results", tmp_path / "results")
    path, record = main_record(tmp_path / "results")
    content = json.loads(path.read_text())
    content["labels"][CORPUS]["coverage"] += 0.01
    path.write_text(json.dumps(content))
    (fault,) = check_record(path).faults
    assert "coverage is" in fault

"""Agreement with gold: the scores of scikit-learn, and intervals that cover."""

from __future__ import annotations

import numpy as np
import pytest

from lanser_bench.evaluation.agreement import (
    OVER_ROWS,
    Units,
    agreement,
    cohen_kappa,
    kappa,
    kappa_statistic,
    per_class,
    proportion,
    share,
)
from lanser_bench.evaluation.results import Metric

ROWS = Units("rows", None)


def draw(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    gold = rng.integers(3, size=n)
    labels = np.where(rng.random(n) < 0.6, gold, rng.integers(3, size=n))
    return gold, np.where(rng.random(n) < 0.1, -1, labels)


def test_scores_are_those_of_scikit_learn_with_abstention_as_a_miss() -> None:
    from sklearn.metrics import balanced_accuracy_score, cohen_kappa_score, f1_score

    gold, labels = draw(400, 0)
    found = agreement(gold, labels, 3, ROWS)
    answers = np.where(labels < 0, 3, labels)
    assert found["wa"].value == pytest.approx(float((gold == labels).mean()))
    with pytest.warns(UserWarning, match="y_pred contains classes"):
        assert found["uar"].value == pytest.approx(balanced_accuracy_score(gold, answers))
    assert found["kappa"].value == pytest.approx(cohen_kappa_score(gold, answers))
    expected = f1_score(gold, answers, average="macro", labels=[0, 1, 2], zero_division=0)
    assert found["macro_f1"].value == pytest.approx(expected)


def test_speakers_and_rows_give_the_same_scores_and_say_what_the_interval_is_over() -> None:
    gold, labels = draw(300, 1)
    speakers = Units.of([f"s{i % 20}" for i in range(300)])
    over_rows, over_speakers = (agreement(gold, labels, 3, u) for u in (ROWS, speakers))
    for name, score in over_rows.items():
        assert over_speakers[name].value == pytest.approx(score.value)
        assert score.interval is not None
        assert score.interval.method == OVER_ROWS
        assert score.interval.low < score.value < score.interval.high
        made = over_speakers[name].interval
        assert made is not None
        assert "speakers" in made.method


def test_speakers_count_only_where_all_rows_have_one() -> None:
    assert Units.of(["a", None]).kind == "rows"
    assert Units.of([]).kind == "rows"
    units = Units.of(["a", "b", "a"])
    assert units.kind == "speakers"
    assert units.part(np.array([True, False, True])).speakers.tolist() == ["a", "a"]  # type: ignore[union-attr]


def test_the_gradient_of_kappa_is_that_of_small_steps() -> None:
    gold, labels = draw(200, 2)
    speakers = np.array([f"s{i % 7}" for i in range(200)])
    statistic = kappa_statistic(gold, np.where(labels < 0, 3, labels), 4, speakers)
    totals = statistic.sums.sum(0)
    steps = np.eye(16) * 1e-4
    small = (statistic.value(totals + steps) - statistic.value(totals - steps)) / 2e-4
    np.testing.assert_allclose(statistic.gradient(totals), small, atol=1e-6)


def test_kappa_of_complete_chance_is_zero() -> None:
    assert kappa(np.array([[5, 0], [0, 0]])) == 0


@pytest.mark.slow
def test_an_interval_over_rows_covers_the_truth() -> None:
    truth = agreement(*draw(100_000, 99), 3, ROWS)["kappa"].value
    inside = 0
    for seed in range(100):
        made = agreement(*draw(200, seed), 3, ROWS)["kappa"].interval
        assert made is not None
        inside += made.low <= truth <= made.high
    assert 88 <= inside <= 100


def test_few_rows_or_speakers_get_no_bootstrap_interval() -> None:
    gold, labels = draw(10, 3)
    assert agreement(gold, labels, 3, ROWS)["uar"].interval is None
    few = Units.of([f"s{i % 4}" for i in range(10)])
    assert share(gold == labels, few).interval is None
    assert proportion(0, 0) == Metric(value=0.0)


def test_precision_and_recall_are_counted_by_hand() -> None:
    gold, labels = np.array([0, 0, 0, 1, 1]), np.array([0, 0, -1, 0, 1])
    first, second = per_class(gold, labels, 2, ROWS)
    assert (first["support"], first["given"]) == (3, 3)
    assert [score.value for score in (first["precision"], first["recall"])] == [2 / 3, 2 / 3]  # type: ignore[union-attr]
    assert [score.value for score in (second["precision"], second["recall"])] == [1.0, 0.5]  # type: ignore[union-attr]


def test_wilson_s_interval_is_the_textbook_one() -> None:
    made = proportion(81, 263).interval
    assert made is not None
    assert made.low == pytest.approx(0.2553, abs=1e-4)
    assert made.high == pytest.approx(0.3662, abs=1e-4)


def test_kappa_is_unknown_where_chance_alone_agrees() -> None:
    table = np.array([[3, 1], [0, 4]])
    gold, answers = np.repeat([0, 0, 1], [3, 1, 4]), np.repeat([0, 1, 1], [3, 1, 4])
    from sklearn.metrics import cohen_kappa_score

    assert cohen_kappa(table) == pytest.approx(cohen_kappa_score(gold, answers))
    assert cohen_kappa(np.diag([8, 0])) is None
    assert cohen_kappa(np.zeros((2, 2), int)) is None
    assert cohen_kappa(np.array([[0, 8], [0, 0]])) == 0

"""Corrections and filters of the label stage, on numbers worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lanser_bench import SettingsError, Taxonomy
from lanser_bench.stages.label.calibration import divided, mean_scores, tempered
from lanser_bench.stages.label.decision import Decision, decide
from lanser_bench.stages.label.filters import not_in_top, over_balance
from lanser_bench.stages.label.spec import Params

AB = Taxonomy.model_validate(
    {
        "name": "ab",
        "version": "1",
        "citation": "none",
        "labels": [{"name": n, "hypothesis": n} for n in "ab"],
        "neutral_rule": {"kind": "keep"},
    }
)


def decided(values: list[list[float]], **params: Any) -> Decision:
    abstained = np.zeros(len(values), dtype=bool)
    matrix = np.array(values)
    return decide(matrix, "distribution", abstained, AB, Params(**params))


def test_the_mean_goes_over_answered_rows_of_all_blocks() -> None:
    blocks = [
        (np.array([[0.9, 0.1], [0.0, 1.0]]), np.array([True, False])),
        (np.array([[0.5, 0.5]]), np.array([True])),
    ]
    np.testing.assert_allclose(mean_scores(blocks, 2), [0.7, 0.3])
    assert mean_scores([], 2) is None


@pytest.mark.parametrize("why", ["abstained", "empty", "no_speech"])
def test_rows_that_say_nothing_have_no_part_in_the_mean(why: str) -> None:
    values, silent = np.array([[0.6, 0.4], [0.2, 0.8]]), np.array([False, True])
    rows = {"abstained": np.zeros(2, dtype=bool)} | {why: silent}
    params = Params(prior_correction="corpus-mean")
    found = decide(values, "distribution", rows.pop("abstained"), AB, params, **rows)
    # Divided by itself alone, the first row is even.
    np.testing.assert_allclose(found.scores[0], [0.5, 0.5])


def test_dividing_by_the_prior_is_the_formula_by_hand() -> None:
    # (0.6 / 0.8, 0.4 / 0.2) = (0.75, 2), of which the shares are 3/11 and 8/11.
    found = divided(np.array([[0.6, 0.4]]), np.array([0.8, 0.2]))
    np.testing.assert_allclose(found, [[3 / 11, 8 / 11]])
    np.testing.assert_allclose(divided(np.array([[0.0, 1.0]]), np.array([0.0, 0.5])), [[0, 1]])


def test_temperature_divides_logits() -> None:
    logits = np.array([[2.0, 0.0, -1.0]])
    scores = np.exp(logits) / np.exp(logits).sum()
    cooler = np.exp(logits / 2) / np.exp(logits / 2).sum()
    np.testing.assert_allclose(tempered(scores, "distribution", 2.0), cooler)
    single = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(tempered(single, "independent", 2.0), 1 / (1 + np.exp(-logits / 2)))


def test_texts_that_say_nothing_are_a_prior_too() -> None:
    values, empty = np.array([[0.6, 0.4]]), np.array([[0.9, 0.1], [0.7, 0.3]])
    none = np.zeros(1, dtype=bool)
    params = Params(prior_correction="content-free")
    found = decide(values, "distribution", none, AB, params, content_free=empty)
    np.testing.assert_allclose(found.scores, [[3 / 11, 8 / 11]])
    assert found.index.tolist() == [1]
    with pytest.raises(SettingsError, match="needs a labeler and not only scores"):
        decide(values, "distribution", none, AB, params)


def test_of_each_class_the_surest_share_stays() -> None:
    index = np.array([0, 0, 0, 0, 0, 1, -1, 1], np.int32)
    confidence = np.array([0.9, 0.5, 0.7, 0.7, 0.6, 0.6, 1.0, 0.8], np.float32)
    # Of five with the first label ceil(0.4 * 5) = 2 stay: 0.9 and the earlier 0.7.
    assert not_in_top(index, confidence, 0.4).tolist() == [
        False,
        True,
        False,
        True,
        True,
        True,
        False,
        False,
    ]
    assert not not_in_top(index, confidence, 1.0).any()
    assert not_in_top(np.zeros(30, np.int32), np.ones(30, np.float32), 0.1).sum() == 27


def test_balance_leaves_as_many_of_each_label_as_of_the_rarest() -> None:
    index = np.array([0] * 7 + [2] * 3 + [-1] * 2, np.int32)
    out = over_balance(index, seed=0)
    assert out[:7].sum() == 4
    assert not out[7:].any()
    assert any((over_balance(index, seed) != out).any() for seed in range(1, 5))
    np.testing.assert_array_equal(over_balance(index, seed=0), out)


def test_filters_are_counted_as_reasons() -> None:
    values = [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4], [0.3, 0.7], [0.1, 0.9]]
    top = decided(values, top_q=0.5)
    assert top.reasons == [None, None, "not in top q", "not in top q", "not in top q", None]
    both = decided(values, top_q=0.5, balance="downsample")
    assert sorted(map(str, both.reasons[:2])) == ["None", "class balance"]
    assert both.index.tolist().count(-1) == 4
    assert both.confidence.tolist() == top.confidence.tolist()


def test_a_taxonomy_of_one_label_has_no_second_to_lead() -> None:
    one = AB.model_copy(update={"labels": AB.labels[:1]})
    none = np.zeros(1, dtype=bool)
    found = decide(np.ones((1, 1)), "distribution", none, one, Params(min_margin=0.5))
    assert found.index.tolist() == [0]

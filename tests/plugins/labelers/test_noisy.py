"""Gold labels spoilt to an accuracy or to a confusion."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lanser_bench import DataError, SettingsError, TaxonomyError, TextRecord
from lanser_bench.plugins.discovery import registry
from lanser_bench.testing import LabelerSuite
from lanser_bench.testing._labeler import TAXONOMY

ROOT = Path(__file__).parents[3]
NAMES = ["anger", "joy", "sadness"]
COUNTS = [[6, 3, 1], [0, 8, 2], [5, 5, 0]]
MEASURED = {"labels": NAMES, "confusion": COUNTS}


def create(**options: Any) -> Any:
    return registry().create("labeler", "noisy", options)


class TestNoisyContract(LabelerSuite):
    def make(self) -> Any:
        return create(accuracy=0.5, seed=1)


class TestNoisyByConfusionContract(LabelerSuite):
    def make(self) -> Any:
        return create(confusion=MEASURED, coverage=0.9)


def people(n: int, label: str | None = None) -> list[TextRecord]:
    golds = [label or NAMES[i % 3] for i in range(n)]
    return [TextRecord(id=f"u{i}", text="", gold={g: 1.0}) for i, g in enumerate(golds)]


def labels(labeler: Any, records: list[TextRecord]) -> np.ndarray[Any, np.dtype[np.int64]]:
    found = labeler.score(records, TAXONOMY)
    return np.where(found.abstained, -1, found.values.argmax(axis=1))


def gold(records: list[TextRecord]) -> np.ndarray[Any, np.dtype[np.int64]]:
    return np.array([NAMES.index(next(iter(r.gold or {}))) for r in records])


@pytest.mark.parametrize("accuracy", [0.0, 0.25, 0.7, 1.0])
def test_so_many_labels_stay_right_and_the_others_are_even(accuracy: float) -> None:
    records = people(3000)
    said, true = labels(create(accuracy=accuracy), records), gold(records)
    assert np.mean(said == true) == pytest.approx(accuracy, abs=0.03)
    if accuracy < 1:
        step = (said - true)[said != true] % 3
        assert np.mean(step == 1) == pytest.approx(0.5, abs=0.05)


def test_wrong_labels_go_by_weights_where_some_are_given() -> None:
    records = people(2000, "joy")
    said = labels(create(accuracy=0.5, wrong={"anger": 3, "sadness": 1, "joy": 9}), records)
    shares = np.bincount(said, minlength=3) / len(said)
    np.testing.assert_allclose(shares, [0.375, 0.5, 0.125], atol=0.03)


def test_what_is_wrong_at_a_higher_accuracy_is_as_wrong_at_a_lower_one() -> None:
    records = people(500)
    high, low = (labels(create(accuracy=a), records) for a in (0.75, 0.5))
    wrong = high != gold(records)
    assert wrong.any()
    np.testing.assert_array_equal(low[wrong], high[wrong])


def test_an_utterance_s_label_hangs_on_its_id_and_the_seed_alone() -> None:
    records = people(200)
    said = labels(create(accuracy=0.4), records)
    np.testing.assert_array_equal(labels(create(accuracy=0.4), records[::-1])[::-1], said)
    assert (labels(create(accuracy=0.4, seed=1), records) != said).any()


@pytest.mark.parametrize(("row", "label"), list(enumerate(NAMES)))
def test_a_confusion_is_repeated_row_by_row(row: int, label: str) -> None:
    said = labels(create(confusion=MEASURED), people(2000, label))
    shares = np.bincount(said, minlength=3) / len(said)
    np.testing.assert_allclose(shares, np.array(COUNTS[row]) / 10, atol=0.04)


@pytest.mark.parametrize(
    "content",
    [
        MEASURED,
        {"labels": {"joy": 3}, "gold": MEASURED},  # a label report
        {"labels": {"corpora.0 a": {"labels": {"joy": 3}, "gold": MEASURED}}},  # a result record
    ],
)
def test_a_confusion_is_read_from_reports_and_records(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps(content))
    read = create(confusion=str(path))
    assert read.options == create(confusion=MEASURED).options
    assert str(tmp_path) not in json.dumps(read.options.model_dump(mode="json"))


def test_a_published_record_gives_its_labeler_s_confusion() -> None:
    [record] = (ROOT / "results/baseline/regression").glob("regression-seed-0-*.json")
    confusion = create(confusion=str(record)).options.confusion
    assert confusion.labels[0] == "anger"
    assert confusion.confusion[0][0] > confusion.confusion[0][1]


def test_every_built_in_confusion_can_be_named_and_states_its_source() -> None:
    folder = ROOT / "plugins/labelers/confusions"
    names = sorted(path.stem for path in folder.glob("*.json"))
    assert "similarity-goemotions" in names
    for name in names:
        content = json.loads((folder / f"{name}.json").read_text())
        confusion = np.array(create(confusion=name).options.confusion.confusion)
        assert content["command"].startswith("lanser-bench label ")
        assert np.trace(confusion) / confusion.sum() == pytest.approx(content["accuracy"], abs=1e-4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "either 'accuracy' or 'confusion'"),
        ({"accuracy": 0.5, "confusion": MEASURED}, "either 'accuracy' or 'confusion'"),
        ({"confusion": "entailmnt"}, "no built-in confusion of that name"),
        ({"confusion": {"labels": NAMES, "confusion": COUNTS[:2]}}, "needs 3 rows of 3"),
        ({"accuracy": 0.5, "wrong": {"joy": 1}}, "at least two labels"),
        ({"confusion": MEASURED, "wrong": {"joy": 1, "anger": 1}}, "'wrong' needs 'accuracy'"),
    ],
)
def test_options_that_say_nothing_clear_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        create(**options)


def test_a_file_without_a_comparison_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text(json.dumps({"labels": {"joy": 3}, "gold": None}))
    with pytest.raises(SettingsError, match="compares no weak labels with human ones"):
        create(confusion=str(path))


def test_labels_that_one_of_both_does_not_have_are_named() -> None:
    partly = {"labels": ["joy", "pride"], "confusion": [[0, 1], [1, 0]]}
    with pytest.raises(TaxonomyError, match="pride"):
        create(confusion=partly).score(people(1, "joy"), TAXONOMY)
    with pytest.raises(DataError, match="no utterance whose human label is 'anger'"):
        create(confusion=partly).score(people(1, "anger"), TAXONOMY)


def test_where_there_is_no_human_label_there_is_no_label() -> None:
    records = [TextRecord(id="a", text="", gold=None), TextRecord(id="b", text="", gold={})]
    assert create(accuracy=0.5).score(records, TAXONOMY).abstained.all()

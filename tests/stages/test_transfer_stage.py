"""Heads of one labelled set on another: planted corpora, references, leakage, and key content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from evaluation_world import NAMES, TAXONOMY, World
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from lanser_bench.evaluation.predictions import PREDICTIONS
from lanser_bench.evaluation.results import EvaluationResult, TransferResult
from lanser_bench.stages import transfer
from lanser_bench.stages.evaluate import spec as evaluate

PARAMS = evaluate.Params(folds=3, strengths=(0.01, 0.1), layers="last", budgets=(1.0,), seeds=1)
ALL = (0, 1, 2, 3)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def made_set(
    world: World,
    name: str,
    *,
    seed: int,
    meaning: Sequence[int] = ALL,
    names: Sequence[str] = NAMES,
    mapped: Sequence[int] = ALL,
    speakers: int = 6,
    distance: float = 2.5,
    columns: Mapping[str, Sequence[object]] | None = None,
) -> transfer.Source:
    """A corpus whose sound of class k is that of `meaning[k]`, the same in every corpus."""
    rng = np.random.default_rng(seed)
    centres = distance * np.random.default_rng(7).standard_normal((4, 8))
    labels = np.tile(np.arange(len(names)), 6 * speakers)
    who = np.repeat(np.arange(speakers), 6 * len(names))
    rows = [
        {
            "id": f"{name}-{i:03d}",
            "audio_sha": f"{name}-{i}",
            "speaker": f"{name}:s{who[i]}",
            "gold": {names[label]: 1.0},
        }
        for i, label in enumerate(labels)
    ]
    for column, values in (columns or {}).items():
        for row, value in zip(rows, values, strict=False):
            row[column] = value
    heard = np.asarray(meaning)[labels]
    own = 0.3 * rng.standard_normal((speakers, 8))
    vectors = centres[heard] + own[who] + rng.standard_normal((len(labels), 8))
    utterances = world.manifest(rows)
    embeddings = world.embeddings(utterances, {"layer_00": vectors})
    return transfer.Source(
        name, utterances, embeddings, tuple(names), tuple(mapped), "k-speaker-folds"
    )


def spec_of(*sets: transfer.Source, params: evaluate.Params = PARAMS, normalise: str = "none"):
    return transfer.spec(
        sets=sets,
        taxonomy="four",
        labels=NAMES,
        normalise=normalise,
        params=params,
        seed=0,
    )


def result(world: World, *sets: transfer.Source, **more):
    artifact = world.result(spec_of(*sets, **more))
    text = (artifact.path / transfer.RESULT).read_text(encoding="utf-8")
    table = pq.read_table(artifact.path / PREDICTIONS)
    return TransferResult.model_validate_json(text), table


def rows_of(table, trained_on: str):
    return [row for row in table.to_pylist() if row["trained_on"] == trained_on]


def test_equal_corpora_of_other_speakers_lose_nothing(world: World) -> None:
    b, a, c = (made_set(world, name, seed=i) for i, name in enumerate("bac"))
    found, _ = result(world, b, a, c)
    assert [s.trained_on for s in found.scores] == [["a"], ["c"], ["a", "c"]]
    for score in found.scores:
        assert score.within.value > 0.9
        assert abs(score.to_within.value) < 0.05
        assert score.to_within.interval.low < 0.02
        assert score.majority["uar"].value == pytest.approx(0.25)
        assert (score.n_test, score.n_test_speakers) == (144, 6)
    assert [s.n_train for s in found.scores] == [144, 144, 288]
    assert found.warnings == []


def test_swapped_labels_are_found(world: World) -> None:
    """What one corpus calls happy, the other calls angry, and bored is sad."""
    b = made_set(world, "b", seed=0)
    a = made_set(world, "a", seed=1, meaning=(2, 3, 0, 1))
    found, _ = result(world, b, a)
    [score] = found.scores
    assert score.within.value > 0.9
    assert score.uar.value < 0.05
    assert score.uar.interval.high < 0.25
    assert score.to_within.interval.high < -0.8
    swapped = np.array(score.confusion)
    assert swapped[0].argmax() == 2
    assert swapped[2].argmax() == 0


def test_scores_equal_scikit_learn_on_what_was_written(world: World) -> None:
    sets = [made_set(world, name, seed=i, distance=0.6) for i, name in enumerate("bac")]
    found, table = result(world, *sets)
    for score in found.scores:
        rows = rows_of(table, " + ".join(score.trained_on))
        gold = [row["gold"] for row in rows]
        for name, metric in (("predicted", score.uar), ("within", score.within)):
            again = balanced_accuracy_score(gold, [row[name] for row in rows])
            assert metric.value == pytest.approx(again, abs=1e-9)
        assert 0.3 < score.uar.value < 0.9
        by_hand = score.uar.value - score.within.value
        assert score.to_within.value == pytest.approx(by_hand, abs=1e-9)


def test_a_head_equals_one_of_scikit_learn(world: World) -> None:
    """The same standardisation and strength; C is doubled there for two labels only."""
    b, a = (made_set(world, name, seed=i, distance=0.5) for i, name in enumerate("ba"))
    params = PARAMS.model_copy(update={"strengths": (0.1,)})
    found, table = result(world, b, a, params=params)
    rows = rows_of(table, "a")

    def vectors(source: transfer.Source):
        context = world.store.checked(source.embeddings)
        from lanser_bench.stages.maps.sharding import MapResult

        return MapResult(world.store, context).arrays("layer_00").astype(float)

    train, test = vectors(a), vectors(b)
    centre, scale = train.mean(0), train.std(0)
    model = LogisticRegression(C=0.1, class_weight="balanced", tol=1e-10, max_iter=10_000)
    model.fit((train - centre) / scale, np.tile(np.arange(4), 36))
    expected = model.predict((test - centre) / scale)
    assert [row["predicted"] for row in rows] == expected.tolist()
    assert found.scores[0].strength == 0.1


def test_within_is_the_evaluation_where_all_labels_are_common(world: World) -> None:
    b, a = (made_set(world, name, seed=i, distance=0.6) for i, name in enumerate("ba"))
    found, _ = result(world, b, a)
    spec = evaluate.spec(
        utterances=b.utterances, embeddings=b.embeddings, taxonomy=TAXONOMY, params=PARAMS, seed=0
    )
    text = (world.result(spec).path / evaluate.RESULT).read_text(encoding="utf-8")
    [budget] = EvaluationResult.model_validate_json(text).budgets
    assert found.scores[0].within == budget.uar


def test_a_case_computed_by_hand(world: World) -> None:
    """Two labels of three are common; the sounds of both sets agree on one of them only.

    Test set: glum 36 (a counterpart of sad, sounds sad), merry 36 (of happy, but sounds sad),
    odd 36 (no counterpart). So recall is 1 for sad and 0 for happy: UAR is one half.
    """
    b = made_set(
        world,
        "b",
        seed=0,
        names=("glum", "merry", "odd"),
        mapped=(3, 2, -1),
        meaning=(3, 3, 0),
        distance=9.0,
    )
    a = made_set(world, "a", seed=1, distance=9.0)
    found, table = result(world, b, a)
    [score] = found.scores
    assert score.labels == ["happy", "sad"]
    assert score.uar.value == 0.5
    assert score.confusion == [[0, 36], [0, 36]]
    assert score.left_out == {"a": {"angry": 36, "bored": 36}, "b": {"odd": 36}}
    assert (score.n_train, score.n_test) == (72, 72)
    assert len(table) == 72


def test_fewer_than_two_common_labels_give_a_sentence(world: World) -> None:
    b = made_set(world, "b", seed=0)
    a = made_set(world, "a", seed=1, names=("x", "y"), mapped=(0, -1))
    found, table = result(world, b, a)
    assert found.scores == []
    assert len(table) == 0
    assert found.warnings == [
        "No score of a on b: it needs 2 labels of four on both sides (only angry)."
    ]


def test_speakers_never_cross(world: World) -> None:
    """Speakers of the tested set, and those who share a recording with it, are not trained on."""
    b = made_set(world, "b", seed=0)
    same = {"speaker": ["b:s0"] * 24, "audio_sha": [None] * 24 + ["b-50"]}
    a = made_set(world, "a", seed=1, columns=same)
    found, _ = result(world, b, a)
    [score] = found.scores
    assert score.tested_speakers == {"a": ["a:s1", "b:s0"]}
    assert (score.n_train, score.n_train_speakers) == (96, 4)


def test_the_same_corpus_twice_has_no_score(world: World) -> None:
    b = made_set(world, "b", seed=0)
    found, _ = result(world, b, transfer.Source("again", *list(vars_of(b))[1:]))
    assert found.scores == []
    assert found.warnings == [
        "No score of again on b: it needs 2 labels of four on both sides (none). 6 speakers have "
        "the same name on both sides and were not trained on; if they are different people, rename "
        "them."
    ]


def vars_of(source: transfer.Source):
    return (getattr(source, name) for name in source.__dataclass_fields__)


def test_a_shift_of_a_corpus_is_removed_by_its_normalisation(world: World) -> None:
    b, a = (made_set(world, name, seed=i) for i, name in enumerate("ba"))
    moved = world.embeddings(b.utterances, {"layer_00": _vectors(world, b) * 3 + 20})
    b = transfer.Source(b.name, b.utterances, moved, b.labels, b.mapped, b.folds_by)
    scores = {
        unit: result(world, b, a, normalise=unit)[0].scores[0].uar.value
        for unit in ("none", "corpus", "speaker")
    }
    assert scores["none"] < 0.5
    assert scores["corpus"] > 0.9
    assert scores["speaker"] > 0.9


def _vectors(world: World, source: transfer.Source):
    from lanser_bench.stages.maps.sharding import MapResult

    return MapResult(world.store, world.store.checked(source.embeddings)).arrays("layer_00")


def test_only_the_test_part_of_a_split_is_tested(world: World) -> None:
    parts = {"split": ["train"] * 96 + ["test"] * 48}
    sets = [made_set(world, name, seed=i, columns=parts) for i, name in enumerate("ba")]
    split = [transfer.Source(*list(vars_of(s))[:-1], "split") for s in sets]
    found, table = result(world, *split)
    assert (found.scores[0].n_train, found.scores[0].n_test) == (96, 48)
    assert {row["speaker"] for row in table.to_pylist()} == {"b:s4", "b:s5"}


def test_permuted_gold_is_at_chance(world: World) -> None:
    b, a = (made_set(world, name, seed=i) for i, name in enumerate("ba"))
    params = PARAMS.model_copy(update={"permute_gold": True})
    found, _ = result(world, b, a, params=params)
    assert abs(found.scores[0].uar.value - 0.25) < 0.2


def test_the_key_has_what_changes_numbers_and_nothing_else(world: World) -> None:
    b, a = (made_set(world, name, seed=i) for i, name in enumerate("ba"))
    key = spec_of(b, a).key
    more = {"budgets": (0.5, 1.0), "seeds": 7, "targets": (0.5,), "normalise": "speaker"}
    assert spec_of(b, a, params=PARAMS.model_copy(update=more)).key == key
    for change in ({"strengths": (0.5,)}, {"folds": 2}, {"permute_gold": True}):
        assert spec_of(b, a, params=PARAMS.model_copy(update=change)).key != key
    assert spec_of(a, b).key != key
    assert spec_of(b, a, normalise="corpus").key != key

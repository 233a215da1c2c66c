"""The stage `soft` learns votes: what it wrote equals its predictions; planted votes are found."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from evaluation_world import NAMES, TAXONOMY, World

from lanser_bench.errors import DataError
from lanser_bench.evaluation.efficiency import softmax
from lanser_bench.evaluation.predictions import PREDICTIONS
from lanser_bench.evaluation.results import EvaluationResult
from lanser_bench.evaluation.soft import soft_scores
from lanser_bench.evaluation.soft_results import SoftResult
from lanser_bench.stages import soft
from lanser_bench.stages.evaluate import spec as evaluate
from lanser_bench.store import Artifact

RATERS = 11


def planted(world: World, n: int = 480, speakers: int = 12, dim: int = 6) -> tuple[str, str]:
    """Votes drawn from a softmax of the embedding: a regression on votes can be calibrated."""
    rng = np.random.default_rng(7)
    rows = rng.standard_normal((n, dim))
    true = softmax(rows @ (0.9 * rng.standard_normal((dim, 4))))
    counts = rng.multinomial(RATERS, true)
    manifest = [
        {
            "speaker": f"made:s{i % speakers}",
            "gold": {NAMES[k]: c / RATERS for k, c in enumerate(row.tolist()) if c},
            "gold_kind": "distribution",
            "extras": {"votes": RATERS},
        }
        for i, row in enumerate(counts)
    ]
    utterances = world.manifest(manifest)
    return utterances, world.embeddings(utterances, {"layer_00": rows})


def evaluated(world: World, parents: tuple[str, str], **changes: Any) -> Any:
    settings: dict[str, Any] = {"folds": 3, "seeds": 2, "budgets": (0.1, 1.0), "votes": "majority"}
    params = evaluate.Params(**settings | changes)
    utterances, embeddings = parents
    return evaluate.spec(
        utterances=utterances, embeddings=embeddings, taxonomy=TAXONOMY, params=params, seed=0
    )


def result(world: World, evaluation: Any, **params: Any) -> tuple[SoftResult, Artifact]:
    artifact = world.result(soft.spec(evaluation=evaluation, params=soft.Params(**params)))
    return SoftResult.model_validate_json((artifact.path / soft.RESULT).read_bytes()), artifact


def test_planted_votes_are_learnt_and_calibrated(tmp_path: Path) -> None:
    world = World(tmp_path)
    evaluation = evaluated(world, planted(world))
    found, artifact = result(world, evaluation)
    few, all_labels = found.budgets
    assert (few.budget, all_labels.budget, found.n_utterances) == ("10%", "100%", 480)
    assert all_labels.jsd.value < few.jsd.value < found.mean_votes.jsd.value
    assert all_labels.ece.interval is not None
    assert all_labels.ece.interval.low == 0
    assert all_labels.ece.value < 0.04
    # A head that learnt winners only is too sure of them.
    assert found.from_majority is not None
    assert found.from_majority.ece.interval is not None
    assert found.from_majority.ece.interval.low > 0.05
    assert found.from_majority.jsd.value > all_labels.jsd.value
    assert found.ceiling is not None
    assert found.ceiling.n_votes == RATERS
    assert all_labels.jsd.value < found.ceiling.halves_jsd.value < found.ceiling.one_jsd.value
    assert sum(one.n for one in found.reliability) == 480
    table = pq.read_table(artifact.path / PREDICTIONS)
    for head, scores in (("votes", found.budgets), ("majority", [found.from_majority])):
        read = soft.read_distributions(table, head)
        for budget, written in zip(read, scores, strict=True):
            again = soft_scores(read[budget], found.n_bins)
            for name in ("jsd", "brier", "ece", "set_f1", "uar"):
                value = getattr(again, name).value
                assert value == pytest.approx(getattr(written, name).value, abs=1e-12), budget


def test_permuted_votes_predict_no_better_than_their_mean(tmp_path: Path) -> None:
    world = World(tmp_path)
    parents = planted(world)
    permuted = evaluated(world, parents, permute_gold=True, budgets=(1.0,))
    found, _ = result(world, permuted)
    assert found.control == "permuted gold"
    # Means of speakers survive a permutation within speakers, so some of the signal remains.
    assert found.budgets[0].jsd.value > 0.95 * found.mean_votes.jsd.value
    true, _ = result(world, evaluated(world, parents, budgets=(1.0,)))
    assert true.budgets[0].jsd.value < 0.4 * found.mean_votes.jsd.value


def test_all_votes_take_part_and_the_evaluation_may_count_majorities(tmp_path: Path) -> None:
    world = World(tmp_path)
    rng = np.random.default_rng(0)
    kinds: list[Mapping[str, Any]] = [
        {"gold": {"angry": 1.0}},
        {"gold": {"bored": 2 / 3, "sad": 1 / 3}, "gold_kind": "distribution"},
        {"gold": {"bored": 0.5, "sad": 0.5}, "gold_kind": "distribution"},
        {"gold": {"angry": 1.0, "sad": 1.0}, "gold_kind": "multi"},
        {"gold": {"sad": 1.0}, "gold_kind": "distribution"},
        {},
    ]
    rows = [{"speaker": f"made:s{i // 24}", **kinds[i % 6]} for i in range(144)]
    utterances = world.manifest(rows)
    parents = utterances, world.embeddings(utterances, {"layer_00": rng.standard_normal((144, 3))})
    found, _ = result(world, evaluated(world, parents))
    assert (found.n_utterances, found.n_left_out) == (96, 48)
    assert (found.n_split, found.n_tied) == (48, 24)
    assert found.labels == ["angry", "bored", "sad"]
    assert found.ceiling is None
    sizes = {}
    for votes in ("unanimous", "majority"):
        path = world.result(evaluated(world, parents, votes=votes)).path / evaluate.RESULT
        sizes[votes] = EvaluationResult.model_validate_json(path.read_bytes())
    assert sizes["unanimous"].n_utterances == 48
    assert sizes["majority"].n_utterances == 72
    assert any(
        w.startswith("72 of 144 utterances have several") for w in sizes["unanimous"].warnings
    )
    assert any("no label has most votes" in w for w in sizes["majority"].warnings)


def test_keys_contain_what_changes_the_result_and_nothing_else(tmp_path: Path) -> None:
    world = World(tmp_path)
    parents = planted(world, n=48, speakers=6)
    keys = [
        soft.spec(evaluation=evaluated(world, parents, **changes), params=soft.Params(**own)).key
        for changes, own in (
            ({}, {}),
            ({"class_weight": "none", "targets": (0.5,), "votes": "unanimous"}, {}),
            ({"strengths": (0.1,)}, {}),
            ({}, {"bins": 5}),
        )
    ]
    assert keys[0] == keys[1]
    assert len(set(keys)) == 3


def test_votes_with_one_winner_are_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    rows = [
        {"speaker": f"s{i}", "gold": {"sad": 0.6, "bored": 0.4}, "gold_kind": "distribution"}
        for i in range(12)
    ]
    utterances = world.manifest(rows)
    parents = utterances, world.embeddings(utterances, {"layer_00": np.ones((12, 2))})
    with pytest.raises(DataError, match="at least 2 different winners"):
        result(world, evaluated(world, parents))

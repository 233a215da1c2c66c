"""Fine-tuning: from which weights, on which labels, and what a killed run keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from training_world import TAXONOMY, Corpus, World, cnn

from lanser_bench.evaluation.results import EvaluationResult
from lanser_bench.evaluation.selection import Answer
from lanser_bench.stages.embed.spec import Weights
from lanser_bench.stages.evaluate import spec as evaluate
from lanser_bench.stages.finetune import run as finetune_stage
from lanser_bench.stages.finetune import spec as finetune
from lanser_bench.store import Spec

FAST = {"epochs": 4, "batch_size": 8, "budgets": (0.5, 1.0), "seeds": 1, "warm_up": 0.0}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def corpus(world: World) -> Corpus:
    truth = np.random.default_rng(0).integers(3, size=60)
    return world.corpus(gold=[TAXONOMY.names[label] for label in truth])


def spec_of(
    corpus: Corpus, model: str | None = None, permuted: bool = False, **changes: object
) -> Spec:
    evaluation = evaluate.spec(
        utterances=corpus.utterances,
        embeddings="",
        taxonomy=TAXONOMY,
        params=evaluate.Params(folds=2, permute_gold=permuted),
        seed=0,
    )
    return finetune.spec(
        evaluation=evaluation,
        features=corpus.features,
        encoder=cnn(),
        weights=Weights(model, 0),
        params=finetune.Params.model_validate({**FAST, **changes}),
        threads=1,
    )


def result(world: World, spec: Spec) -> EvaluationResult:
    world.call(spec)
    path = world.store.checked(spec.key).path / finetune.RESULT
    return EvaluationResult.model_validate_json(path.read_bytes())


@pytest.mark.slow
def test_an_encoder_is_tuned_on_the_folds_of_the_linear_protocol(
    world: World, corpus: Corpus
) -> None:
    spec = spec_of(corpus, epochs=12)
    found = result(world, spec)
    assert found.method == "finetune"
    assert [b.budget for b in found.budgets] == ["50%", "100%"]
    assert found.n_folds == 2
    # Each label has its own loud mel bins: an encoder that learns at all is far above 1/3.
    assert found.budgets[-1].uar.value > 0.55
    table = pq.read_table(world.store.checked(spec.key).path / "predictions.parquet")
    assert len(table) == 2 * 60
    assert {score.layer for b in found.budgets for score in b.folds} == {"fine-tuned"}


@pytest.mark.slow
def test_it_starts_from_the_weights_it_is_given(world: World, corpus: Corpus) -> None:
    one_step = {"epochs": 1, "learning_rate": 1e-6, "budgets": (1.0,), "seeds": 1}
    model = world.pretrain(corpus, epochs=8)
    world.call(model)
    tuned, scratch = spec_of(corpus, model.key, **one_step), spec_of(corpus, **one_step)
    assert tuned.key != scratch.key
    predictions = []
    for spec in (tuned, scratch):
        result(world, spec)
        folder = world.store.checked(spec.key).path
        predictions.append(pq.read_table(folder / "predictions.parquet")["predicted"].to_pylist())
    assert predictions[0] != predictions[1]
    assert "model" in tuned.parents
    assert tuned.params["weights_seed"] is None


@pytest.mark.slow
def test_finished_fits_are_not_trained_again(
    world: World, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of(corpus)
    first = result(world, spec)
    parts = world.store.checked(spec.key).meta["parts"]
    assert len(parts) == 4  # two folds, two budgets
    world.store.discard(spec.key)
    world.store.discard(parts[-1])
    trained = []
    train = finetune_stage._Tuner._train
    monkeypatch.setattr(
        finetune_stage._Tuner, "_train", lambda *args: (trained.append(1), train(*args))[1]
    )
    assert result(world, spec) == first
    assert len(trained) == 1


def test_a_subset_without_speakers_to_spare_uses_the_last_epoch_and_says_so(world: World) -> None:
    truth = np.random.default_rng(1).integers(3, size=24)
    corpus = world.corpus(n=24, speakers=2, seed=1, gold=[TAXONOMY.names[label] for label in truth])
    found = result(world, spec_of(corpus, budgets=(1.0,)))
    assert "hold any out; the last epoch was used there" in found.warnings[-1]


def test_permuted_gold_is_what_fine_tuning_learns_too(
    world: World, corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[np.ndarray] = []

    def guess(self: finetune_stage._Tuner, fold, test, labels, chosen, draw) -> Answer:
        taught.append(labels)
        return Answer(np.zeros(len(test), np.int64), "fine-tuned", None, True)

    monkeypatch.setattr(finetune_stage._Tuner, "fit", guess)
    plain, permuted = (spec_of(corpus, permuted=p, budgets=(1.0,)) for p in (False, True))
    assert "permute_gold" not in plain.params  # its key is what it was
    assert result(world, plain).control is None
    assert result(world, permuted).control == "permuted gold"
    gold, shuffled = taught[:2], taught[2:]
    assert np.array_equal(gold[0], gold[1])
    for labels in shuffled:
        moved = labels != gold[0]
        assert 0.2 < moved.mean() < 0.5  # of the training side, which is half
        assert np.bincount(labels).tolist() == np.bincount(gold[0]).tolist()

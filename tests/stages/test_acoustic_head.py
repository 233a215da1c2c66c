"""Pre-training's second head: it teaches acoustic targets, and without it nothing is different."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.numpy import load_file
from training_world import MELS, Corpus, World, cnn

from lanser_bench.errors import DataError, SettingsError
from lanser_bench.evaluation.ridge import ridge_predictions
from lanser_bench.stages.base import StageContext
from lanser_bench.stages.embed.run import read_embeddings
from lanser_bench.stages.pretrain import spec as pretrain
from lanser_bench.stages.pretrain import training as _training
from lanser_bench.stages.pretrain.acoustic import Acoustic, acoustic_loss
from lanser_bench.stages.pretrain.batches import sharpened
from lanser_bench.store import Spec

Floats = npt.NDArray[np.float64]
HEAD = {"weight": 2.0, "targets": ["pitch"]}


@pytest.fixture
def world(tmp_path: Any) -> World:
    return World(tmp_path)


def sounding(world: World, n: int = 120) -> tuple[Corpus, Floats]:
    """Clips with a label in the loudness of two bins and a "pitch" in where the others peak."""
    rng = np.random.default_rng(0)
    truth, pitch = rng.integers(3, size=n), rng.uniform(0, 1, n)
    frames = []
    for label, height in zip(truth.tolist(), pitch.tolist(), strict=True):
        clip = rng.normal(-15, 1, (24, MELS))
        clip[:, 2 * label : 2 * label + 2] += 8
        clip[:, 6:] += 8 * np.exp(-np.square((np.arange(MELS - 6) - 9 * height) / 1.2))
        frames.append(clip.astype(np.float32))
    who = [f"s{i % 8}" for i in range(n)]
    utterances = world.manifest("sounding", truth.tolist(), who)
    labels = world.labels(utterances, truth.tolist())
    return Corpus(utterances, labels, world.features(utterances, frames), frames, truth), pitch


def r2(world: World, corpus: Corpus, spec: Spec, pitch: Floats) -> float:
    """How well a ridge regression reads the pitch from the last layer, on speakers held out."""
    embedded = world.embed(corpus, encoder=spec.plugins["encoder"], model=spec.key)
    world.call(embedded)
    layers = read_embeddings(world.store, embedded.key)
    rows = layers[max(layers)].astype(np.float64)
    rows = (rows - rows.mean(0)) / np.maximum(rows.std(0), 1e-9)
    held = np.arange(len(rows)) % 8 < 3
    found = ridge_predictions(rows[~held], rows[held], pitch[~held, None], [0.01])[0, :, 0]
    return float(
        1 - np.square(found - pitch[held]).sum() / np.square(pitch[held] - pitch[held].mean()).sum()
    )


def report(world: World, spec: Spec) -> dict[str, Any]:
    text = (world.store.checked(spec.key).path / pretrain.REPORT).read_text(encoding="utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.slow
def test_a_probe_reads_more_pitch_where_the_head_learnt_it(world: World) -> None:
    corpus, pitch = sounding(world)
    voiced = np.where(np.arange(len(pitch)) % 6 == 0, np.nan, pitch)
    measured = world.measured(corpus.utterances, {"pitch": voiced, "other": pitch})
    settings = {"epochs": 12, "learning_rate": 1e-2, "select": "last", "encoder": cnn()}
    plain = world.pretrain(corpus, **settings)
    taught = world.pretrain(corpus, measured=[measured], acoustic=HEAD, **settings)
    world.call(plain)
    world.call(taught)
    assert report(world, plain)["epochs"][-1]["train_uar"] > 0.9
    assert r2(world, corpus, taught, pitch) > 0.8 > r2(world, corpus, plain, pitch) + 0.2
    lines = report(world, taught)["epochs"]
    assert lines[-1]["train_acoustic_loss"] < 0.5 < lines[0]["train_acoustic_loss"]
    assert {"dev_acoustic_loss", "dev_loss"} <= lines[0].keys()
    assert lines[-1]["train_uar"] > 0.9
    assert report(world, taught)["acoustic"].keys() == {"pitch"}
    head = load_file(world.store.checked(taught.key).path / pretrain.ACOUSTIC)
    assert head["acoustic.weight"].shape == (1, 8)


def test_without_it_keys_and_curves_are_as_before(world: World) -> None:
    corpus, _ = sounding(world, 48)
    spec = world.pretrain(corpus)
    assert not {"acoustic", "soft_temperature"} & spec.params.keys()
    world.call(spec)
    assert not any("acoustic" in name for name in report(world, spec)["epochs"][0])
    assert not (world.store.checked(spec.key).path / pretrain.ACOUSTIC).exists()


@pytest.mark.slow
def test_a_stopped_training_with_the_head_ends_with_the_same_numbers(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_training, "CHECKPOINT_SECONDS", 0)
    found = []
    for name in ("whole", "broken"):
        world = World(tmp_path / name)
        corpus, pitch = sounding(world, 48)
        measured = world.measured(corpus.utterances, {"pitch": pitch})
        spec = world.pretrain(corpus, measured=[measured], acoustic=HEAD, epochs=4)
        if name == "broken":
            with monkeypatch.context() as patch:
                patch.setattr(StageContext, "progress", _stopping)
                with pytest.raises(KeyboardInterrupt):
                    world.call(spec)
        world.call(spec)
        kept = world.store.checked(spec.key).path
        lines = [{**line, "seconds": 0} for line in report(world, spec)["epochs"]]
        found.append(
            (lines, (kept / pretrain.MODEL).read_bytes(), (kept / pretrain.ACOUSTIC).read_bytes())
        )
    assert found[0] == found[1]


def _stopping(self: StageContext, done: int, total: int, unit: str) -> None:
    if done > total * 5 // 8:
        raise KeyboardInterrupt


def test_undefined_targets_have_no_loss_and_parts_add_up() -> None:
    values = torch.tensor([[1.0, 0.0], [2.0, 3.0], [0.0, 0.0]])
    defined = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 0.0]])
    acoustic = Acoustic(("a", "b"), 1.0, np.zeros(2), np.ones(2), values, defined)
    predicted, batch = torch.full((3, 2), 9.0), torch.tensor([0, 1, 2])
    whole = acoustic_loss(predicted, acoustic, batch, batch)
    assert float(whole) == pytest.approx((64 + 49 + 36) / 3)
    parts = [
        acoustic_loss(predicted[p], acoustic, batch[p], batch) for p in (slice(0, 1), slice(1, 3))
    ]
    assert float(sum(parts)) == pytest.approx(float(whole))
    assert acoustic.errors(predicted, batch).tolist() == [64, 49, 36]
    silent = torch.tensor([2])
    assert float(acoustic_loss(predicted[:1], acoustic, silent, silent)) == 0


def test_a_target_that_nothing_measures_gets_a_suggestion(world: World) -> None:
    corpus, pitch = sounding(world, 48)
    measured = world.measured(corpus.utterances, {"pitch": pitch})
    spec = world.pretrain(corpus, measured=[measured], acoustic={"targets": ["pich"]})
    with pytest.raises(SettingsError, match=r"nothing measures 'pich'\. Did you mean 'pitch'\?"):
        world.call(spec)


def test_a_target_that_is_nowhere_defined_is_refused(world: World) -> None:
    corpus, pitch = sounding(world, 48)
    measured = world.measured(corpus.utterances, {"pitch": np.full_like(pitch, np.nan)})
    spec = world.pretrain(corpus, measured=[measured], acoustic=HEAD)
    with pytest.raises(DataError, match="'pitch' is undefined for all"):
        world.call(spec)


def test_a_temperature_needs_scores() -> None:
    with pytest.raises(ValueError, match="soft_temperature needs targets: soft"):
        pretrain.Params(soft_temperature=2.0)


def test_a_high_temperature_evens_scores_out_and_one_keeps_them() -> None:
    scores = np.array([[0.8, 0.2, 0.0], [0.0, 0.0, 0.0]], np.float32)
    assert sharpened(scores, 1.0) is scores
    flat = sharpened(scores, 2.0)
    np.testing.assert_allclose(flat[0], [2 / 3, 1 / 3, 0], rtol=1e-6)
    assert not flat[1].any()


@pytest.mark.slow
def test_a_network_learns_the_scores_at_a_temperature(world: World) -> None:
    corpus = world.corpus(n=96)
    spec = world.pretrain(
        corpus, targets="soft", soft_temperature=3.0, epochs=12, learning_rate=1e-2
    )
    world.call(spec)
    assert max(line["train_uar"] for line in report(world, spec)["epochs"]) > 0.9
    assert spec.key != world.pretrain(corpus, targets="soft", epochs=12, learning_rate=1e-2).key

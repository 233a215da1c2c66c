"""Embeddings come from the right weights and do not depend on batch, pieces or shards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from test_features import recordings
from test_features import run as run_with_audio
from training_world import MELS, World, cnn, identity

from lanser_bench.errors import PluginError, SettingsError
from lanser_bench.kinds import FeatureExtractor, Layers, PluginOptions, Waveform
from lanser_bench.plugins.discovery import registry
from lanser_bench.stages.embed import spec as embed
from lanser_bench.stages.embed.encoding import batches, embed_rows, extractor_encode
from lanser_bench.stages.embed.run import read_embeddings
from lanser_bench.stages.embed.spec import Params
from lanser_bench.stages.pretrain import spec as pretrain

RESNET = {"n_mels": MELS, "hidden_sizes": (8, 8), "depths": (1, 1)}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def test_pre_trained_weights_are_used(world: World) -> None:
    corpus, encoder = world.corpus(n=20), identity("resnet", **RESNET)
    trained = world.pretrain(corpus, encoder=encoder)
    world.call(trained)
    spec = world.embed(corpus, encoder, model=trained.key)
    world.call(spec)
    found = read_embeddings(world.store, spec.key)
    module = registry().create("encoder", "resnet", RESNET).build(0).eval()
    module.load_state_dict(load_file(world.store.checked(trained.key).path / pretrain.MODEL))
    for i, frames in enumerate(corpus.frames):
        with torch.no_grad():
            layers = module(torch.from_numpy(frames[None]), torch.tensor([len(frames)]))
        assert list(found) == ["layer_00", "layer_01"]
        for values, (alone, _) in zip(found.values(), layers, strict=True):
            np.testing.assert_allclose(values[i], alone[0].mean(0), atol=1e-5)


def test_random_weights_come_from_the_seed(world: World) -> None:
    corpus = world.corpus(n=10)
    specs = [world.embed(corpus, seed=seed) for seed in (0, 1)]
    assert specs[0].key != specs[1].key
    for spec in specs:
        world.call(spec)
    first, second = (read_embeddings(world.store, spec.key)["layer_01"] for spec in specs)
    assert not np.allclose(first, second)


def test_a_model_makes_the_seed_irrelevant_to_the_key(world: World) -> None:
    corpus = world.corpus(n=10)
    keys = {world.embed(corpus, model="m" * 32, seed=seed).key for seed in (None, 0, 1)}
    assert len(keys) == 1


def test_shards_of_another_model_are_not_reused(world: World) -> None:
    corpus = world.corpus(n=20)
    found = []
    for seed in (0, 1):
        trained = world.pretrain(corpus, seed=seed)
        world.call(trained)
        spec = world.embed(corpus, model=trained.key)
        assert world.call(spec).counts["shards_reused"] == 0
        found.append(read_embeddings(world.store, spec.key)["layer_01"])
    assert not np.allclose(*found)


@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_batches_do_not_change_an_embedding(world: World, name: str) -> None:
    corpus = world.corpus(n=40)
    encoder = cnn() if name == "cnn" else identity("resnet", **RESNET)
    found = []
    for seconds in (0.01, 60):
        spec = world.embed(corpus, encoder, seed=0, batch_seconds=seconds, pooling="mean+std")
        world.call(spec)
        found.append(read_embeddings(world.store, spec.key))
    for layer, values in found[0].items():
        np.testing.assert_allclose(values, found[1][layer], atol=2e-5)
        assert np.isfinite(values).all()


def test_other_utterances_do_not_change_an_embedding_within_its_shard_budget(world: World) -> None:
    corpus = world.corpus(n=30)
    few = world.corpus(n=30, speakers=3)
    for one in (corpus, few):
        world.call(world.embed(one, seed=0))
    first, second = (
        read_embeddings(world.store, world.embed(one, seed=0).key)["layer_01"]
        for one in (corpus, few)
    )
    np.testing.assert_array_equal(first, second)


class Frames(FeatureExtractor[PluginOptions]):
    """Hands its input back: what pooling makes of it can be computed by hand."""

    version = "1"

    def extract(self, batch: Sequence[Waveform]) -> list[Layers]:
        return [[piece, piece[::2]] for piece in batch]


@pytest.mark.parametrize("pooling", ["mean", "mean+std"])
def test_pieces_of_a_long_recording_pool_as_one(pooling: Any) -> None:
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=(n, 3)).astype(np.float32) for n in (1, 7, 100, 250)]
    params = Params(pooling=pooling, piece_seconds=0.3, batch_seconds=1)
    found = embed_rows(rows, extractor_encode(Frames(PluginOptions()), "frames"), params, rate=100)[
        0
    ]
    for row, vector in zip(rows, found, strict=True):
        expected = row.mean(0) if pooling == "mean" else np.r_[row.mean(0), row.std(0)]
        np.testing.assert_allclose(vector, expected, atol=1e-6)


def test_batches_hold_all_rows_sorted_within_the_budget() -> None:
    lengths = np.random.default_rng(0).integers(1, 50, 100).tolist()
    found = list(batches(lengths, 120))
    assert sorted(i for batch in found for i in batch) == list(range(100))
    assert all(len(b) * max(lengths[i] for i in b) <= 120 for b in found)
    assert [lengths[i] for b in found for i in b] == sorted(lengths)
    assert list(batches([500], 120)) == [[0]]


def test_a_frozen_extractor_takes_no_weights(world: World) -> None:
    spec = world.embed(world.corpus(n=4), identity("logmel-stats", n_mels=MELS), model="m" * 32)
    with pytest.raises(SettingsError, match=r"'logmel-stats' is frozen"):
        world.call(spec)


def test_statistics_of_log_mel_embed(world: World) -> None:
    corpus = world.corpus(n=6)
    spec = world.embed(corpus, identity("logmel-stats", n_mels=MELS))
    world.call(spec)
    (values,) = read_embeddings(world.store, spec.key).values()
    assert values.shape == (6, 7 * MELS)
    np.testing.assert_allclose(values[:, :MELS], [f.mean(0) for f in corpus.frames], atol=1e-5)


class Broken(FeatureExtractor[PluginOptions]):
    version = "1"

    def extract(self, batch: Sequence[Waveform]) -> list[Layers]:
        return [[np.zeros(3, np.float32)] for _ in batch]


def test_an_extractor_that_breaks_its_contract_is_named() -> None:
    rows = [np.zeros((5, 3), np.float32)]
    with pytest.raises(PluginError, match=r"'broken': extract must return"):
        embed_rows(rows, extractor_encode(Broken(PluginOptions()), "broken"), Params(), 100)


def test_numbers_that_are_not_finite_are_refused_with_the_utterance(world: World) -> None:
    corpus = world.corpus(n=4)
    frames = [f.copy() for f in corpus.frames]
    frames[2][3, 3] = np.nan
    utterances = world.manifest("broken", [0] * 4, [None] * 4)
    corpus.utterances, corpus.features = utterances, world.features(utterances, frames)
    with pytest.raises(PluginError, match=r"layer 0 of utterance 'u002'"):
        world.call(world.embed(corpus, seed=0))


def test_a_pretraining_that_blew_up_in_its_last_step_is_named_as_the_cause(world: World) -> None:
    corpus = world.corpus(n=8)
    model = world.pretrain(corpus, epochs=1, batch_size=64, learning_rate=1e30, dev_fraction=0)
    world.call(model)
    with pytest.raises(SettingsError, match=r"not finite.*diverged: lower pretrain"):
        world.call(world.embed(corpus, model=model.key))


@pytest.mark.slow
def test_whisper_embeds_recordings_from_the_waveform(world: World, tmp_path: Path) -> None:
    utterances, paths = recordings(world.store, tmp_path, n=2)
    spec = embed.spec(
        utterances=utterances,
        encoder=identity("whisper-encoder"),
        features=None,
        params=Params(),
        threads=1,
    )
    run_with_audio(world.store, spec, paths)
    found = read_embeddings(world.store, spec.key)
    assert list(found) == [f"layer_{i:02d}" for i in range(5)]
    assert {values.shape for values in found.values()} == {(4, 384)}
    assert not np.allclose(found["layer_03"][0], found["layer_03"][2], atol=1e-2)


@pytest.mark.parametrize("piece_seconds", [30.0, 0.16])
def test_what_the_heads_attention_pools_gives_the_networks_own_logits(
    world: World, piece_seconds: float
) -> None:
    """Pieces of a length that the strides divide count by the marks of their frames."""
    from lanser_bench.stages.network import Network, attended

    corpus = world.corpus(n=24)
    trained = world.pretrain(corpus, pooling="attentive", epochs=6, learning_rate=3e-2)
    world.call(trained)
    folder = world.store.checked(trained.key).path
    attention, head = (load_file(folder / n) for n in (pretrain.ATTENTION, pretrain.HEAD))
    assert attention["attention.weight"].abs().max() > 1e-3
    spec = embed.spec(
        utterances=corpus.utterances,
        encoder=cnn(),
        features=corpus.features,
        params=embed.Params(piece_seconds=piece_seconds),
        threads=1,
        weights=embed.Weights(trained.key, head_pooling="attentive"),
    )
    world.call(spec)
    vectors = read_embeddings(world.store, spec.key)["layer_01"]
    module = registry().create("encoder", "cnn", {"channels": (8, 8), "n_mels": MELS}).build(0)
    network = Network(module, 8, 3, "attentive").eval()
    weights = {f"encoder.{k}": v for k, v in load_file(folder / pretrain.MODEL).items()}
    weights |= {f"head.{k}": v for k, v in head.items()} | attention
    network.load_state_dict(weights)
    assert network.attention is not None
    for row, frames in zip(vectors, corpus.frames, strict=True):
        pieces = np.array_split(frames, -(-len(frames) // round(piece_seconds * 100)))
        with torch.no_grad():
            layers = [
                module(torch.from_numpy(p)[None], torch.tensor([len(p)]))[-1][0] for p in pieces
            ]
            whole = torch.cat(layers, 1)
            size = torch.tensor([whole.shape[1]])
            own = network.head(attended(whole, size, network.attention(whole)[:, :, 0]))[0]
        logits = torch.from_numpy(row) @ head["weight"].T + head["bias"]
        torch.testing.assert_close(logits, own, rtol=1e-4, atol=1e-4)


def test_attention_pools_what_is_evaluated_and_random_weights_begin_as_the_mean(
    world: World,
) -> None:
    corpus = world.corpus(n=24)
    trained, plain = (world.pretrain(corpus, pooling=p, epochs=3) for p in ("attentive", "mean"))
    world.call(trained)
    world.call(plain)
    made = {}
    for name, model, pooling in (
        ("own", trained.key, "attentive"),
        ("mean", trained.key, "mean"),
        ("drawn", None, "attentive"),
        ("drawn mean", None, "mean"),
    ):
        spec = world.embed(corpus, model=model, seed=0, pooling=pooling)
        world.call(spec)
        made[name] = read_embeddings(world.store, spec.key)
    np.testing.assert_array_equal(made["own"]["layer_00"], made["mean"]["layer_00"])
    assert np.abs(made["own"]["layer_01"] - made["mean"]["layer_01"]).max() > 1e-4
    for name, values in made["drawn"].items():
        np.testing.assert_array_equal(values, made["drawn mean"][name])
    with pytest.raises(SettingsError, match=r"no attention. Set pretrain.pooling: attentive too"):
        world.call(world.embed(corpus, model=plain.key, pooling="attentive"))


def test_other_features_are_in_the_key_though_shards_do_not_name_them(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    corpus = world.corpus(n=10)
    before = world.embed(corpus).key
    monkeypatch.setattr("lanser_bench.stages.features.VERSION", "99")
    assert world.embed(corpus).key != before
    assert world.embed(corpus).params["features_version"] == "99"

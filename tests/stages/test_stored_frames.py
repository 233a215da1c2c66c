"""Stored layers of a frozen encoder: computed once, trained on, embedded."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lanser_bench_plugins.encoders.transformers import FrozenEncoder
from safetensors.torch import load_file
from test_features import recordings
from training_world import TAXONOMY, Corpus, World, identity

from lanser_bench.audio import decode
from lanser_bench.errors import SettingsError
from lanser_bench.evaluation.results import EvaluationResult
from lanser_bench.kinds import Frontend
from lanser_bench.plugins.discovery import registry
from lanser_bench.stages import features
from lanser_bench.stages.base import RunnableCall, limited_threads, run_call
from lanser_bench.stages.embed.run import read_embeddings
from lanser_bench.stages.embed.spec import Weights
from lanser_bench.stages.evaluate import spec as evaluate
from lanser_bench.stages.features import Features
from lanser_bench.stages.finetune import spec as finetune
from lanser_bench.stages.pretrain import spec as pretrain
from lanser_bench.store import PluginIdentity, Spec

sys.path.insert(0, str(Path(__file__).parents[1] / "plugins" / "encoders"))

from tiny_speech_models import BLOCKS, WIDTH, speech_model

PLANTED = 2


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Options of an adapter on a tiny random HuBERT."""
    folder = speech_model(tmp_path_factory.mktemp("hubert"), "hubert")
    return {"base": "transformers", "base_options": {"model": str(folder)}}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


def planted(world: World, options: dict[str, Any], n: int = 90) -> Corpus:
    """Layers of noise of different sizes; in one of them the labels differ, in a few frames."""
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=n)
    frames = []
    for label in truth.tolist():
        layers = rng.normal(size=(int(rng.integers(20, 60)), BLOCKS + 1, WIDTH))
        layers[:, PLANTED, label] += 1.5
        layers *= np.array([10.0, 1.0, 0.1, 3.0])[:, None]
        frames.append(layers.reshape(len(layers), -1).astype(np.float16))
    gold = [TAXONOMY.names[label] for label in truth]
    utterances = world.manifest("planted", truth.tolist(), [f"s{i % 9}" for i in range(n)], gold)
    frontend = registry().create("encoder", "adapter", options).frontend
    key = world.features(utterances, frames, frontend)
    return Corpus(utterances, world.labels(utterances, truth.tolist()), key, frames, truth)


def test_the_frozen_encoder_reads_each_recording_once(
    world: World, tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    utterances, paths = recordings(world.store, tmp_path)
    heard: list[tuple[int, int]] = []
    extract = FrozenEncoder.extract

    def listening(self: Any, batch: Any) -> Any:
        heard.extend((len(clip), torch.get_num_threads()) for clip in batch)
        return extract(self, batch)

    base = identity("transformers", **options["base_options"])
    frontend = registry().create("encoder", "adapter", options).frontend
    spec = features.spec(utterances=utterances, frontend=frontend, encoder=base)
    monkeypatch.setattr(FrozenEncoder, "extract", listening)
    call = RunnableCall(spec.stage, spec.key, spec.model_dump(), world.store.root, threads=2)
    call.inputs["audio"] = [str(paths)]
    call.inputs["located"] = {"encoder": base.located}
    run_call(call)
    monkeypatch.undo()
    found = Features(world.store, spec.key)
    assert len(heard) == len(found) == 10
    assert {threads for _, threads in heard} == {1}, "threads would be part of the key"
    assert found.rate == 25
    plugin = registry().create("encoder", "transformers", options["base_options"])
    for i in range(5):
        samples = decode(tmp_path / f"{i}.wav", 0.25, None)
        with limited_threads(1):  # as the stage: another number of threads sums in another order
            layers = np.concatenate(plugin.extract([samples])[0], 1)
        means = [layers[at : at + 2].mean(0) for at in range(0, len(layers), 2)]
        np.testing.assert_array_equal(found.get(2 * i + 1), np.array(means).astype(np.float16))


def stored(
    world: World, folder: Path, options: dict[str, Any], speakers: list[str | None], **more: Any
) -> tuple[str, str]:
    """Keys of the manifest of five tones and of their stored frames."""
    utterances, paths = recordings(world.store, folder, speakers=speakers)
    base = identity("transformers", **options["base_options"])
    frontend = registry().create("encoder", "adapter", {**options, **more}).frontend
    spec = features.spec(utterances=utterances, frontend=frontend, encoder=base)
    call = RunnableCall(spec.stage, spec.key, spec.model_dump(), world.store.root)
    call.inputs.update(audio=[str(paths)], located={"encoder": base.located})
    run_call(call)
    return utterances, spec.key


def test_frames_are_normalised_within_each_speaker(
    world: World, tmp_path: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Equal to the mean and deviation over a speaker's frames; the stored frames are shared."""
    speakers = ["a", None, "b", "a", None]
    _, key = stored(world, tmp_path, options, speakers)
    monkeypatch.setattr(FrozenEncoder, "extract", None)  # a second reading would fail
    _, normal = stored(world, tmp_path, options, speakers, normalise="speaker")
    assert key != normal
    raw, found = Features(world.store, key), Features(world.store, normal)
    for rows in ([0, 1, 6, 7], [2, 3, 8, 9], [4, 5]):
        frames = np.concatenate([raw.get(row) for row in rows]).astype(np.float64)
        expected = (frames - frames.mean(0)) / frames.std(0)
        values = np.concatenate([found.get(row) for row in rows])
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-4)


def test_embeddings_of_normalised_frames_belong_to_their_speakers(
    world: World, tmp_path: Path, options: dict[str, Any]
) -> None:
    """The same recordings with other speakers are embedded again, also shard by shard."""
    settings = {**options, "normalise": "speaker"}
    made = []
    for speakers in (["a", "b"], ["a"]):
        utterances, key = stored(world, tmp_path, options, speakers, normalise="speaker")
        corpus = Corpus(utterances, "", key, [], np.zeros(0))
        spec = world.embed(corpus, identity("adapter", **settings), seed=0)
        world.call(spec)
        made.append(read_embeddings(world.store, spec.key)["layer_01"])
    assert not np.allclose(made[0], made[1])


def test_the_mix_finds_the_layer_that_has_the_answer(world: World, options: dict[str, Any]) -> None:
    corpus = planted(world, options)
    encoder = identity("adapter", **options, hidden=32)
    spec = world.pretrain(
        corpus, encoder=encoder, epochs=12, learning_rate=2e-2, pooling="attentive", max_seconds=4.0
    )
    world.call(spec)
    state = load_file(world.store.checked(spec.key).path / pretrain.MODEL)
    assert sorted(state) == ["hidden.bias", "hidden.weight", "mix"]
    shares = state["mix"].softmax(0)
    assert shares.argmax() == PLANTED
    assert shares[PLANTED] > 0.5

    def spread(model: str | None) -> float:
        """Share of the variance of the hidden layer that is between the labels."""
        made = world.embed(corpus, encoder, model=model, seed=0)
        world.call(made)
        layers = read_embeddings(world.store, made.key)
        assert [values.shape for values in layers.values()] == [(90, WIDTH), (90, 32)]
        values = layers["layer_01"]
        means = np.array([values[corpus.truth == k].mean(0) for k in corpus.truth])
        return float(means.var(0).sum() / values.var(0).sum())

    assert spread(spec.key) > spread(None) + 0.2


def test_sound_cannot_be_augmented_after_the_fact(world: World, options: dict[str, Any]) -> None:
    corpus = planted(world, options, n=12)
    encoder = identity("adapter", **options)
    for setting, complaint in (
        ({"gain_db": 6.0}, "takes stored frames"),
        ({"noise_snr_db": 10.0}, "takes stored frames"),
        ({"spec_augment": True}, "needs an encoder that takes log-mel"),
    ):
        with pytest.raises(SettingsError, match=complaint):
            world.call(world.pretrain(corpus, encoder=encoder, **setting))


def sounding(world: World) -> Corpus:
    """Clips of sound: labels differ in loudness."""
    rng = np.random.default_rng(0)
    truth = rng.integers(3, size=24)
    clips = [
        (0.05 * (label + 1) * rng.standard_normal(int(rng.integers(4_000, 8_000)))).astype(
            np.float32
        )
        for label in truth
    ]
    gold = [TAXONOMY.names[label] for label in truth]
    utterances = world.manifest("sounding", truth.tolist(), [f"s{i % 6}" for i in range(24)], gold)
    key = world.features(utterances, clips, Frontend(kind="waveform"))
    return Corpus(utterances, world.labels(utterances, truth.tolist()), key, clips, truth)


@pytest.mark.parametrize("blocks", [0, 1])
def test_pre_training_changes_only_the_last_blocks(
    world: World, options: dict[str, Any], blocks: int, request: pytest.FixtureRequest
) -> None:
    """With none of them the encoder stays the frozen one, bit for bit."""
    # A frozen encoder computes a clip on one thread; some processors' kernels sum by threads.
    request.addfinalizer(partial(torch.set_num_threads, torch.get_num_threads()))
    torch.set_num_threads(1)
    corpus, model = sounding(world), options["base_options"]
    encoder = identity("transformers-trainable", **model, blocks=blocks)
    spec = world.pretrain(corpus, encoder=encoder)
    world.call(spec)
    state = load_file(world.store.checked(spec.key).path / pretrain.MODEL)
    before = registry().create("encoder", "transformers-trainable", model).build(0).state_dict()
    moved = {name for name, value in state.items() if not torch.equal(value, before[name])}
    last = f"backbone.encoder.layers.{BLOCKS - 1}."
    assert bool(moved) is (blocks == 1)
    assert all(name.startswith(last) for name in moved)
    module = registry().create("encoder", "transformers-trainable", model).build(0).eval()
    module.load_state_dict(state)
    frozen = registry().create("encoder", "transformers", model)
    for clip in corpus.frames:
        with torch.no_grad():
            found = module(torch.from_numpy(clip)[None], torch.tensor([len(clip)]))
        for number, layer in enumerate(frozen.extract([clip])[0]):
            same = np.array_equal(found[number][0][0].numpy(), layer)
            assert same is not (blocks == 1 and number == BLOCKS), number


def tuned(world: World, corpus: Corpus, encoder: PluginIdentity, **changes: Any) -> Spec:
    """A fine-tuning from the weights that the encoder starts with."""
    evaluation = evaluate.spec(
        utterances=corpus.utterances,
        embeddings="",
        taxonomy=TAXONOMY,
        params=evaluate.Params(folds=2),
        seed=0,
    )
    training = {"epochs": 2, "batch_size": 8, "budgets": [1.0], "seeds": 1, **changes}
    return finetune.spec(
        evaluation=evaluation,
        features=corpus.features,
        encoder=encoder,
        weights=Weights(None, 0),
        params=finetune.Params.model_validate(training),
        threads=1,
    )


def test_fine_tuning_takes_stored_frames_and_last_blocks(
    world: World, options: dict[str, Any]
) -> None:
    adapter, last = (
        identity("adapter", **options, hidden=32),
        identity("transformers-trainable", **options["base_options"], blocks=1),
    )
    found = {}
    for name, corpus, encoder, changes in (
        ("adapter", planted(world, options), adapter, {"epochs": 12, "learning_rate": 2e-2}),
        ("bf16", planted(world, options), adapter, {"precision": "bf16"}),
        ("blocks", sounding(world), last, {}),
    ):
        spec = tuned(world, corpus, encoder, **changes)
        world.call(spec)
        path = world.store.checked(spec.key).path / finetune.RESULT
        found[name] = EvaluationResult.model_validate_json(path.read_bytes())
    assert found["adapter"].budgets[-1].uar.value > 0.8
    with pytest.raises(SettingsError, match="takes stored frames"):
        world.call(tuned(world, planted(world, options), adapter, gain_db=6.0))

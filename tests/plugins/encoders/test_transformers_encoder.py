"""Speech encoders of transformers: the contract, the library's own values, trained parts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lanser_bench_plugins import _devices
from lanser_bench_plugins.encoders._speech_model import SpeechModel, on_device
from tiny_speech_models import BLOCKS, FAMILIES, WIDTH, speech_model

from lanser_bench import MissingDependencyError, SettingsError, devices
from lanser_bench.plugins.discovery import registry
from lanser_bench.testing import EncoderSuite


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return {name: speech_model(tmp_path_factory.mktemp(name), name) for name in FAMILIES}


def frozen(folder: Path, **options: Any) -> Any:
    return registry().create("encoder", "transformers", {"model": str(folder), **options})


def trainable(folder: Path, **options: Any) -> Any:
    given = {"model": str(folder), **options}
    return registry().create("encoder", "transformers-trainable", given)


def noise(*lengths: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    values = 0.1 * torch.randn(len(lengths), max(lengths), generator=generator)
    for row, length in zip(values, lengths, strict=True):
        row[length:] = 0
    return values, torch.tensor(lengths)


class FamilyContract(EncoderSuite):
    family = ""
    folders: dict[str, Path]

    @pytest.fixture(autouse=True)
    def _folders(self, folders: dict[str, Path]) -> None:
        type(self).folders = folders

    def make(self) -> Any:
        return frozen(self.folders[self.family])


class TrainableContract(FamilyContract):
    def make(self) -> Any:
        return trainable(self.folders[self.family], mix=True)


for _family in FAMILIES:
    for _base in (FamilyContract, TrainableContract):
        _name = f"Test{_base.__name__}{_family.title().replace('-', '')}"
        globals()[_name] = type(_name, (_base,), {"family": _family, "__module__": __name__})
del FamilyContract, TrainableContract, _base


@pytest.mark.parametrize("family", FAMILIES)
def test_layers_are_those_of_the_library(family: str, folders: dict[str, Path]) -> None:
    import transformers

    clip = noise(16_000)[0][0]
    (layers,) = frozen(folders[family]).extract([clip.numpy()])
    model: Any = transformers.AutoModel.from_pretrained(folders[family]).eval()
    front: Any = transformers.AutoFeatureExtractor.from_pretrained(folders[family])
    values = front(clip.numpy(), sampling_rate=16_000, return_tensors="pt", padding=False)
    if family == "whisper":
        model = model.get_encoder()
        positions = model.embed_positions.weight[:50]
        model.embed_positions = torch.nn.Embedding(50, WIDTH, _weight=positions)
        model.config.max_source_positions = 50
    with torch.inference_mode():
        answer = model(**values, output_hidden_states=True)
    assert len(layers) == len(answer.hidden_states) == BLOCKS + 1
    # Some versions and models of the library normalise the last hidden state.
    for found, expected in zip(layers[:-1], answer.hidden_states[:-1], strict=True):
        np.testing.assert_allclose(found, expected[0].numpy(), atol=1e-5)
    np.testing.assert_allclose(layers[-1], answer.last_hidden_state[0].numpy(), atol=1e-5)


def test_w2v_bert_leaves_out_the_half_frame_that_the_library_masks(
    folders: dict[str, Path],
) -> None:
    import transformers

    clip = noise(16_080)[0][0]  # 99 frames of log-mel, which are joined in pairs
    (layers,) = frozen(folders["wav2vec2-bert"]).extract([clip.numpy()])
    model: Any = transformers.AutoModel.from_pretrained(folders["wav2vec2-bert"]).eval()
    front: Any = transformers.AutoFeatureExtractor.from_pretrained(folders["wav2vec2-bert"])
    values = front(clip.numpy(), sampling_rate=16_000, return_tensors="pt")
    assert values["attention_mask"].tolist() == [[1] * 49 + [0]]
    with torch.inference_mode():
        answer = model(**values, output_hidden_states=True)
    for layer, expected in zip(layers, answer.hidden_states, strict=True):
        np.testing.assert_allclose(layer, expected[0, :49].numpy(), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_padding_changes_no_true_frame(family: str, folders: dict[str, Path]) -> None:
    module = trainable(folders[family]).build(0).eval()
    values, lengths = noise(16_000, 9_001, 400, 20)
    with torch.no_grad():
        together = module(values, lengths)
        for row, length in enumerate(lengths.tolist()):
            alone = module(values[row : row + 1, :length], lengths[row : row + 1])
            for (padded, sizes), (whole, size) in zip(together, alone, strict=True):
                assert sizes[row] == size[0] == whole.shape[1]
                kept = padded[row, : sizes[row]]
                torch.testing.assert_close(kept, whole[0], atol=1e-5, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_as_on_a_gpu_equals_clips_one_by_one(
    family: str, folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    values, lengths = noise(9_001, 16_000, 20, 400, 33_000)  # the last exceeds Whisper's positions
    clips = [row[:length].numpy() for row, length in zip(values, lengths.tolist(), strict=True)]
    encoder = frozen(folders[family])
    assert encoder.pooled(clips) is None
    alone = encoder.extract(clips)
    monkeypatch.setattr(SpeechModel, "together", True)
    together = encoder.extract(clips)
    for first, second, pooled in zip(alone, together, encoder.pooled(clips), strict=True):
        for one, other, (frames, mean, variance) in zip(first, second, pooled, strict=True):
            np.testing.assert_allclose(other, one, atol=1e-5, rtol=1e-4)
            assert frames == len(one)
            np.testing.assert_allclose(mean, one.mean(0), atol=1e-5, rtol=1e-4)
            np.testing.assert_allclose(variance, one.var(0), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", ["hubert", "whisper"])
def test_features_made_on_a_gpu_are_those_of_the_library(
    family: str, folders: dict[str, Path]
) -> None:
    clip = noise(16_000)[0][0]
    model = frozen(folders[family])._module
    torch.testing.assert_close(on_device(clip, model.extractor)[None], model._features(clip))


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_the_number_of_threads_changes_no_bit(family: str, folders: dict[str, Path]) -> None:
    values, lengths = noise(9_001, 16_000, 400, 12_000)
    clips = [row[:length].numpy() for row, length in zip(values, lengths.tolist(), strict=True)]
    before, found = torch.get_num_threads(), []
    for threads in (1, 3):
        torch.set_num_threads(threads)
        encoder = frozen(folders[family])
        found.append(encoder.extract(clips))
    torch.set_num_threads(before)
    twin = encoder._module.twin()
    assert next(twin.parameters()) is next(encoder._module.parameters())
    for one, same in zip(*found, strict=True):
        for layer, again in zip(one, same, strict=True):
            np.testing.assert_array_equal(layer, again)


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("precision", "tolerance"), [("bf16", 0.1), ("float16", 0.02)])
def test_shorter_types_are_close_to_float32(
    family: str,
    precision: str,
    tolerance: float,
    folders: dict[str, Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_devices, "_cpu_computes", lambda _: True)  # slowly, on every CPU
    clip = noise(16_000)[0].numpy()
    (whole,) = frozen(folders[family]).extract(clip)
    (short,) = frozen(folders[family], precision=precision).extract(clip)
    for one, other in zip(whole, short, strict=True):
        assert other.dtype == np.float32
        error = np.linalg.norm(other - one) / np.linalg.norm(one)
        assert 0 < error < tolerance


def test_convolutions_of_a_shorter_type_stay_in_float32_on_a_cpu(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On some processors those of shorter types are wrong, or do not end."""
    monkeypatch.setattr(_devices, "_cpu_computes", lambda _: True)
    module = frozen(folders["wav2vec2"], precision="bf16")._module
    types: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
    for part in module.modules():
        if isinstance(part, torch.nn.Conv1d | torch.nn.Linear):
            types[isinstance(part, torch.nn.Conv1d)].add(part.weight.dtype)
    assert types == {True: {torch.float32}, False: {torch.bfloat16}}


def test_this_machine_must_have_the_device_and_the_precision(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    clip = noise(800)[0].numpy()
    monkeypatch.setattr(_devices, "_cpu_computes", lambda precision: precision == "float32")
    with pytest.raises(SettingsError, match=r"does not compute in bf16. Set precision: float32"):
        frozen(folders["hubert"], precision="bf16").extract(clip)
    monkeypatch.setattr(devices, "_available", lambda device: device == "cpu")
    with pytest.raises(SettingsError, match=r"device is mps, but torch finds no such device"):
        frozen(folders["hubert"], device="mps").extract(clip)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("part", ["all", "transformer", "mix"])
def test_what_is_not_trained_stays(family: str, part: str, folders: dict[str, Path]) -> None:
    module = trainable(folders[family], train=part, mix=True).build(0).train()
    module(*noise(8_000, 5_000))[-1][0].square().mean().backward()
    moved = {
        name
        for name, value in module.named_parameters()
        if value.grad is not None and value.grad.any()
    }
    assert "mix" in moved
    assert any(name.startswith("backbone") for name in moved) is (part != "mix")
    first = {
        "whisper": "backbone.conv1.weight",
        "wav2vec2-bert": "backbone.feature_projection.projection.weight",
    }
    convolution = first.get(family, "backbone.feature_extractor.conv_layers.0.conv.weight")
    assert (convolution in moved) is (part == "all" or (part == "transformer" and family in first))
    assert module.backbone.training is (part != "mix")


def test_the_mix_begins_as_the_mean_of_all_layers(folders: dict[str, Path]) -> None:
    module = trainable(folders["hubert"], mix=True, layer=2).build(0).eval()
    with torch.no_grad():
        *layers, (mixed, _) = module(*noise(8_000))
    assert len(layers) == 3
    torch.testing.assert_close(mixed, torch.stack([v for v, _ in layers]).mean(0))


def test_layers_above_the_chosen_one_are_left_out(folders: dict[str, Path]) -> None:
    clip = noise(8_000)[0].numpy()
    (all_layers,) = frozen(folders["wavlm"]).extract(clip)
    (two,) = frozen(folders["wavlm"], layer=1).extract(clip)
    for one, other in zip(all_layers[:2], two, strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(SettingsError, match="layers 0 to 3, but the option"):
        frozen(folders["wavlm"], layer=4).extract(clip)


def test_seeds_draw_weights_and_published_ones_ignore_them(folders: dict[str, Path]) -> None:
    def first(encoder: Any, seed: int) -> torch.Tensor:
        state = encoder.build(seed).state_dict()
        found: torch.Tensor = state["backbone.feature_projection.projection.weight"]
        return found

    published, drawn = (trainable(folders["hubert"], init=i) for i in ("pretrained", "random"))
    assert torch.equal(first(published, 0), first(published, 1))
    assert torch.equal(first(drawn, 0), first(drawn, 0))
    assert not torch.equal(first(drawn, 0), first(drawn, 1))
    assert not torch.equal(first(drawn, 0), first(published, 0))


def test_long_speech_is_cut_for_whisper_alone(folders: dict[str, Path]) -> None:
    clip = noise(16_000 * 5)[0].numpy()  # the small Whisper's positions reach two seconds
    (layers,) = frozen(folders["whisper"]).extract(clip)
    assert [layer.shape for layer in layers] == [(250, WIDTH)] * (BLOCKS + 1)


def test_other_models_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    clip = noise(800)[0].numpy()
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"is a 'bert'.*wav2vec2, hubert, wavlm, .*whisper"):
        frozen(tmp_path).extract(clip)
    with pytest.raises(SettingsError, match="expects 8000 Hz"):
        frozen(speech_model(tmp_path / "slow", "hubert", rate=8_000)).extract(clip)
    (tmp_path / "slow" / "preprocessor_config.json").unlink()
    with pytest.raises(MissingDependencyError, match="FeatureExtractor of the model"):
        frozen(tmp_path / "slow").extract(clip)


def test_incomplete_weights_are_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    speech_model(tmp_path, "hubert")
    state = load_file(tmp_path / "model.safetensors")
    del state["encoder.layers.1.attention.k_proj.weight"]
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SettingsError, match=r"lack encoder\.layers\.1.*would be random"):
        frozen(tmp_path).extract(noise(800)[0].numpy())


def test_training_nothing_is_refused() -> None:
    with pytest.raises(SettingsError, match="train: mix needs mix: true"):
        registry().create("encoder", "transformers-trainable", {"train": "mix"})


def test_the_wrapper_draws_the_weights_of_any_encoder(folders: dict[str, Path]) -> None:
    def wrapped(of: str, seed: int, **options: Any) -> Any:
        given = {"of": of, "seed": seed, "of_options": options}
        return registry().create("encoder", "random", given)

    model = str(folders["wavlm"])
    clip = noise(8_000)[0].numpy()
    real = frozen(folders["wavlm"]).extract(clip)[0][2]
    for name in ("transformers", "transformers-trainable"):
        first, again, other = (
            wrapped(name, seed, model=model).extract(clip)[0][2] for seed in (0, 0, 1)
        )
        np.testing.assert_array_equal(first, again)
        assert not np.allclose(first, other, atol=0.05), name
        assert not np.allclose(first, real, atol=0.05), name
    frames = np.random.default_rng(0).normal(-15, 4, (50, 64)).astype(np.float32)
    resnet = wrapped("resnet", 3)
    assert resnet.frontend.kind == "logmel"
    with torch.no_grad():
        module = registry().create("encoder", "resnet").build(3).eval()
        expected = module(torch.tensor(frames)[None], torch.tensor([50]))
    for one, (layer, _) in zip(resnet.extract([frames])[0], expected, strict=True):
        np.testing.assert_array_equal(one, layer[0].numpy())
    prints = [wrapped("cnn", seed).fingerprint() for seed in (0, 0)]
    assert prints[0] == prints[1] != wrapped("resnet", 0).fingerprint()
    with pytest.raises(SettingsError, match="has no weights that could be redrawn"):
        wrapped("logmel-stats", 0).fingerprint()


class TestRandomContract(EncoderSuite):
    def make(self) -> Any:
        return registry().create("encoder", "random", {"of": "cnn"})


def test_the_config_says_what_is_loaded(folders: dict[str, Path]) -> None:
    encoder = frozen(folders["hubert"])
    assert encoder.fingerprint() == frozen(folders["hubert"]).fingerprint()
    assert json.loads(json.dumps(encoder.describe()))["random_init"] is None


@pytest.mark.slow
def test_whisper_from_a_wheel_is_what_whisper_encoder_gives() -> None:
    clip = noise(20_000)[0].numpy()
    (expected,) = registry().create("encoder", "whisper-encoder").extract(clip)
    (found,) = registry().create("encoder", "transformers").extract(clip)
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@pytest.mark.parametrize(
    ("model", "drawn", "expected"),
    [
        ("superb/hubert-base-superb-er", None, {"librispeech", "iemocap"}),
        ("microsoft/wavlm-base", None, {"librispeech"}),
        ("microsoft/wavlm-base", 1, set()),
        ("openai/whisper-tiny", None, None),
        ("stranger/wav2vec2-base-finetuned-ravdess", None, None),
        ("microsoft/wavlm-base-plus", None, None),
    ],
)
def test_published_weights_tell_what_they_were_trained_on(
    model: str, drawn: int | None, expected: set[str] | None
) -> None:
    options = {"model": model, "random_init": drawn}
    assert registry().create("encoder", "transformers", options).trained_on == expected


def test_what_whisper_was_trained_on_is_not_known() -> None:
    drawn = {"random_init": 1}
    assert registry().create("encoder", "whisper-encoder").trained_on is None
    assert registry().create("encoder", "whisper-encoder", drawn).trained_on == frozenset()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("blocks", [0, 1, 2])
def test_only_the_last_blocks_change(family: str, blocks: int, folders: dict[str, Path]) -> None:
    """Steps of an optimiser change weights of these blocks and no others, which stay in eval."""
    encoder = trainable(folders[family], mix=True, blocks=blocks)
    module, before = encoder.build(0).train(), encoder.build(0).state_dict()
    optimizer = torch.optim.AdamW([p for p in module.parameters() if p.requires_grad], lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        module(*noise(8_000, 5_000))[-1][0].square().mean().backward()
        optimizer.step()
    moved = {n for n, value in module.state_dict().items() if not torch.equal(value, before[n])}
    stem = "backbone.layers." if family == "whisper" else "backbone.encoder.layers."
    places = tuple(f"{stem}{number}." for number in range(BLOCKS - blocks, BLOCKS))
    assert {name for name in moved if not name.startswith(places)} == {"mix"}
    for place in places:
        assert f"{place}final_layer_norm.weight" in moved
    assert not module.backbone.training
    training = {f"{name}." for name, part in module.named_modules() if name and part.training}
    assert all(name.startswith(places) for name in training)
    assert bool(training) is (blocks > 0)


def test_blocks_that_cannot_be_trained_are_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(SettingsError, match=r"has 2 blocks up to .* 'blocks' is 3. Lower it"):
        trainable(folders["hubert"], layer=2, blocks=3).build(0)
    with pytest.raises(SettingsError, match="blocks says which part is trained, so leave out"):
        trainable(folders["hubert"], train="all", blocks=1)

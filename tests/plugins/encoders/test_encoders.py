"""Built-in encoders: padding changes nothing, seeds decide the weights, layers are as declared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from lanser_bench import Frontend, SettingsError, logmel
from lanser_bench.plugins.discovery import registry
from lanser_bench.testing import EncoderSuite

TRAINABLE: list[tuple[str, dict[str, Any]]] = [
    ("cnn", {}),
    ("resnet", {}),
    ("resnet", {"normalise": "utterance"}),
    ("resnet", {"layer_type": "bottleneck", "hidden_sizes": (16, 32, 64), "depths": (1, 2, 1)}),
]
IDS = ["cnn", "resnet", "resnet-utterance", "resnet-bottleneck"]
PROSODY: list[tuple[str, dict[str, Any]]] = [
    ("cnn", {"prosody": True}),
    ("resnet", {"prosody": True, "normalise": "utterance"}),
]


def create(name: str, options: dict[str, Any]) -> Any:
    return registry().create("encoder", name, options)


def noise(*lengths: int, mels: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    values = torch.randn(len(lengths), max(lengths), mels, generator=generator) * 4 - 15
    for row, length in zip(values, lengths, strict=True):
        row[length:] = 0
    return values, torch.tensor(lengths)


@pytest.mark.parametrize(
    ("name", "options"), TRAINABLE + PROSODY, ids=[*IDS, "cnn-prosody", "resnet-prosody"]
)
def test_padding_changes_no_true_frame(name: str, options: dict[str, Any]) -> None:
    module = create(name, options).build(0)
    values, lengths = noise(160, 131, 77, 30, 9, 1, mels=67 if "prosody" in options else 64)
    module(values, lengths)  # moves the running statistics away from their start
    module.eval()
    with torch.no_grad():
        together = module(values, lengths)
        for i, length in enumerate(lengths.tolist()):
            alone = module(values[i : i + 1, :length], lengths[i : i + 1])
            for (padded, sizes), (whole, size) in zip(together, alone, strict=True):
                assert sizes[i] == size[0] == whole.shape[1]
                torch.testing.assert_close(padded[i, : sizes[i]], whole[0], atol=1e-5, rtol=1e-4)


def test_batch_norm_statistics_see_true_frames_only() -> None:
    modules = [create("resnet", {}).build(0) for _ in range(2)]
    values, lengths = noise(80, 80)
    longer = torch.cat([values, torch.zeros(2, 120, 64)], 1)
    modules[0](values, lengths)
    modules[1](longer, lengths)
    for (name, first), (_, second) in zip(
        modules[0].named_buffers(), modules[1].named_buffers(), strict=True
    ):
        torch.testing.assert_close(first, second, atol=1e-5, rtol=1e-4, msg=name)


def test_gradients_are_those_of_the_unpadded_clips() -> None:
    modules = [create("resnet", {}).build(0) for _ in range(2)]
    values, lengths = noise(80, 80)
    longer = torch.cat([values, torch.zeros(2, 40, 64)], 1)
    for module, features in zip(modules, (values, longer), strict=True):
        layer, frames = module(features, lengths)[-1]
        (layer[:, : int(frames[0])] ** 2).sum().backward()
    for (name, first), second in zip(
        modules[0].named_parameters(), modules[1].parameters(), strict=True
    ):
        torch.testing.assert_close(first.grad, second.grad, atol=1e-3, rtol=1e-3, msg=name)


@pytest.mark.parametrize(("name", "options"), TRAINABLE, ids=IDS)
def test_the_seed_alone_decides_the_weights(name: str, options: dict[str, Any]) -> None:
    encoder = create(name, options)
    torch.manual_seed(5)
    first = encoder.build(3).state_dict()
    torch.manual_seed(6)
    before = torch.get_rng_state()
    second, other = encoder.build(3).state_dict(), encoder.build(4).state_dict()
    assert torch.equal(before, torch.get_rng_state()), "the caller's random state is left alone"
    assert all(torch.equal(value, second[key]) for key, value in first.items())
    assert not all(torch.equal(value, other[key]) for key, value in first.items())


@pytest.mark.parametrize("options", [{"size": "small"}, {"size": "18"}, {"size": "50"}], ids=str)
def test_resnet_has_names_first_weights_and_numbers_of_transformers(
    options: dict[str, Any],
) -> None:
    from transformers import ResNetConfig, ResNetModel

    encoder = create("resnet", options)
    module = encoder.build(7).eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        theirs = ResNetModel(ResNetConfig(num_channels=1, **encoder.describe())).eval()
    state = {f"net.{name}": value for name, value in theirs.state_dict().items()}
    ours = module.state_dict()
    assert list(ours) == list(state)
    assert all(torch.equal(value, ours[name]) for name, value in state.items())
    values, lengths = noise(64)
    image = ((values - encoder.options.centre) * (1 / encoder.options.scale))[:, None]
    with torch.no_grad():
        stages = theirs(image, output_hidden_states=True).hidden_states[1:]
        for (layer, _), stage in zip(module(values, lengths), stages, strict=True):
            torch.testing.assert_close(layer, stage.mean(3).transpose(1, 2), atol=1e-4, rtol=1e-4)


def test_fixed_normalisation_keeps_loudness_and_per_utterance_takes_it_away() -> None:
    values, lengths = noise(100)
    for normalise, same in (("fixed", False), ("utterance", True)):
        module = create("resnet", {"normalise": normalise}).build(0).eval()
        with torch.no_grad():
            soft, loud = (module(v, lengths)[-1][0] for v in (values, values + 2.3))
        assert torch.allclose(soft, loud, atol=1e-4) is same


def test_all_built_in_log_mel_encoders_share_one_front_end() -> None:
    found = {create(name, {}).frontend for name in ("cnn", "resnet", "logmel-stats")}
    assert len(found) == 1


def test_stages_that_do_not_agree_are_refused() -> None:
    with pytest.raises(SettingsError, match="one number per stage"):
        create("resnet", {"depths": [1, 1]})


def test_statistics_are_those_of_the_frames() -> None:
    encoder = create("logmel-stats", {"n_mels": 8, "percentiles": (50.0,), "deltas": True})
    frames = np.random.default_rng(0).normal(size=(30, 8)).astype(np.float32)
    ((found,), (single,)) = encoder.extract([frames, frames[:1]])
    change = np.diff(frames, axis=0)
    parts = [
        frames.mean(0),
        frames.std(0),
        np.median(frames, 0),
        abs(change).mean(0),
        change.std(0),
    ]
    np.testing.assert_allclose(found[0], np.concatenate(parts), atol=1e-5)
    assert found.shape == (1, encoder.describe()["dim"])
    assert not single[0, 24:].any()


class TestCNNWithProsody(EncoderSuite):
    def make(self) -> Any:
        return create("cnn", {"prosody": True, "channels": (8, 8)})


class TestResNetWithProsody(EncoderSuite):
    def make(self) -> Any:
        return create("resnet", {"prosody": True})


class TestLogMelProsody(EncoderSuite):
    def make(self) -> Any:
        return create("logmel-prosody", {"n_mels": 16})


@pytest.mark.parametrize("hertz", [110.0, 220.0])
def test_prosody_is_the_voicing_pitch_and_level_of_each_frame(hertz: float) -> None:
    t = np.arange(16_000) / 16_000
    buzz = sum(np.sin(2 * np.pi * k * hertz * t) / k for k in range(1, 8))
    sound = (0.1 * np.asarray(buzz) * (t < 0.5)).astype(np.float32)
    (frames,) = create("logmel-prosody", {}).extract([sound])[0]
    mels = logmel(sound, create("logmel-stats", {}).frontend)
    np.testing.assert_array_equal(frames[:, :64], mels)
    voiced, pitch, level = frames[:, 64:].T
    inside, after = slice(3, 46), slice(55, None)
    assert (voiced[inside] == 1).all()
    np.testing.assert_allclose(150 * np.exp(0.4 * pitch[inside]), hertz, rtol=0.01)
    rms = 10 * np.log10(np.square(sound[:8_000]).mean())
    np.testing.assert_allclose(15 * level[inside] - 40, rms, atol=1.0)
    assert (voiced[after] == 0).all()
    assert (pitch[after] == 0).all()
    for samples in (1, 200, 399, 400, 559, 560):
        (short,) = create("logmel-prosody", {}).extract([sound[:samples]])[0]
        assert short.shape == (len(logmel(sound[:samples], Frontend())), 67)


@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_networks_use_prosody_only_if_asked(name: str) -> None:
    plain, asked = create(name, {}), create(name, {"prosody": True})
    assert plain.fingerprint() == ""
    assert (plain.frontend.kind, plain.added) == ("logmel", 0)
    assert asked.fingerprint() != ""
    assert asked.frontend.encoder == "logmel-prosody"
    module = asked.build(0).eval()
    values, lengths = noise(40, mels=67)
    with torch.no_grad():
        before = module(values, lengths)[-1][0]
        for column in (64, 65, 66):
            changed = values.clone()
            changed[:, :, column] += 0.5
            assert not torch.allclose(module(changed, lengths)[-1][0], before, atol=1e-4), column

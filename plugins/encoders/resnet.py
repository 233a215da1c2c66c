"""`resnet`: LanSER's family of encoders, a ResNet on log-mel.

He et al., Deep Residual Learning for Image Recognition (CVPR 2016); LanSER (Gong et al.,
Interspeech 2023) pre-trains one on weak labels. Weights are drawn from the seed; no image weights
are loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from ._frontend import LogMelEncoder, LogMelOptions

if TYPE_CHECKING:
    import torch

LayerType = Literal["basic", "bottleneck"]
ARGUMENTS = ("embedding_size", "hidden_sizes", "depths", "layer_type")
"""Parts of an architecture; `embedding_size` is the width of the first convolution."""
SIZES: dict[str, tuple[int, list[int], list[int], LayerType]] = {
    "small": (16, [16, 32, 64, 128], [1, 1, 1, 1], "basic"),
    "18": (64, [64, 128, 256, 512], [2, 2, 2, 2], "basic"),
    "50": (64, [256, 512, 1024, 2048], [3, 4, 6, 3], "bottleneck"),
}


class Options(LogMelOptions):
    """Options of `resnet`."""

    size: Literal["small", "18", "50"] = "small"
    """``small`` (0.3 M weights, for CPUs), or the published ResNet-18 (11 M) or -50 (23 M)."""
    depths: tuple[int, ...] | None = Field(default=None, min_length=1)
    """Blocks per stage, instead of the size's."""
    hidden_sizes: tuple[int, ...] | None = Field(default=None, min_length=1)
    """Channels per stage, instead of the size's."""
    layer_type: LayerType | None = None
    """Kind of block, instead of the size's."""
    normalise: Literal["fixed", "utterance"] = "fixed"
    """``fixed``, by `centre` and `scale`, keeps the loudness of an utterance; ``utterance`` removes
    it."""

    @model_validator(mode="after")
    def _stages_agree(self) -> Options:
        if len(self.architecture["depths"]) != len(self.architecture["hidden_sizes"]):
            raise ValueError("depths and hidden_sizes need one number per stage, and equal length")
        return self

    @property
    def architecture(self) -> dict[str, Any]:
        """Sizes, as transformers' ``ResNetConfig`` names them."""
        given = self.model_dump(include={"depths", "hidden_sizes", "layer_type"}, mode="json")
        published = dict(zip(ARGUMENTS, SIZES[self.size], strict=True))
        return published | {name: value for name, value in given.items() if value}


class ResNet(LogMelEncoder[Options]):
    """A ResNet on log-mel; its layers are the stages' outputs, averaged over the mel axis.

    BatchNorm uses true frames only, and the padding is set to zero after every normalisation, so
    an utterance has the same embedding in any batch.
    """

    Options = Options
    version = "1"
    libraries = ("torch",)

    def describe(self) -> dict[str, Any]:
        """Returns the architecture."""
        return self.options.architecture

    def _module(self) -> torch.nn.Module:
        from ._resnet import ResNetOnLogMel

        return ResNetOnLogMel(self.options, self.added)

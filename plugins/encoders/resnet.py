"""`resnet`: LanSER's family of encoders, a ResNet on log-mel.

He et al., Deep Residual Learning for Image Recognition (CVPR 2016), as transformers writes it;
LanSER (Gong et al., Interspeech 2023) pre-trains one on weak labels. Weights are drawn from the
seed: no image weights are loaded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from lanser_bench import Frontend, PluginOptions, TrainableEncoder

from ._frontend import CENTRE, SCALE, log_mel

if TYPE_CHECKING:
    import torch

LayerType = Literal["basic", "bottleneck"]
SIZES: dict[str, dict[str, Any]] = {
    "small": {
        "embedding_size": 16,
        "hidden_sizes": [16, 32, 64, 128],
        "depths": [1, 1, 1, 1],
        "layer_type": "basic",
    },
    "18": {
        "embedding_size": 64,
        "hidden_sizes": [64, 128, 256, 512],
        "depths": [2, 2, 2, 2],
        "layer_type": "basic",
    },
    "50": {
        "embedding_size": 64,
        "hidden_sizes": [256, 512, 1024, 2048],
        "depths": [3, 4, 6, 3],
        "layer_type": "bottleneck",
    },
}


class Options(PluginOptions):
    """Options of `resnet`."""

    size: Literal["small", "18", "50"] = "small"
    """``small`` (0.3 M weights, for CPUs), or the published ResNet-18 (11 M) or -50 (23 M)."""
    depths: tuple[int, ...] | None = Field(default=None, min_length=1)
    """Blocks per stage, in place of the size's."""
    hidden_sizes: tuple[int, ...] | None = Field(default=None, min_length=1)
    """Channels per stage, in place of the size's."""
    layer_type: LayerType | None = None
    """Kind of block, in place of the size's."""
    n_mels: int = Field(default=64, ge=8, le=256)
    normalise: Literal["fixed", "utterance"] = "fixed"
    """``fixed`` keeps how loud an utterance is; ``utterance`` takes it away."""
    centre: float = CENTRE
    """Subtracted from log-mel by ``fixed``: about its mean over read speech."""
    scale: float = Field(default=SCALE, gt=0)
    """Divided by in ``fixed``: about its standard deviation over read speech."""

    @model_validator(mode="after")
    def _stages_agree(self) -> Options:
        if len(self.architecture["depths"]) != len(self.architecture["hidden_sizes"]):
            raise ValueError("depths and hidden_sizes need one number per stage, equally many")
        return self

    @property
    def architecture(self) -> dict[str, Any]:
        """Arguments of transformers' ``ResNetConfig``."""
        chosen = dict(SIZES[self.size])
        for name in ("depths", "hidden_sizes", "layer_type"):
            value = getattr(self, name)
            if value is not None:
                chosen[name] = list(value) if isinstance(value, tuple) else value
        return chosen


class ResNet(TrainableEncoder[Options]):
    """A ResNet on log-mel; its layers are the stages' outputs, averaged over the mel axis.

    BatchNorm sees true frames only, and the padding is zeroed after every normalisation, so an
    utterance has the same embedding in any batch.
    """

    Options = Options
    version = "1"
    libraries = ("torch", "transformers")
    licence = "Apache-2.0 (code of transformers; the weights are drawn from the seed)"

    @property
    def frontend(self) -> Frontend:
        """The log-mel of all built-in encoders."""
        return log_mel(self.options.n_mels)

    def build(self, seed: int) -> torch.nn.Module:
        """Returns the module with weights drawn from `seed`."""
        import torch
        from transformers import ResNetConfig

        from ._resnet import ResNetOnLogMel

        options = self.options
        config = ResNetConfig(num_channels=1, **options.architecture)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return ResNetOnLogMel(
                config, options.centre, options.scale, options.normalise == "utterance"
            )

    def describe(self) -> dict[str, Any]:
        """Returns the architecture."""
        return self.options.architecture

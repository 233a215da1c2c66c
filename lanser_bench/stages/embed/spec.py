"""The embed stage's settings and the content of its key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from ...audio.flatten import Cue
from ...devices import Device
from ...plugins.identity import library_versions
from ...store import PluginIdentity, Spec
from .. import features as features_stage
from ..base import StageParams, device_params, present

VERSION = "2"
CAPACITY = 256
"""Utterances per shard."""
HeadPooling = Literal["mean", "mean+std", "attentive"]


class Params(StageParams):
    """Settings of the stage."""

    pooling: HeadPooling = "mean"
    """How the frames of each layer become one vector; ``mean+std`` doubles its length.
    ``attentive`` pools the last layer by the attention that ``pretrain.pooling: attentive``
    learned, and averages the others; encoders that were not pre-trained average all layers, as
    pre-training does before its first step."""
    batch_seconds: float = Field(default=60.0, gt=0)
    """Padded seconds of a batch. It can change the last digits, so it is part of the key."""
    piece_seconds: float = Field(default=30.0, gt=0)
    """Longer utterances are cut into equal pieces of at most this length, whose frames are pooled
    together: memory does not grow with the longest recording."""


@dataclass(frozen=True)
class Weights:
    """Where an encoder's weights come from; by default from its plugin."""

    model: str | None = None
    """Key of the `pretrain` stage that trained them."""
    seed: int | None = None
    """Draws them if there is no `model`; None for a frozen extractor."""
    head_pooling: HeadPooling | None = None
    """Pooling of `model`'s head, if the embeddings are for it; overrides the settings."""

    @property
    def drawn_seed(self) -> int | None:
        """The seed, if it draws the weights."""
        return self.seed if self.model is None else None


def spec(
    *,
    utterances: str,
    encoder: PluginIdentity,
    features: str | None,
    params: Params,
    threads: int,
    weights: Weights = Weights(),
    device: Device = "cpu",
    cue: Cue | None = None,
) -> Spec:
    """Returns the key content.

    `features` are for a log-mel front end or any trainable encoder; with a `cue` they are of speech
    resynthesised without it. `threads` change floats, as does the `device` of a trainable encoder,
    which is in the key unless it is the CPU.
    """
    settings = {**params.model_dump(mode="json"), "libraries": library_versions(("torch",))}
    if weights.head_pooling is not None:
        settings["pooling"] = weights.head_pooling
    if features is not None:
        # Shards do not contain the features' key, which names a whole manifest.
        settings["features_version"] = features_stage.VERSION
    return Spec(
        stage="embed",
        stage_version=VERSION,
        plugins={"encoder": encoder},
        params={
            **settings,
            "audio_libraries": features_stage.libraries(),
            **device_params(device),
            **features_stage.cue_params(cue),
        },
        parents=present({"utterances": utterances, "features": features, "model": weights.model}),
        seed=weights.drawn_seed,
        threads=threads,
    )

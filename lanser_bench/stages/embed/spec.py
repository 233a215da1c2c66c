"""The embed stage's settings and the content of its key."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from ...audio.flatten import Cue
from ...plugins.identity import library_versions
from ...store import PluginIdentity, Spec
from .. import features as features_stage
from ..base import Device, device_params

VERSION = "2"


HeadPooling = Literal["mean", "mean+std", "attentive"]
"""With ``attentive`` the last layer is pooled by the head's attention, the others are averaged."""


CAPACITY = 256
"""Utterances per shard."""


class Params(BaseModel):
    """Settings of the stage."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    pooling: Literal["mean", "mean+std"] = "mean"
    """How the frames of each layer become one vector; ``mean+std`` doubles its length."""
    batch_seconds: float = Field(default=60.0, gt=0)
    """Padded seconds of a batch. It can move the last digits, so it is part of the key."""
    piece_seconds: float = Field(default=30.0, gt=0)
    """Longer utterances are cut into equal pieces no longer than this, and the pieces' frames are
    pooled together: memory does not grow with the longest recording."""


def spec(
    *,
    utterances: str,
    encoder: PluginIdentity,
    features: str | None,
    model: str | None,
    params: Params,
    seed: int | None,
    threads: int,
    device: Device = "cpu",
    cue: Cue | None = None,
    pooling: HeadPooling | None = None,
) -> Spec:
    """Returns the key content.

    Args:
        utterances: key of the manifest.
        encoder: any encoder.
        features: key of the features, for a log-mel front end or any trainable encoder.
        model: key of the `pretrain` stage whose weights are used; None for a frozen extractor or
            for weights drawn from `seed`.
        params: the stage's settings.
        seed: draws the weights where there is no `model`; None for a frozen extractor.
        threads: CPU threads, which move floats.
        device: where a trainable encoder runs; in the key if it is no CPU.
        cue: what the `features` are without, if they are of resynthesised speech.
        pooling: of `model`'s head, if the embeddings are for it, whatever `params` say.
    """
    settings = {**params.model_dump(mode="json"), "libraries": library_versions(("torch",))}
    if pooling is not None:
        settings["pooling"] = pooling
    if features is not None:
        # Shards do not carry the features' key, which names a whole manifest.
        settings["features_version"] = features_stage.VERSION
    parents = {"utterances": utterances, "features": features, "model": model}
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
        parents={role: key for role, key in parents.items() if key is not None},
        seed=None if model is not None else seed,
        threads=threads,
    )

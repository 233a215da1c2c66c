"""The finetune stage's settings and the content of its key."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from ...devices import Device
from ...evaluation.budgets import checked_budgets
from ...plugins.identity import library_versions
from ...store import PluginIdentity, Spec
from ..base import device_params, present
from ..embed.spec import Weights
from ..evaluate import spec as evaluate
from ..pretrain.spec import LATER_IN_ALL, TrainingParams, since_first_keys

VERSION = "1"
RESULT = evaluate.RESULT


class Params(TrainingParams):
    """Settings of fine-tuning: those of pre-training, and what is varied."""

    budgets: tuple[float | str, ...] = Field(default=(0.1, 0.3, 1.0), min_length=1)
    """Label budgets, as those of `evaluate`; each is one training per fold and draw."""
    seeds: int = Field(default=3, ge=1, le=1000)
    """How many subsets are drawn per fold and budget; order and head are drawn with them."""
    epochs: int = Field(default=20, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    class_balance: Literal["none", "loss", "sampler"] = "loss"
    dev_fraction: float = Field(default=0.2, ge=0, lt=0.5)
    """Share of the budget's labels whose speakers are held out to choose the epoch; they count as
    labels used."""

    _readable = field_validator("budgets")(checked_budgets)


def spec(
    *,
    evaluation: Spec,
    features: str,
    encoder: PluginIdentity,
    weights: Weights,
    params: Params,
    threads: int,
    device: Device = "cpu",
) -> Spec:
    """Builds the key content.

    Protocol, folds, labels and seed are those of `evaluation`, which `evaluate.spec` returned for
    the same labelled set. Training starts from `weights`. `threads` change floats, as does the
    `device`, which is in the key unless it is the CPU.
    """
    design, utterances = evaluation.params, evaluation.parents["utterances"]
    return Spec(
        stage="finetune",
        stage_version=VERSION,
        plugins={"encoder": encoder},
        params={
            "training": since_first_keys(params, LATER_IN_ALL),
            "protocol": design["protocol"],
            "folds": design["folds"],
            "folds_by": design.get("folds_by", design["protocol"]),
            "labels": design["labels"],
            "weights_seed": weights.drawn_seed,
            "libraries": library_versions(("torch", "numpy")),
            **({"permute_gold": True} if design["permute_gold"] else {}),
            **({"votes": design["votes"]} if "votes" in design else {}),
            **device_params(device),
        },
        parents=present({"utterances": utterances, "features": features, "model": weights.model}),
        seed=evaluation.seed,
        threads=threads,
    )

"""The finetune stage's settings and the content of its key."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from pydantic import Field, field_validator

from ...evaluation.budgets import checked_budgets
from ...plugins.identity import library_versions
from ...store import PluginIdentity, Spec
from ...taxonomy import Taxonomy
from ..base import Device, device_params
from ..evaluate import spec as evaluate
from ..pretrain.spec import TrainingParams

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

    @field_validator("budgets")
    @classmethod
    def _readable(cls, values: tuple[float | str, ...]) -> tuple[float | str, ...]:
        return checked_budgets(values)


def spec(
    *,
    utterances: str,
    features: str,
    encoder: PluginIdentity,
    model: str | None,
    weights_seed: int | None,
    taxonomy: Taxonomy,
    params: Params,
    design: evaluate.Params,
    seed: int,
    threads: int,
    device: Device = "cpu",
    official: Mapping[str, str] = MappingProxyType({}),
) -> Spec:
    """Builds the key content.

    Args:
        utterances: key of the labelled set's utterances.
        features: key of their features.
        encoder: a trainable encoder.
        model: key of the `pretrain` stage to start from; None for random weights.
        weights_seed: draws the random weights where there is no `model`.
        taxonomy: the taxonomy of the gold labels; only its label names take part.
        params: how is trained.
        design: protocol, folds and labels of the evaluation that it stands beside.
        seed: decides folds, subsets, order and ties.
        threads: CPU threads, which move floats.
        device: where it trains; in the key if it is no CPU.
        official: the dataset's official protocols → protocol that makes their folds.

    Raises:
        SettingsError: there is no such protocol.
    """
    parents = {"utterances": utterances, "features": features, "model": model}
    return Spec(
        stage="finetune",
        stage_version=VERSION,
        plugins={"encoder": encoder},
        params={
            "training": params.model_dump(mode="json"),
            "protocol": design.protocol,
            "folds": design.folds,
            "folds_by": evaluate.folds_by(design, official),
            "labels": taxonomy.names,
            "weights_seed": None if model is not None else weights_seed,
            "libraries": library_versions(("torch", "numpy")),
            **({"permute_gold": True} if design.permute_gold else {}),
            **device_params(device),
        },
        parents={role: key for role, key in parents.items() if key is not None},
        seed=seed,
        threads=threads,
    )

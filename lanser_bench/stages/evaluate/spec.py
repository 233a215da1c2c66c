"""The evaluate stage's settings and the content of its key."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from ...data.utterances import Winner
from ...errors import SettingsError, did_you_mean
from ...evaluation.budgets import checked_budgets
from ...evaluation.folds import PROTOCOLS, Protocol
from ...kinds.dataset import Card
from ...plugins.identity import library_versions
from ...store import Spec
from ...taxonomy import Taxonomy
from ..base import StageParams
from ..embed.corrections import LayerChoice

VERSION = "3"
RESULT = "evaluation.json"
HALVES = "halves"
"""Param of sets without class labels: the dimension whose halves are the classes, and the middle
of its scale."""


class Params(StageParams):
    """Settings of the evaluation."""

    protocol: str = "k-speaker-folds"
    """``k-speaker-folds``, ``leave-one-speaker-out``, ``leave-one-session-out``, ``split`` (the
    manifest's own), or an official protocol of the dataset, such as ``tfds-crema-d``."""
    folds: int = Field(default=5, ge=2)
    """Number of folds of ``k-speaker-folds``."""
    budgets: tuple[float | str, ...] = Field(
        default=(0.01, 0.05, 0.1, 0.3, 0.5, 0.7, 1.0), min_length=1
    )
    """Label budgets: fractions of the training side, and ``"k=5"`` for 5 labels per class."""
    seeds: int = Field(default=3, ge=1, le=1000)
    """How many subsets are drawn per fold and budget."""
    strengths: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(1e-4, 1e-3, 1e-2, 1e-1, 1.0), min_length=1
    )
    """Inverse regularisation strengths C to choose from, as in scikit-learn, for standardised
    embeddings."""
    layers: LayerChoice = "all"
    """``all``, ``last`` or a list of names: layers to choose from inside the budget."""
    normalise: Literal["none", "speaker"] = "none"
    """``speaker``: embeddings are z-scored within each speaker, including test speakers."""
    inner_folds: int = Field(default=3, ge=2)
    """Speaker folds inside the budget that choose strength and layer."""
    class_weight: Literal["balanced", "none"] = "balanced"
    """``balanced``: classes have the same weight in the regression, as they do in UAR."""
    permute_gold: bool = False
    """Control: permutes the training labels within each training speaker. Must score at chance."""
    targets: tuple[float, ...] = ()
    """UARs, fixed in advance, for which the labels needed are reported."""
    votes: Winner = "unanimous"
    """The label of an utterance with votes (gold of kind ``distribution``): ``unanimous``, the only
    one; otherwise the utterance is left out. ``majority``, the one with most votes, unless tied."""

    _readable = field_validator("budgets")(checked_budgets)


def spec(
    *,
    utterances: str,
    embeddings: str,
    taxonomy: Taxonomy | None,
    params: Params,
    seed: int,
    threads: int = 1,
    official: Mapping[str, str] = MappingProxyType({}),
    halves: tuple[str, float] | None = None,
) -> Spec:
    """Builds the key content.

    Only the label names of the gold labels' `taxonomy` are used. `halves` replaces it in a set
    without such labels, see `HALVES`. `seed` decides folds, subsets and
    ties. More than one of `threads` can change the floats of numpy's matrix products. For
    `official` see `folds_by`.

    Raises:
        SettingsError: unknown protocol.
    """
    by = folds_by(params, official)
    named = {} if by == params.protocol else {"folds_by": by}
    # Newer than the first keys: omitted at its default, so those keys stay valid.
    unchanged = {"votes"} if params.votes == "unanimous" else set()
    return Spec(
        stage="evaluate",
        stage_version=VERSION,
        params={
            **params.model_dump(mode="json", exclude=unchanged),
            **named,
            "labels": [] if taxonomy is None else taxonomy.names,
            **({} if halves is None else halved_params(*halves)),
            "libraries": library_versions(("numpy",)),
        },
        parents={"utterances": utterances, "embeddings": embeddings},
        seed=seed,
        threads=threads,
    )


def halves_of(card: Card) -> tuple[str, float] | None:
    """Returns the dimension that replaces missing class labels, valence if rated, and its middle.

    It is None for a set with class labels, or without ratings.
    """
    if card.taxonomy is not None or not card.dimensions:
        return None
    name = "valence" if "valence" in card.dimensions else next(iter(card.dimensions))
    return name, sum(card.dimensions[name]) / 2


def halved_params(dimension: str, middle: float) -> dict[str, Any]:
    """Returns the labels of the halves of a dimension, and how they are made."""
    return {"labels": [f"low {dimension}", f"high {dimension}"], HALVES: [dimension, middle]}


def folds_by(params: Params, official: Mapping[str, str]) -> Protocol:
    """Returns the harness's protocol for a requested protocol.

    `official` maps the dataset's official protocols to those that make their folds.

    Raises:
        SettingsError: unknown protocol.
    """
    wanted = official.get(params.protocol, params.protocol)
    for protocol in PROTOCOLS:
        if protocol == wanted:
            return protocol
    known = [*PROTOCOLS, *official]
    raise SettingsError(
        f"Unknown protocol '{params.protocol}' for this dataset."
        f"{did_you_mean(params.protocol, known)} It has {', '.join(known)}."
    )

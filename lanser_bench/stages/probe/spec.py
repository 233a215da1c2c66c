"""The probe stage's settings and the content of its key."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from ...kinds.probe import Probe
from ...plugins.identity import library_versions
from ...store import Spec
from ..embed.corrections import LayerChoice
from .work import Scale

VERSION = "4"


RESULT = "probe.json"


class Params(BaseModel):
    """Settings of the probe stage."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    folds: int = Field(default=5, ge=2)
    """Speaker folds (sentence folds of the probe `speaker`); fewer where there are fewer
    speakers."""
    sentence_folds: int = Field(default=3, ge=1)
    """Sentences are cut into so many groups (at most one per sentence), and an utterance is
    predicted from other speakers saying other sentences, where every utterance has a sentence_id;
    1 lets sentences cross."""
    inner_folds: int = Field(default=3, ge=2)
    """Speaker (or sentence) folds inside the training side that choose strength and layer; for
    numbers they keep sentences apart where the folds do."""
    strengths: tuple[float, ...] = Field(
        default=(1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0), min_length=1
    )
    """Penalties per row to choose from, for standardised embeddings: of the ridge regression, and
    of the logistic regression of classes, whose C is 1 / (rows · penalty)."""
    layers: LayerChoice = "all"
    """``all``, ``last`` or a list of names: layers to choose from."""
    scales: tuple[Scale, ...] = Field(default=("raw", "speaker"), min_length=1)
    """``raw``, and ``speaker``: embedding and target (where it is a number) z-scored within each
    speaker."""

    @field_validator("strengths")
    @classmethod
    def _positive(cls, values: tuple[float, ...]) -> tuple[float, ...]:
        if min(values) <= 0:
            raise ValueError("strengths must be positive")
        return tuple(sorted(values))


def spec(
    *,
    utterances: str,
    embeddings: str,
    targets: str,
    params: Params,
    seed: int,
    probe: Probe[Any] | None = None,
    threads: int = 1,
) -> Spec:
    """Builds the key content.

    Args:
        utterances: key of the utterances.
        embeddings: key of their embeddings.
        targets: key of what a probe measured on them.
        params: the settings.
        seed: decides folds and ties.
        probe: the probe, whose task and folds may differ from the usual.
        threads: CPU threads; more than one can move the floats of numpy's matrix products.
    """
    return Spec(
        stage="probe",
        stage_version=VERSION,
        params={
            **params.model_dump(mode="json"),
            **({} if probe is None else _declared(probe)),
            "libraries": library_versions(("numpy",)),
        },
        parents={"utterances": utterances, "embeddings": embeddings, "targets": targets},
        seed=seed,
        threads=threads,
    )


def _declared(probe: Probe[Any]) -> dict[str, Any]:
    """What a probe declares of itself, as far as it is not the usual."""
    usual = {"task": Probe.task, "held_out": Probe.held_out, "components": Probe.components}
    return {name: found for name, u in usual.items() if (found := getattr(probe, name)) != u}

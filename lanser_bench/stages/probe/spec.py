"""The probe stage's settings and the content of its key."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from ...kinds.probe import Probe
from ...plugins.identity import library_versions
from ...store import Spec
from ..base import StageParams
from ..embed.corrections import LayerChoice

VERSION = "5"
RESULT = "probe.json"
Scale = Literal["raw", "speaker"]


class Params(StageParams):
    """Settings of the probe stage."""

    folds: int = Field(default=5, ge=2)
    """Speaker folds (sentence folds of the probe `speaker`); fewer if there are fewer speakers."""
    sentence_folds: int = Field(default=3, ge=1)
    """Number of sentence groups (at most one per sentence). If every utterance has a sentence_id,
    an utterance is predicted from other speakers saying other sentences; 1 allows the same
    sentences on both sides."""
    inner_folds: int = Field(default=3, ge=2)
    """Speaker (or sentence) folds inside the training side that choose strength and layer; for
    numbers they keep sentences apart where the folds do."""
    strengths: tuple[Annotated[float, Field(gt=0)], ...] = Field(
        default=(1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0), min_length=1
    )
    """Penalties per row to choose from, for standardised embeddings: of the ridge regression, and
    of the logistic regression of classes, whose C is 1 / (rows · penalty)."""
    layers: LayerChoice = "all"
    """``all``, ``last`` or a list of names: layers to choose from."""
    scales: tuple[Scale, ...] = Field(default=("raw", "speaker"), min_length=1)
    """``raw``, and ``speaker``: embedding and target (if it is a number) z-scored within each
    speaker."""

    @field_validator("strengths")
    @classmethod
    def _ordered(cls, values: tuple[float, ...]) -> tuple[float, ...]:
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

    `targets` is the key of the probe's measurements. The probe's task and folds are in the key
    unless they are the defaults. `seed` decides folds and ties. More than one of `threads` can
    change the floats of numpy's matrix products.
    """
    defaults = {"task": Probe.task, "held_out": Probe.held_out, "components": Probe.components}
    declared = {} if probe is None else {name: getattr(probe, name) for name in defaults}
    return Spec(
        stage="probe",
        stage_version=VERSION,
        params={
            **params.model_dump(mode="json"),
            **{name: value for name, value in declared.items() if value != defaults[name]},
            "libraries": library_versions(("numpy",)),
        },
        parents={"utterances": utterances, "embeddings": embeddings, "targets": targets},
        seed=seed,
        threads=threads,
    )

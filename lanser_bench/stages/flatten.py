"""Stage `flatten`: how much worse emotion is recognised where one cue of prosody is taken out.

The encoder and the classifiers are those of the evaluation at all labels: they have learnt from
speech as it is. Tested is the same speech resynthesised with its F0 or its energy flattened, and
resynthesised with nothing flattened, which is what the drops are counted from. It leaves
`flatten.json` (a `FlattenResult`) and `predictions.parquet`, one row per utterance and version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from ..evaluation.flatten import CONTROL, ORIGINAL, cue_drops, flattened
from ..evaluation.folds import split_hash
from ..evaluation.predictions import PREDICTIONS, write_table
from ..store import Draft, Spec
from .base import StageContext
from .evaluate import run as evaluate_stage
from .evaluate import spec as evaluate
from .task import prepared

VERSION = "1"
RESULT = "flatten.json"


class Params(BaseModel):
    """What is flattened."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cues: tuple[Literal["f0", "energy"], ...] = Field(default=("f0", "energy"), min_length=1)
    """``f0``: monotone, at the utterance's mean; ``energy``: all speech at its mean level."""


def spec(*, evaluation: Spec, versions: Mapping[str, str]) -> Spec:
    """Builds the key content.

    Args:
        evaluation: what `evaluate.spec` gave for the same embeddings.
        versions: cue → key of the embeddings of the resynthesised speech; ``none`` among them.
    """
    # 1 did not permute. What it found on labels as they are stands.
    version = "2" if evaluation.params["permute_gold"] else VERSION
    altered = {f"embeddings.{cue}": key for cue, key in versions.items()}
    return evaluation.model_copy(
        update={
            "stage": "flatten",
            "stage_version": f"{version}.{evaluate.VERSION}",
            "parents": {**evaluation.parents, **altered},
        }
    )


def run(context: StageContext, draft: Draft) -> None:
    """Learns as the evaluation does, and tests every version."""
    names: list[str] = context.spec.params["labels"]
    params = evaluate.params_of(context.spec)
    by = context.spec.params.get("folds_by", params.protocol)
    seed = context.spec.seed or 0
    task = prepared(context, names, by, params.folds, seed)
    roles = [role for role in context.spec.parents if role.startswith("embeddings.")]
    versions = {ORIGINAL: evaluate_stage.layers_of(context, task.data)}
    for role in sorted(roles, key=lambda role: (not role.endswith(CONTROL), role)):
        versions[role.partition(".")[2]] = evaluate_stage.layers_of(context, task.data, role)
    found = flattened(task.data, versions, task.folds, evaluate_stage.design_of(params, seed))
    result = cue_drops(found, split_hash(task.data.ids, task.folds))
    (draft.path / RESULT).write_text(result.model_dump_json(indent=1) + "\n", encoding="utf-8")
    tables = [
        pa.table(
            {
                "id": pa.array(data.ids),
                "speaker": pa.array(data.speakers),
                "version": pa.array([name] * len(data.ids)),
                "gold": pa.array(data.gold.astype(np.int16)),
                "predicted": pa.array(data.predicted[0].astype(np.int16)),
            }
        )
        for name, data in found.items()
    ]
    write_table(draft.path / PREDICTIONS, pa.concat_tables(tables))
    draft.counts |= {"utterances": len(task.data.ids), "versions": len(versions)}

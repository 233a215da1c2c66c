"""Stage `flatten`: how much recognition suffers when one prosodic cue is removed.

Encoder and classifiers are those of the evaluation at all labels, trained on natural speech. They
are tested on the same speech resynthesised with its F0 or its energy flattened, and resynthesised
unchanged, which is the baseline of the drops. Writes `flatten.json` (a `FlattenResult`) and
`predictions.parquet`, one row per utterance and version.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pyarrow as pa
from pydantic import Field

from ..evaluation.flatten import CONTROL, ORIGINAL, cue_drops, flattened
from ..evaluation.folds import split_hash
from ..evaluation.predictions import PREDICTIONS, write_table
from ..store import Draft, Spec
from .base import StageContext, StageParams, write_json
from .evaluate import spec as evaluate
from .evaluate.run import design_of, layers_of
from .task import prepared

VERSION = "2"
RESULT = "flatten.json"


class Params(StageParams):
    """What is flattened."""

    cues: tuple[Literal["f0", "energy"], ...] = Field(default=("f0", "energy"), min_length=1)
    """``f0``: monotone, at the utterance's mean; ``energy``: all speech at its mean level."""


def spec(*, evaluation: Spec, versions: Mapping[str, str]) -> Spec:
    """Builds the key content.

    `evaluation` is what `evaluate.spec` returned for the same embeddings. `versions` maps cues,
    including ``none``, to keys of the embeddings of the resynthesised speech.
    """
    # Version 1 did not permute. Its results on unpermuted labels are still valid.
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
    """Trains as the evaluation does, and tests every version."""
    task, params = prepared(context), evaluate.Params.of(context.spec)
    roles = [role for role in context.spec.parents if role.startswith("embeddings.")]
    versions = {ORIGINAL: layers_of(context, task.data)}
    for role in sorted(roles, key=lambda role: (not role.endswith(CONTROL), role)):
        versions[role.partition(".")[2]] = layers_of(context, task.data, role)
    tested = flattened(task.data, versions, task.folds, design_of(params, context.spec.seed))
    write_json(draft, RESULT, cue_drops(tested, split_hash(task.data.ids, task.folds)))
    tables = [
        pa.table(
            {
                "id": data.ids,
                "speaker": data.speakers,
                "version": [name] * len(data.ids),
                "gold": data.gold.astype(np.int16),
                "predicted": data.predicted[0].astype(np.int16),
            }
        )
        for name, data in tested.items()
    ]
    write_table(draft.path / PREDICTIONS, pa.concat_tables(tables))
    draft.counts |= {"utterances": len(task.data.ids), "versions": len(versions)}

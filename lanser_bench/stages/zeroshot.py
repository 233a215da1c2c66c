"""Stage `zeroshot`: recognition without a single human label of the labelled set.

The scores come from the pre-trained head, applied to the recordings, or from a labeler, applied to
the transcripts. The weak taxonomy's map translates them into the gold taxonomy. Writes
`zeroshot.json` (a `ZeroShotResult`) and `predictions.parquet`, one row per utterance.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ..data.utterances import Winner, read_utterances
from ..errors import DataError
from ..evaluation.predictions import PREDICTIONS, write_table
from ..evaluation.zeroshot import choices, zero_shot
from ..store import Draft, Spec
from ..taxonomy import Taxonomy
from .base import StageContext, present, write_json
from .label.files import read_labels
from .maps.sharding import MapResult

VERSION = "1"
RESULT = "zeroshot.json"
TESTED = "test"
"""The part of a set's own split that is scored."""


def spec(
    *,
    utterances: str,
    taxonomy: Taxonomy,
    gold: Taxonomy,
    embeddings: str | None = None,
    model: str | None = None,
    labels: str | None = None,
    tested: bool = False,
    votes: Winner = "unanimous",
) -> Spec:
    """Builds the key content.

    `taxonomy` is that of the weak labels, `gold` that of the gold labels. Scores come from
    `embeddings` by `model`, pooled as its head expects, or from the set's own weak `labels` (the
    text-only row). With `tested` only the test part of the set's own split is scored, as in the
    evaluation, which also decides on `votes`.

    Raises:
        TaxonomyError: there is no map from `taxonomy` to `gold`.
    """
    parents = {"utterances": utterances, "embeddings": embeddings, "model": model, "labels": labels}
    return Spec(
        stage="zeroshot",
        stage_version=VERSION,
        params={
            "taxonomy": taxonomy.name,
            "weak_labels": taxonomy.names,
            "labels": gold.names,
            "map": taxonomy.map_to(gold).tolist(),
            **({"part": TESTED} if tested else {}),
            **({"votes": votes} if votes != "unanimous" else {}),
        },
        parents=present(parents),
    )


def run(context: StageContext, draft: Draft) -> None:
    """Maps the scores to gold labels and compares them."""
    params = context.spec.params
    table = read_utterances(context.parent("utterances"))
    gold = table.labels(params["labels"], params.get("votes", "unanimous"))
    kept = [p for p in np.flatnonzero(gold >= 0).tolist() if table.speakers[p] is not None]
    if "part" in params:
        kept = [p for p in kept if (table.splits[p] or "").lower() == params["part"]]
    if not kept:
        raise DataError(
            f"None of {len(table)} utterances has a single gold label and a speaker. Check the "
            "dataset with `lanser-bench data check`."
        )
    source = "labels" if "labels" in context.spec.parents else "head"
    if source == "labels":
        labels = read_labels(context.parent("labels"))
        scores, abstained = labels.scores, labels.index < 0
    else:
        scores = _head(context)
        abstained = np.zeros(len(scores), bool)
    matrix = np.array(params["map"], np.float64)
    predicted = choices(scores, matrix, abstained)[kept]
    speakers = [str(table.speakers[p]) for p in kept]
    reachable = matrix.any(axis=0)
    result = zero_shot(
        predicted,
        gold[kept],
        speakers,
        params["labels"],
        source=source,
        taxonomy=params["taxonomy"],
        unreachable=[params["labels"][i] for i in np.flatnonzero(~reachable)],
    )
    write_json(draft, RESULT, result)
    columns = {
        "id": pa.array([table.ids[p] for p in kept], pa.string()),
        "speaker": pa.array(speakers, pa.string()),
        "gold": pa.array(gold[kept], pa.int16()),
        "predicted": pa.array(predicted, pa.int16()),
    }
    write_table(draft.path / PREDICTIONS, pa.table(columns))
    draft.counts |= {"utterances": len(kept), "left_out": len(table) - len(kept)}


def _head(context: StageContext) -> npt.NDArray[Any]:
    """Returns the head's scores on the last layer: softmax without the division."""
    from safetensors.numpy import load_file

    from .pretrain.spec import HEAD

    embeddings = MapResult(context.store, context.parent("embeddings"))
    vectors = embeddings.arrays(embeddings.array_names()[-1])
    head = load_file(context.parent("model").path / HEAD)
    logits = vectors.astype(np.float64) @ head["weight"].T + head["bias"]
    return np.asarray(np.exp(logits - logits.max(axis=1, keepdims=True)))

"""Columns of scores that taxonomies share: stored once for the same labeler and records."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from ...counting import tally
from ...kinds.labeler import Column, ColumnLabeler, Scores, TextRecord
from ...store import Draft, Store, digest
from ...taxonomy import Taxonomy
from ..base import StageContext
from .records import read_fields

FILE = "columns.safetensors"
FOLDER = "columns"
"""In a store: for each labeler and shard of records, a folder of empty files that are named by the
keys of their columns. A lost file costs computing these columns again."""


def shared_scores(
    context: StageContext,
    labeler: ColumnLabeler[Any],
    part: Draft,
    records: Sequence[TextRecord],
    taxonomy: Taxonomy,
) -> Scores:
    """Scores a shard's records by columns of the store; stores those that it computes.

    Columns that are computed together are one artifact, and the shard's draft refers to it. Which
    columns share one depends on what was labelled before, and their numbers do not.
    """
    store, names = context.store, labeler.columns(taxonomy)
    params: dict[str, Any] = {"records": digest([read_fields(r, labeler.reads) for r in records])}
    shared = {"stage": "label.shard", "params": params, "parents": {}}
    spec = context.spec.model_copy(update=shared)
    known, keys = _stored(store, spec.key, names)
    with ExitStack() as held:
        if len(known) < len(names):
            # One process at a time, so that stages of two taxonomies compute no column twice.
            held.enter_context(store.lock(spec.key))
            known, keys = _stored(store, spec.key, names)
        tally("columns", len(names))
        tally("columns_reused", len(known))
        new = sorted(set(names) - known.keys())
        scores = labeler.score_with(known, records, taxonomy)
        if new:
            own = spec.model_copy(update={"params": {**params, "columns": new}})
            with store.write(own) as draft:
                arrays = {str(i): np.ascontiguousarray(known[name]) for i, name in enumerate(new)}
                save_file(arrays, draft.path / FILE)
            listed = store.root / FOLDER / spec.key / own.key
            listed.parent.mkdir(parents=True, exist_ok=True)
            listed.touch()
            keys.append(own.key)
    part.parts += keys
    return scores


def _stored(
    store: Store, listing: str, names: Sequence[str]
) -> tuple[dict[str, Column], list[str]]:
    """Returns those of some columns that the store has, and the keys of their artifacts."""
    known: dict[str, Column] = {}
    keys = []
    folders = [root / FOLDER / listing for root in (store.root, *store.layers)]
    for key in sorted({path.name for folder in folders for path in folder.glob("*")}):
        artifact = store.get(key)
        own = artifact.meta["spec"]["params"]["columns"] if artifact else []
        if not set(names).intersection(own) - known.keys():
            continue
        if (whole := store.intact(key)) is None:  # damaged, or just removed
            continue
        arrays = load_file(whole.path / FILE)
        known |= {name: arrays[str(i)] for i, name in enumerate(own) if name in names}
        keys.append(key)
    return known, keys

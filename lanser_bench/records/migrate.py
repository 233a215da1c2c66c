"""Rewrites published records in the current schema, and adds predictions from a store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..errors import DataError
from ..store import Store
from .attachments import attach
from .reading import load_record, read_content
from .record import SCHEMA_VERSION, ResultRecord, save_record


@dataclass(frozen=True)
class _Keys:
    """Keys of a record's results on one labelled set."""

    evaluation: str
    measured: dict[str, dict[str, str]]


def migrate_record(path: Path, store: Store | None = None) -> str:
    """Rewrites a record in place and returns what changed.

    Its numbers, keys, commit and dates stay as they are. Predictions are added only from artifacts
    of the store that have the record's own keys; their bytes are compared with their checksums.

    Raises:
        DataError: the file is not a record, or cannot be written.
    """
    record = load_record(path)
    before = read_content(path)["schema_version"]
    said = [] if before == SCHEMA_VERSION else [f"schema {before} → {SCHEMA_VERSION}"]
    if record.predictions is None and store is not None:
        keys = [_keys(record, target) for target in range(len(record.datasets))]
        lost = [
            k
            for t in keys
            for k in (t.evaluation, *t.measured["probes"].values())
            if k not in store
        ]
        if lost:
            said.append(f"no predictions: {len(lost)} of its artifacts are not in {store.root}")
        else:
            record = record.model_copy(update=attach(store, keys, path, record))
            said.append("predictions added")
    if said:
        save_record(record, path)
    return "; ".join(said) or "as it should be"


def _keys(record: ResultRecord, target: int) -> _Keys:
    place = f"targets.{target}"
    evaluation = record.stages.get(f"evaluate {place}")
    if evaluation is None:
        raise DataError(f"{record.name}: it does not name the evaluation of {place}.")
    probes = {
        name.rpartition(" ")[2]: use.key
        for name, use in record.stages.items()
        if name.startswith(f"probe {place} ")
    }
    return _Keys(evaluation.key, {"probes": probes})

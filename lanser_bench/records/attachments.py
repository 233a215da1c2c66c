"""The files beside a record: per-utterance predictions, and sums over speakers of the probes.

With them a comparison needs neither the store nor a rerun: a fresh clone can do the paired test.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..errors import DataError
from ..evaluation.classes import Hit, PredictedClasses, class_hits, class_statistics
from ..evaluation.predictions import (
    PREDICTIONS,
    SUMS,
    Classified,
    classified_rows,
    regression_from_sums,
    speaker_sums,
)
from ..evaluation.sheets import codes, fitting
from ..evaluation.statistics import Statistic
from ..measurements import MEASUREMENTS
from ..paths import read_whole, refuse_link
from ..store import Store, sync
from .counts import footer
from .reading import load_record
from .record import Attached, ResultRecord
from .score_sums import TargetArtifacts, score_sums
from .sheets import PREDICTIONS as PREDICTION_COLUMNS
from .sheets import SHEETS


def attach(
    store: Store, targets: Sequence[TargetArtifacts], path: Path, record: ResultRecord
) -> dict[str, Any]:
    """Writes the files beside a record and returns its fields for them.

    `targets` are one per labelled set, in the record's order; its file need not exist yet. The
    fields are ``predictions``, ``measured`` and, with probes, ``probe_sums`` (of numbers) and
    ``probe_hits`` (of classes), and ``score_sums`` of other measurements.

    Raises:
        StoreError: an artifact is missing or damaged.
        DataError: the place cannot be written.
    """
    tables = [
        _placed(i, pq.read_table(store.checked(t.evaluation).path / PREDICTIONS))
        for i, t in enumerate(targets)
    ]
    about = footer(tables, [len(result.evaluation.labels) for result in record.datasets])
    found: dict[str, Any] = {
        "predictions": write_attached(pa.concat_tables(tables), path, "predictions", about),
        "measured": _measured(store, targets, path),
    }
    sums, hits = [], []
    for i, target in enumerate(targets):
        for name, key in target.measured.get("probes", {}).items():
            rows = store.checked(key).path / PREDICTIONS
            if "stratum" in pq.read_schema(rows).names:
                hits += _hits(i, name, pq.read_table(rows))
            else:
                sums += _sums(i, name, rows)
    if sums:
        found["probe_sums"] = write_attached(pa.concat_tables(sums), path, "probes")
    if hits:
        found["probe_hits"] = write_attached(pa.concat_tables(hits), path, "classes")
    scores = score_sums(store, targets)
    if len(scores):
        found["score_sums"] = write_attached(scores, path, "scores")
    return found


def attachments_of(record: ResultRecord) -> dict[str, Attached]:
    """Returns field, or name of a measurement, → file beside a record."""
    fields = {name: getattr(record, name) for name in type(record).model_fields}
    own = {name: value for name, value in fields.items() if isinstance(value, Attached)}
    return own | record.measured


def read_attached(
    record: Path, attached: Attached, columns: Sequence[str] | None = None
) -> pa.Table:
    """Reads a file beside a record, or some of its columns, after checking its SHA-256.

    Types and ranges are those of `SHEETS`.

    Raises:
        DataError: it is missing, damaged, or not the one that the record was written with.
    """
    path = record.with_name(attached.file)
    try:
        refuse_link(path, record)
        content = read_whole(path)
    except OSError as error:
        raise DataError(
            f"{path} cannot be read ({error.strerror}), but {record.name} refers to it. Copy both, "
            "or run the experiment again."
        ) from None
    found = hashlib.sha256(content).hexdigest()
    if found != attached.sha256:
        raise DataError(
            f"{path} is not the file that {record.name} was written with: its SHA-256 is "
            f"{found[:12]}…, not {attached.sha256[:12]}…. Take both from the same place."
        )
    table = SHEETS[attached.name].read(content, path, columns)
    if len(table) != attached.rows:
        raise DataError(
            f"{path} has {len(table)} rows, but {record.name} was written with {attached.rows}. "
            "Take both from the same place."
        )
    return table


def classified(record: ResultRecord, table: pa.Table, target: int, budget: str) -> Classified:
    """Returns the predictions of one labelled set, by its position, at a budget such as ``100%``.

    It is a `DataError` if the file has no such rows.
    """
    wanted = pc.and_(pc.equal(table["target"], target), pc.equal(table["budget"], budget))
    rows = table.filter(wanted)
    if not len(rows):
        raise DataError(f"{record.name}: its predictions have no rows at budget {budget}.")
    return classified_rows(rows, len(record.datasets[target].evaluation.labels))


def labelled_predictions(path: Path, target: int = 0) -> pa.Table:
    """Returns a record's predictions on one labelled set with the names of labels.

    Its columns are id, speaker, budget, fold, draw (of the labelled subset), seed (of training, if
    there is one), gold and predicted, as `lanser-bench predictions import` reads them. `target` is
    the position of the labelled set in the record.

    Raises:
        DataError: the predictions are missing or damaged.
    """
    record = load_record(path)
    if record.predictions is None:
        raise DataError(f"{path} has no predictions beside it. Run its cell again.")
    if not 0 <= target < len(record.datasets):
        raise DataError(f"{path} has no labelled set {target}, but {len(record.datasets)} from 0.")
    table = read_attached(path, record.predictions)
    table = table.filter(pc.equal(table["target"], target))
    names = pa.array([*record.datasets[target].evaluation.labels, None])
    columns = {name: table[name].cast(pa.string()) for name in ("id", "speaker", "budget")}
    columns |= {"fold": table["fold"], "draw": table["seed"]}
    if record.seed is not None:
        columns["seed"] = pa.array(np.full(len(table), record.seed))
    for name in ("gold", "predicted"):  # −1 is no label, the last
        columns[name] = names.take(pa.array(codes(table, name, len(names) - 1) % len(names)))
    return pa.table(columns)


Place = tuple[str, str, str]
"""Probe, target, scale."""


def hit_statistics(table: pa.Table, target: int) -> dict[Place, Statistic]:
    """Returns (probe, name, scale) → UAR on one labelled set as sums over speakers, sorted."""
    found: dict[Place, list[Hit]] = {}
    for row in table.to_pylist():
        if row["target"] == target:
            hit = row["speaker"], row["stratum"], row["class"], row["hits"], row["n"]
            found.setdefault((row["probe"], row["name"], row["scale"]), []).append(hit)
    with fitting(table):
        return {place: class_statistics(hits)["uar"] for place, hits in found.items()}


def probe_statistics(table: pa.Table, target: int) -> dict[Place, Statistic]:
    """Returns (probe, name, scale) → R² on one labelled set as sums over speakers, sorted."""
    found: dict[Place, list[list[float]]] = {}
    for row in table.to_pylist():
        if row["target"] == target:
            place = row["probe"], row["name"], row["scale"]
            found.setdefault(place, []).append([row[column] for column in SUMS])
    return {place: regression_from_sums(np.array(sums))["r2"] for place, sums in found.items()}


def _measured(
    store: Store, targets: Sequence[TargetArtifacts], record: Path
) -> dict[str, Attached]:
    """Writes the predictions of each measurement that keeps them."""
    found = {}
    for measurement in (m for m in MEASUREMENTS if m.recomputed is not None):
        tables = [
            _numbered(i, pq.read_table(store.checked(key).path / PREDICTIONS))
            for i, target in enumerate(targets)
            for key in target.measured.get(measurement.name, {}).values()
        ]
        if tables:
            found[measurement.name] = write_attached(
                pa.concat_tables(tables), record, measurement.name
            )
    return found


def _numbered(target: int, table: pa.Table) -> pa.Table:
    """Adds the position of the labelled set as the first column."""
    return table.add_column(0, "target", pa.array(np.full(len(table), target, np.int16)))


def _placed(target: int, table: pa.Table) -> pa.Table:
    columns = [name for name in PREDICTION_COLUMNS.names if name != "target"]
    return _numbered(target, table.select(columns)).cast(PREDICTION_COLUMNS).combine_chunks()


def _sums(target: int, probe: str, path: Path) -> list[pa.Table]:
    from ..evaluation.predictions import read_predicted

    made = []
    for name, scale in _scored(pq.read_table(path, columns=["target", "scale"])):
        speakers, sums = speaker_sums(read_predicted(path, name, scale))
        columns = {"speaker": speakers} | {column: sums[:, i] for i, column in enumerate(SUMS)}
        made.append(_of_probe("probes", (target, probe, name, scale), columns))
    return made


def _hits(target: int, probe: str, table: pa.Table) -> list[pa.Table]:
    """Returns the hits of one probe, by target and scale."""
    made = []
    for name, scale in _scored(table):
        where = pc.and_(pc.equal(table["target"], name), pc.equal(table["scale"], scale))
        names = ("id", "speaker", "stratum", "truth", "predicted")
        rows = table.filter(where)
        data = PredictedClasses(*(rows[column].to_pylist() for column in names))
        hits = zip(*class_hits(data), strict=True)
        columns = dict(zip(("speaker", "stratum", "class", "hits", "n"), hits, strict=True))
        made.append(_of_probe("classes", (target, probe, name, scale), columns))
    return made


def _scored(table: pa.Table) -> list[tuple[str, str]]:
    """Returns the targets and scales of a probe's rows."""
    places = zip(table["target"].to_pylist(), table["scale"].to_pylist(), strict=True)
    return list(dict.fromkeys(places))


def _of_probe(sheet: str, place: tuple[object, ...], columns: Mapping[str, Any]) -> pa.Table:
    """Returns rows of one target and scale as a table of `SHEETS`."""
    n = len(columns["speaker"])
    names = ("target", "probe", "name", "scale")
    fixed = {name: [value] * n for name, value in zip(names, place, strict=True)}
    return pa.table({**fixed, **columns}, schema=SHEETS[sheet].columns)


def write_attached(
    table: pa.Table, record: Path, name: str, about: Mapping[str, str] | None = None
) -> Attached:
    """Writes a table beside a record, with metadata, completely or not at all.

    Raises:
        DataError: the place cannot be written.
    """
    path = record.with_name(f"{record.stem}.{name}.parquet")
    temporary = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        level: dict[str, Any] = {"compression": "zstd", "compression_level": 19}
        with pq.ParquetWriter(temporary, table.schema, **level) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata(dict(about or {}))
        sync(temporary)
        found = hashlib.sha256(temporary.read_bytes()).hexdigest()
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise DataError(
            f"{path} cannot be written: {error.strerror}. Choose another place with paths.results; "
            "no stage runs again for it."
        ) from None
    return Attached(file=path.name, sha256=found, rows=len(table))

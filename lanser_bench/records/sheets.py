"""Columns of the files beside a record, by the part of their names before ``.parquet``."""

from __future__ import annotations

import pyarrow as pa

from ..evaluation.predictions import PLACED, SUMS, WORD
from ..evaluation.sheets import Sheet
from ..measurements import MEASUREMENTS

_TARGET = pa.field("target", pa.int16())  # position in the record's `datasets`
_PROBE = [_TARGET, *((n, pa.string()) for n in ("probe", "name", "scale", "speaker"))]
PREDICTIONS = pa.schema([_TARGET, *PLACED, ("gold", pa.int16()), ("predicted", pa.int16())])
SCORES = pa.schema(
    [
        _TARGET,
        ("score", pa.string()),  # name of a `measurements.base.Column`
        ("budget", pa.string()),  # `WHOLE` at no particular budget
        ("speaker", pa.string()),
        ("sums", pa.list_(pa.float64())),
    ]
)
STAGES = pa.schema(
    [
        ("corpus", pa.string()),  # key of the record's `labels` and `transcripts`
        ("part", pa.string()),  # of `QualitySums`
        ("unit", pa.string()),
        ("row", pa.int16()),
        ("column", pa.int16()),
        ("value", pa.float64()),
    ]
)
"""Sums that are not 0. Names of rows and columns are in the metadata, by corpus."""
_LABELS = pa.schema(
    [
        ("corpus", WORD),  # key of the record's `labels`
        ("id", pa.string()),
        ("speaker", WORD),
        ("gold", pa.int16()),
        ("weak", pa.int16()),
        ("confidence", pa.float32()),
    ]
)
SHEETS = {
    "predictions": Sheet(PREDICTIONS, {"predicted": -1}),
    "probes": Sheet(pa.schema([*_PROBE, *((name, pa.float64()) for name in SUMS)])),
    "classes": Sheet(
        pa.schema(
            [
                *(*_PROBE, ("stratum", pa.string()), ("class", pa.string())),
                *(("hits", pa.int32()), ("n", pa.int32())),
            ]
        )
    ),
    "scores": Sheet(SCORES),
    "stages": Sheet(STAGES),
    "labels": Sheet(_LABELS, {"weak": -1}, optional=("speaker",)),
    **{
        m.name: Sheet(pa.schema([_TARGET, *m.kept]), dict.fromkeys(m.kept.names, -1))
        for m in MEASUREMENTS
        if m.kept is not None
    },
}

"""Stage `targets`: a probe's measurements of each utterance, to predict from embeddings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from ..data.utterances import UtteranceTable
from ..errors import PluginError, SettingsError, did_you_mean, plugin_boundary
from ..kinds.probe import Probe
from ..plugins.identity import library_versions
from ..store import Draft, PluginIdentity, Spec, Store, digest
from .base import StageContext
from .maps.sharding import ROWS, MapResult
from .maps.spans import SPEECH_COLUMNS, Bucket, map_utterances, span_rows

VERSION = "2"
SHARD_ROWS = 256
BATCH = 32


def spec(*, utterances: str, probe: PluginIdentity) -> Spec:
    """Returns the content of the stage's key."""
    return Spec(
        stage="targets",
        stage_version=VERSION,
        plugins={"probe": probe},
        params={"libraries": library_versions(("soundfile", "soxr"))},
        parents={"utterances": utterances},
    )


def run(context: StageContext, draft: Draft) -> None:
    """Measures all distinct utterances, shard by shard."""
    probe: Probe[Any] = context.plugin("probe")
    name = context.name("probe")
    if probe.task == "regression" and probe.held_out in ("sentences", "speakers-within-sentence"):
        raise PluginError(
            f"probe '{name}' has the task 'regression' and holds out '{probe.held_out}', which is "
            "only for classes."
        )

    def compute(bucket: Bucket, part: Draft) -> pa.Table:
        rows = range(len(bucket.table))
        batches = [rows[begin : begin + BATCH] for begin in rows[::BATCH]]
        values = np.concatenate([_measured(bucket, probe, name, batch) for batch in batches])
        kind = pa.string() if probe.task == "classification" else pa.float64()
        names: Sequence[str] = probe.targets
        if probe.components is not None:
            names = [f"{names[0]}_{i:04d}" for i in range(values.shape[1])]
        return pa.table({target: pa.array(values[:, i], kind) for i, target in enumerate(names)})

    def names(table: UtteranceTable) -> list[str]:
        """Names rows by the fields that the probe declares it reads."""
        columns: list[Sequence[Any]] = [span_rows(table)] if "audio" in probe.reads else []
        columns += [getattr(table, c) for f, c in SPEECH_COLUMNS.items() if f in probe.reads]
        return [digest([sorted(probe.reads), *row]) for row in zip(*columns, strict=True)]

    audio = "a probe of the sound" if "audio" in probe.reads else None
    map_utterances(context, draft, names, compute, SHARD_ROWS, needs_audio=audio)
    undefined: Counter[str] = Counter()
    for key in draft.parts:
        shard = pq.read_table(context.store.checked(key).path / ROWS)
        for target in shard.column_names:
            # NaN is not equal to itself.
            undefined[target] += sum(v is None or v != v for v in shard[target].to_pylist())
    draft.counts["undefined"] = dict(undefined)


def read_targets(store: Store, key: str) -> dict[str, npt.NDArray[np.float64]]:
    """Returns target → values, shape (utterances,), NaN where undefined, in the manifest's order.

    Raises:
        StoreError: the artifact is missing or damaged.
    """
    columns = read_classes(store, key)
    return {name: np.array(values, np.float64) for name, values in columns.items()}


def read_classes(store: Store, key: str) -> dict[str, list[str | None]]:
    """Returns target → names of classes, None where undefined, in the manifest's order.

    Raises:
        StoreError: the artifact is missing or damaged.
    """
    return MapResult(store, store.checked(key)).columns()


def check_names(wanted: Sequence[str], measured: Sequence[str]) -> None:
    """Raises `SettingsError` if acoustic targets of pre-training are not among `measured`."""
    for name in wanted:
        if name not in measured:
            raise SettingsError(
                f"pretrain.acoustic.targets: nothing measures '{name}'."
                f"{did_you_mean(name, measured)}"
            )


def _measured(
    bucket: Bucket, probe: Probe[Any], name: str, rows: Sequence[int]
) -> npt.NDArray[Any]:
    where = f"probe '{name}' on {len(rows)} utterances (first: '{bucket.table.ids[rows[0]]}')"
    batch = [bucket.speech(row, probe.reads) for row in rows]
    with plugin_boundary(f"{where} failed"):
        kind = object if probe.task == "classification" else np.float64
        values = np.asarray(probe.measure(batch), kind)
    width = values.shape[-1] if probe.components else len(probe.targets)
    if values.shape != (len(rows), width):
        raise PluginError(
            f"{where} returned shape {values.shape} for {len(probe.targets)} targets."
        )
    if values.dtype != object:
        return np.where(np.isinf(values), np.nan, values)
    if not all(isinstance(value, str | None) for value in values.flat):
        raise PluginError(f"{where} returned invalid class names: each must be a text or None.")
    return values

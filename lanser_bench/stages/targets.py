"""Stage `targets`: what a probe measures on each utterance, to be predicted from embeddings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from ..data.utterances import UtteranceTable
from ..errors import PluginError, SettingsError, did_you_mean, plugin_boundary
from ..kinds.probe import Probe
from ..kinds.speech import Speech
from ..plugins.identity import library_versions
from ..store import Draft, PluginIdentity, Spec, Store, digest
from .base import StageContext
from .maps.sharding import ROWS, MapResult
from .maps.spans import Bucket, check_audio, map_utterances, span_rows

VERSION = "2"
SHARD_ROWS = 256
BATCH = 32


class Params(BaseModel):
    """The stage has no settings of its own; the probe's options are the plugin's."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def spec(*, utterances: str, probe: PluginIdentity) -> Spec:
    """Builds the key content.

    Args:
        utterances: key of the utterances.
        probe: the probe that measures.
    """
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
    name = context.spec.plugins["probe"].name
    if probe.task == "regression" and probe.held_out in ("sentences", "speakers-within-sentence"):
        raise PluginError(
            f"probe '{name}' holds out '{probe.held_out}', which is for classes; its task is "
            "regression."
        )
    if "audio" in probe.reads:
        check_audio(context.parent("utterances"), "a probe that measures sound")

    def compute(bucket: Bucket, part: Draft) -> None:
        rows = range(len(bucket.table))
        batches = [rows[at : at + BATCH] for at in rows[::BATCH]]
        values = np.concatenate([_measured(bucket, probe, name, batch) for batch in batches])
        kind = pa.string() if probe.task == "classification" else pa.float64()
        names = _names(probe, values.shape[1])
        columns = {t: pa.array(values[:, i], kind) for i, t in enumerate(names)}
        pq.write_table(pa.table(columns), part.path / ROWS)

    map_utterances(
        context,
        draft,
        names=lambda table: _row_names(table, probe),
        compute=compute,
        capacity=SHARD_ROWS,
    )
    undefined: Counter[str] = Counter()
    for key in draft.parts:
        part = pq.read_table(context.store.checked(key).path / ROWS)
        for target in part.column_names:
            # NaN is not equal to itself.
            undefined[target] += sum(v is None or v != v for v in part[target].to_pylist())
    draft.counts["undefined"] = dict(undefined)


def _names(probe: Probe[Any], width: int) -> Sequence[str]:
    """Names of the columns; those of a vector count on."""
    if probe.components is None:
        return probe.targets
    return [f"{probe.targets[0]}_{i:04d}" for i in range(width)]


def read_targets(store: Store, key: str) -> dict[str, npt.NDArray[np.float64]]:
    """Returns target → values, shape (utterances,), NaN where undefined, in the manifest's order.

    Raises:
        StoreError: the artifact is absent or damaged.
    """
    return {name: np.array(found, np.float64) for name, found in _columns(store, key).items()}


def read_classes(store: Store, key: str) -> dict[str, list[str | None]]:
    """Returns target → names of classes, None where undefined, in the manifest's order.

    Raises:
        StoreError: the artifact is absent or damaged.
    """
    return _columns(store, key)


def _columns(store: Store, key: str) -> dict[str, list[Any]]:
    result = MapResult(store, store.checked(key))
    names = pq.read_schema(result.part_paths()[0] / ROWS).names if result.part_paths() else []
    return {name: list(result.column(name)) for name in names}


def check_names(wanted: Sequence[str], measured: Sequence[str]) -> None:
    """Raises `SettingsError` where acoustic targets of pre-training are not among `measured`."""
    for name in wanted:
        if name not in measured:
            raise SettingsError(
                f"pretrain.acoustic.targets: nothing measures '{name}'."
                f"{did_you_mean(name, measured)}"
            )


def _row_names(table: UtteranceTable, probe: Probe[Any]) -> list[str]:
    """Names a row by what the probe declares that it reads."""
    columns: list[Sequence[Any]] = []
    if "audio" in probe.reads:
        columns.append(span_rows(table))
    others: dict[str, Sequence[Any]] = {
        "language": table.languages,
        "transcript": table.transcripts,
        "extras": table.extras,
        "speaker": table.speakers,
        "sentence_id": table.sentence_ids,
        "gold": table.gold,
    }
    columns += [values for field, values in others.items() if field in probe.reads]
    return [digest([sorted(probe.reads), *row]) for row in zip(*columns, strict=True)]


def _measured(
    bucket: Bucket, probe: Probe[Any], name: str, rows: Sequence[int]
) -> npt.NDArray[Any]:
    where = f"probe '{name}' on {len(rows)} utterances from '{bucket.table.ids[rows[0]]}' on"
    batch = [_speech(bucket, probe, row) for row in rows]
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
        raise PluginError(f"{where} returned classes that are no names: a class is a text or None.")
    return values


def _speech(bucket: Bucket, probe: Probe[Any], row: int) -> Speech:
    reads, table = probe.reads, bucket.table
    return Speech(
        bucket.samples(row) if "audio" in reads else np.zeros(0, np.float32),
        language=table.languages[row] if "language" in reads else None,
        transcript=table.transcripts[row] if "transcript" in reads else None,
        extras=table.extras[row] if "extras" in reads else {},
        speaker=table.speakers[row] if "speaker" in reads else None,
        sentence_id=table.sentence_ids[row] if "sentence_id" in reads else None,
        gold=table.gold[row] if "gold" in reads else {},
    )

"""Sums over speakers of the scores of measurements, in one file beside the record.

Cells are paired by speaker from them, without the store and without per-utterance predictions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from ..evaluation.predictions import PREDICTIONS
from ..evaluation.sheets import fitting
from ..evaluation.statistics import Statistic
from ..measurements import MEASUREMENTS
from ..measurements.base import Column
from ..store import Store
from .sheets import SCORES


@dataclass(frozen=True)
class SpeakerScore:
    """A score as a function of sums over speakers."""

    speakers: list[str]
    """Sorted."""
    statistic: Statistic


class TargetArtifacts(Protocol):
    """Keys of the results of one labelled set in a store."""

    @property
    def evaluation(self) -> str:
        """Key of the evaluation."""

    @property
    def measured(self) -> Mapping[str, Mapping[str, str]]:
        """Name of a measurement → plugin or role → key."""


def score_sums(store: Store, targets: Sequence[TargetArtifacts]) -> pa.Table:
    """Returns the sums of all scores of some labelled sets; empty if none has such scores."""
    rows = [row for i, target in enumerate(targets) for row in _rows(store, i, target)]
    return pa.Table.from_pylist(rows, SCORES)


def _rows(store: Store, target: int, keys: TargetArtifacts) -> Iterator[dict[str, Any]]:
    for measurement in MEASUREMENTS:
        columns = [(c.name, c.sums) for c in measurement.columns if c.sums is not None]
        for key in keys.measured.get(measurement.name, {}).values() if columns else ():
            path = store.checked(key).path
            text = (path / measurement.file).read_bytes()
            result = measurement.result.model_validate_json(text)
            table = pq.read_table(path / PREDICTIONS)
            for name, sums in columns:
                for budget, (speakers, values) in sums(result, table).items():
                    row = {"target": target, "score": name, "budget": budget}
                    for speaker, own in zip(speakers, values.tolist(), strict=True):
                        yield {**row, "speaker": speaker, "sums": own}


def speaker_scores(table: pa.Table, target: int, column: Column[Any]) -> dict[str, SpeakerScore]:
    """Returns budget, or `WHOLE`, → a score on one labelled set, from a record's sums."""
    own = table.filter(
        pc.and_(pc.equal(table["target"], target), pc.equal(table["score"], column.name))
    )
    found = {}
    for budget in own["budget"].unique().to_pylist():
        rows = own.filter(pc.equal(own["budget"], budget))
        with fitting(table):
            statistic = column.score(np.array(rows["sums"].to_pylist()))
            statistic.value(statistic.sums.sum(0))
        bounded = replace(statistic, bounds=column.bounds)
        found[budget] = SpeakerScore(rows["speaker"].to_pylist(), bounded)
    return found

"""Checks published records: their schema, the files beside them, and that both agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ..errors import DataError
from ..evaluation.folds import Fold, split_hash
from ..evaluation.label_quality import statistics
from ..evaluation.metrics import confusion_matrix
from ..evaluation.predictions import Classified, classification, sorted_codes
from ..evaluation.results import EvaluationResult, Metric
from ..evaluation.statistics import Statistic
from ..measurements import MEASUREMENTS, PROBE
from ..measurements.base import WHOLE, Measurement
from ..measurements.metrics import MEASURED
from .attachments import classified, hit_statistics, probe_statistics, read_attached
from .counts import counted, footer_counts
from .reading import ForeignFileError, load_record, record_files
from .record import Attached, ResultRecord
from .score_sums import speaker_scores
from .stage_sums import record_sums
from .weak_labels import corpus_labels, has_gold

TOLERANCE = 1e-9
"""Largest difference of a score that is computed again: sums are added in another order."""
WHOLE_SPLITS = ("k-speaker-folds", "leave-one-speaker-out")
"""Protocols in which a fold trains on all that it does not test: predictions give the split."""


@dataclass
class Checked:
    """Faults of one record."""

    path: Path
    faults: list[str] = field(default_factory=list)
    """Sentences; empty for a sound record."""
    notes: list[str] = field(default_factory=list)
    """Sentences on missing parts."""
    foreign: bool = False
    """True for a file that is not a record."""


def check_records(places: list[Path]) -> list[Checked]:
    """Checks all records below some folders (or single files); having none is a `DataError`."""
    found = [(place, check_record(path)) for place in places for path in record_files(place)]
    for place, checked in found:
        if checked.foreign and checked.path != place:
            checked.faults, checked.notes = [], ["is no result record, so it is ignored"]
    return [checked for _, checked in found]


def check_record(path: Path) -> Checked:
    """Checks one record: schema, checksums, and every score against its predictions."""
    found = Checked(path)
    try:
        record = load_record(path)
    except ForeignFileError as error:
        found.foreign, found.faults = True, [str(error)]
        return found
    except DataError as error:
        found.faults.append(str(error))
        return found
    if record.predictions is None:
        found.notes.append("has no predictions beside it: it cannot be compared pairwise")
    else:
        _collect(found, _predictions(path, record))
    for result in record.datasets:
        if result.evaluation.budgets and all(b.uar.value == 1 for b in result.evaluation.budgets):
            found.notes.append(
                f"{result.dataset}: every prediction is right with every label budget; check that "
                "the encoder's input does not contain the label"
            )
    if record.probe_sums is not None:
        _collect(found, _probes(path, record, record.probe_sums, "R²"))
    if record.probe_hits is not None:
        _collect(found, _probes(path, record, record.probe_hits, "UAR"))
    for measurement in MEASUREMENTS:
        if measurement.name in record.measured:
            _collect(found, _measured(path, record, measurement))
    if record.score_sums is not None:
        _collect(found, _scores(path, record, record.score_sums))
    if record.weak_labels is not None:
        _collect(found, _weak_labels(path, record, record.weak_labels))
    _collect(found, _stages(path, record))
    return found


def _collect(found: Checked, sentences: Iterator[str]) -> None:
    try:
        found.faults += [f"{found.path}: {sentence}" for sentence in sentences]
    except DataError as error:
        found.faults.append(str(error))


def _predictions(path: Path, record: ResultRecord) -> Iterator[str]:
    assert record.predictions is not None
    table = read_attached(path, record.predictions)
    for target, result in enumerate(record.datasets):
        where = result.dataset
        for budget in result.evaluation.budgets:
            data = classified(record, table, target, budget.budget)
            again = classification(data)
            for name in ("uar", "wa", "macro_f1"):
                value = float(again[name].value(again[name].sums.sum(0)))
                written = getattr(budget, name).value
                if abs(value - written) > TOLERANCE:
                    yield (
                        f"{where}, {name} at {budget.budget} is {written:.6f}, but its predictions "
                        f"give {value:.6f}."
                    )
        yield from _identity(where, result.evaluation, data, table, target)
        labels = len(result.evaluation.labels)
        given, own = footer_counts(table, target, labels), counted(table, target, labels)
        if given and not (
            given.utterances == own.utterances
            and given.tallies.keys() == own.tallies.keys()
            and all(np.array_equal(given.tallies[b], of) for b, of in own.tallies.items())
        ):
            yield f"{where}: the counts by speaker are not those of the rows of its predictions."


def _identity(
    where: str, evaluation: EvaluationResult, data: Classified, table: pa.Table, target: int
) -> Iterator[str]:
    counted = {"n_utterances": len(data.ids), "n_speakers": len(set(data.speakers))}
    whole = evaluation.protocol in WHOLE_SPLITS
    for name, n in counted.items() if whole else ():
        if n != getattr(evaluation, name):
            yield f"{where}: {name} is {getattr(evaluation, name)}, its predictions have {n}."
    own = table.filter(pa.compute.equal(table["target"], target))
    ids, row = sorted_codes(own["id"])
    fold = np.zeros(len(ids), np.int64)
    fold[row] = own["fold"].to_numpy()
    fold_of = dict(zip(ids, fold.tolist(), strict=True))
    folds_of: dict[str, set[int]] = {}
    for name, speaker in zip(data.ids, data.speakers, strict=True):
        folds_of.setdefault(speaker, set()).add(fold_of[name])
    if whole and any(len(folds) > 1 for folds in folds_of.values()):
        yield f"{where}: a speaker is tested in two folds, so speakers cross."
    if whole and _split(data.ids, fold_of) != evaluation.split_hash:
        yield f"{where}: the split's hash is not that of the folds in its predictions."


def _split(ids: list[str], fold_of: dict[str, int]) -> str:
    number = np.array([fold_of[name] for name in ids])
    none = np.zeros(0, np.int64)
    folds = [
        Fold(np.flatnonzero(number != k), np.flatnonzero(number == k), none)
        for k in range(int(number.max()) + 1)
    ]
    return split_hash(ids, folds)


def _probes(path: Path, record: ResultRecord, sums: Attached, name: str) -> Iterator[str]:
    """Checks targets that are numbers (R²) or classes (UAR)."""
    numbers = name == "R²"
    table = read_attached(path, sums)
    for target, result in enumerate(record.datasets):
        found = (probe_statistics if numbers else hit_statistics)(table, target)
        for probe in result.of(PROBE):
            written = (
                [(score, score.r2) for score in probe.targets]
                if numbers
                else [(score, score.uar) for score in probe.classes]
            )
            for score, value in written:
                place = probe.probe, score.target, score.scale
                what = f"{name} of {' '.join(place)}"
                yield from _again(found.get(place), result.dataset, what, value)


def _measured(path: Path, record: ResultRecord, measurement: Measurement[Any]) -> Iterator[str]:
    """Checks the scores of a measurement that keeps its predictions."""
    table = read_attached(path, record.measured[measurement.name])
    assert measurement.recomputed is not None
    for target, result in enumerate(record.datasets):
        own = table.filter(pc.equal(table["target"], target))
        for one in result.of(measurement):
            for name, written, value in measurement.recomputed(one, own):
                if not abs(value - written) <= TOLERANCE:
                    yield (
                        f"{result.dataset}, {measurement.name} {name} is {written:.6f}, but its "
                        f"predictions give {value:.6f}."
                    )


def _scores(path: Path, record: ResultRecord, sums: Attached) -> Iterator[str]:
    """Checks the scores of measurements that have sums."""
    table = read_attached(path, sums)
    for target, result in enumerate(record.datasets):
        for name, (measurement, column) in MEASURED.items():
            found = speaker_scores(table, target, column)
            for one in result.of(measurement):
                written = {WHOLE: column.read(one), **column.budgets(one)}
                for budget, value in written.items():
                    score = found.get(budget)
                    if value is not None:
                        statistic = None if score is None else score.statistic
                        what = f"{name} at {budget}" if budget else name
                        yield from _again(statistic, result.dataset, what, value)


def _weak_labels(path: Path, record: ResultRecord, attached: Attached) -> Iterator[str]:
    """Checks the confusion matrices of weak labels."""
    for corpus, summary in record.labels.items():
        if has_gold(summary) and summary.gold is not None:
            k = len(summary.gold.labels)
            labels = corpus_labels(path, attached, corpus, k)
            kept = labels.weak >= 0
            found = confusion_matrix(labels.gold[kept], labels.weak[kept], k)
            if found.tolist() != summary.gold.confusion:
                yield f"{corpus}: its weak labels give another confusion matrix than its summary."


def _stages(path: Path, record: ResultRecord) -> Iterator[str]:
    """Checks the scores of weak labels and transcripts."""
    for corpus, sums in record_sums(path, record).items():
        labels, texts = record.labels.get(corpus), record.transcripts.get(corpus)
        written: dict[str, float | None] = {}
        if labels is not None:
            written["coverage"] = labels.coverage
            if has_gold(labels) and labels.gold and (gold := labels.gold.abstention_is_wrong):
                written |= {"uar": gold.uar.value, "kappa": gold.kappa}
        if texts is not None and texts.wer is not None:
            written |= {"wer": texts.wer.wer, "cer": texts.wer.cer}
        found = statistics(sums)
        for name, value in written.items():
            if value is not None:
                yield from _again(found.get(name), corpus, name, Metric(value=value))


def _again(statistic: Statistic | None, where: str, name: str, written: Metric) -> Iterator[str]:
    """Compares a written score with that of its sums; `where` names set and score."""
    if statistic is None:
        yield f"{where}: there are no sums of {name}."
        return
    value = float(statistic.value(statistic.sums.sum(0)))
    if abs(value - written.value) > 1e-6 * max(1.0, abs(value)):
        yield f"{where}, {name} is {written.value:.6f}, but its sums give {value:.6f}."

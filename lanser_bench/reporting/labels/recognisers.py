"""Compares speech recognisers: errors, words in silence, speed, and what they cost weak labels."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..._face import Tabled
from ...data.utterances import read_utterances
from ...errors import DataError
from ...evaluation.agreement import Units, kappa_statistic, proportion, share
from ...evaluation.label_quality import QualitySums, statistics
from ...evaluation.results import Metric
from ...evaluation.statistics import metric
from ...experiment.labelling import LabelledCorpus, TranscribedCorpus
from ...records.stage_sums import stage_sums
from ...stages.label.files import read_index
from ...stages.maps.sharding import MapResult
from ...stages.transcribe.spec import SUMMARY
from .costs import Cost, cost_of
from .ladder import Ladder, compare_labelers
from .pairs import Pair, over_units, paired

REFERENCE = "reference"
"""The recogniser that returns the dataset's own transcripts."""


@dataclass(frozen=True)
class Silence:
    """What a recogniser makes of clips without words."""

    clips: int
    gated: int
    """Clips too quiet for the stage to run the recogniser."""
    with_words: Metric
    """Share of the clips with words in the transcript."""


@dataclass(frozen=True)
class LabelCost:
    """Labels from recognised texts against labels of the same labeler from the references."""

    same: Metric
    """Share of equal labels among utterances that have both."""
    kappa: Metric
    lost_or_gained: Metric
    """Share of utterances with a label from one text only."""


@dataclass(frozen=True)
class Recogniser:
    """One recogniser."""

    asr: str
    wer: Metric
    cer: Metric
    edits: dict[str, float]
    """Substitutions, deletions and insertions per reference word."""
    silence: Silence | None
    cost: Cost | None
    """Per hour of speech."""
    labels: LabelCost | None


@dataclass(frozen=True)
class Recognisers(Tabled):
    """Several recognisers on the same utterances, that with the fewest word errors first."""

    dataset: str
    utterances: int
    """Utterances with a reference transcript."""
    words: int
    hours: float
    intervals_over: str
    speakers: int | None
    rows: list[Recogniser]
    pairs: list[Pair]
    """Differences in word error rate: each recogniser with each later one."""
    labels: Ladder | None
    """The labeler on each recogniser's texts and on the references, against gold."""


def compare_recognisers(
    dataset: str,
    corpora: Mapping[str, TranscribedCorpus],
    *,
    silence: Mapping[str, TranscribedCorpus] | None = None,
    labelled: Mapping[str, LabelledCorpus] | None = None,
) -> Recognisers:
    """Compares recognisers of the same corpus.

    Args:
        dataset: its name.
        corpora: name of a recogniser → its transcripts, as `transcribe_corpus` returns them.
        silence: its transcripts of clips without words.
        labelled: labels from its transcripts, and under `REFERENCE` those from the references.

    Raises:
        DataError: the corpus has no reference transcripts.
    """
    sums = {name: stage_sums(c.store, None, c.transcripts) for name, c in corpora.items()}
    first = next(iter(corpora.values()))
    table = read_utterances(first.store.checked(first.utterances))
    known = [bool(text) for text in table.transcripts]
    unknown = [name for name, each in sums.items() if not each.parts]
    if unknown:
        raise DataError(
            f"The errors of '{unknown[0]}' on '{dataset}' are unknown: the dataset has no "
            "transcripts, or the recogniser returns them. Name a dataset with transcripts, and "
            "recognisers that do not read them."
        )
    units = Units.of(table.speakers)
    rows = sorted(
        (
            _recogniser(name, sums[name], corpora[name], units, silence, labelled)
            for name in corpora
        ),
        key=lambda row: row.wer.value,
    )
    gold = labelled is not None and next(iter(labelled.values())).gold_taxonomy is not None
    return Recognisers(
        dataset=dataset,
        utterances=sum(known),
        words=int(next(iter(sums.values())).parts["words"][:, 1].sum()),
        hours=float(np.nansum(_seconds(first))) / 3600,
        intervals_over=units.kind,
        speakers=None if units.speakers is None else len(set(units.speakers.tolist())),
        rows=rows,
        pairs=paired(sums, [row.asr for row in rows], "wer", units.kind),
        labels=compare_labelers(labelled) if labelled and gold else None,
    )


def _recogniser(
    name: str,
    sums: QualitySums,
    corpus: TranscribedCorpus,
    units: Units,
    silence: Mapping[str, TranscribedCorpus] | None,
    labelled: Mapping[str, LabelledCorpus] | None,
) -> Recogniser:
    scores = {n: over_units(metric(s), units.kind) for n, s in statistics(sums).items()}
    counted = _summary(corpus)["wer"]
    edits = ("substitutions", "deletions", "insertions")
    return Recogniser(
        asr=name,
        wer=scores["wer"],
        cer=scores["cer"],
        edits={kind: counted[kind] / counted["words"] for kind in edits},
        silence=_silence([corpus, *([silence[name]] if silence else [])]),
        cost=_cost(corpus),
        labels=_label_cost(labelled[name], labelled[REFERENCE], units) if labelled else None,
    )


def _summary(corpus: TranscribedCorpus) -> dict[str, Any]:
    path = corpus.store.checked(corpus.transcripts).path / SUMMARY
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _silence(corpora: list[TranscribedCorpus]) -> Silence | None:
    """Counts clips whose reference is known to be empty; a missing reference is None."""
    wordy: list[bool] = []
    gated = 0
    for corpus in corpora:
        references = read_utterances(corpus.store.checked(corpus.utterances)).transcripts
        result = MapResult(corpus.store, corpus.store.checked(corpus.transcripts))
        columns = result.columns("text", "silent")
        for reference, text, quiet in zip(references, *columns.values(), strict=True):
            if reference == "":
                wordy.append(bool(text.split()))
                gated += quiet
    if not wordy:
        return None
    return Silence(len(wordy), gated, proportion(sum(wordy), len(wordy)))


def _seconds(corpus: TranscribedCorpus) -> Any:
    table = read_utterances(corpus.store.checked(corpus.utterances))
    return np.array([seconds or 0.0 for seconds in table.seconds])


def _cost(corpus: TranscribedCorpus) -> Cost | None:
    """Divides each shard's time by its hours of speech."""
    result = MapResult(corpus.store, corpus.store.checked(corpus.transcripts))
    places = np.stack(result.places())
    _, once = np.unique(places, axis=1, return_index=True)  # equal clips are recognised once
    hours = _seconds(corpus)[once] / 3600
    return cost_of(corpus.store, corpus.transcripts, list(np.bincount(places[0, once], hours)))


def _label_cost(
    recognised: LabelledCorpus, reference: LabelledCorpus, units: Units
) -> LabelCost | None:
    a, b = (read_index(c.store.checked(c.labels)).astype(np.int64) for c in (recognised, reference))
    both = (a >= 0) & (b >= 0)
    if not both.any():
        return None
    mine, k = units.part(both), len(reference.taxonomy.labels)
    kappa = metric(kappa_statistic(b[both], a[both], k, mine.codes(int(both.sum()))))
    return LabelCost(
        share(a[both] == b[both], mine),
        over_units(kappa, units.kind),
        share((a >= 0) != (b >= 0), units),
    )

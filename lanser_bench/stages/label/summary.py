"""Summarises weak labels: coverage, entropy, abstentions, agreement with gold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...data.utterances import UtteranceTable
from ...errors import TaxonomyError
from ...evaluation.agreement import Units, cohen_kappa
from ...evaluation.agreement import agreement as scored
from ...evaluation.metrics import confusion_matrix
from ...evaluation.results import Metric
from ...evaluation.summaries import AgreementScores, GoldAgreement, HitShare, LabelSummary, LabelUse
from ...evaluation.zeroshot import choices as mapped_choices
from ...kinds.labeler import ScoreKind
from ...taxonomy import Taxonomy
from .decision import REASONS, Choices

Ints = npt.NDArray[np.int64]


def label_summary(
    choices: Choices, kind: ScoreKind, taxonomy: Taxonomy, gold: GoldAgreement | None
) -> LabelSummary:
    """Returns the content of ``labels.json``; `kind` is that of the labeler's scores."""
    n, use = len(choices.index), label_use(choices.index, choices.confidence, taxonomy)
    without = choices.reason[choices.index < 0]
    reasons = np.bincount(without, minlength=len(REASONS)).tolist()
    return LabelSummary(
        taxonomy=taxonomy.name,
        taxonomy_hash=taxonomy.hash,
        score_kind=kind,
        utterances=n,
        coverage=use.labelled / n if n else 0.0,
        abstained={reason: count for reason, count in zip(REASONS, reasons, strict=True) if count},
        gold=gold,
        **dict(use),
    )


def label_use(
    index: npt.NDArray[np.integer[Any]], confidence: npt.NDArray[np.float32], taxonomy: Taxonomy
) -> LabelUse:
    """Returns how often each label was given.

    `index` has shape (n,), −1 for no label; `confidence` are the best labels' scores, shape (n,).
    """
    given = index >= 0
    counts = np.bincount(index[given], minlength=len(taxonomy.labels))
    return LabelUse(
        labelled=int(given.sum()),
        labels=dict(zip(taxonomy.names, counts.tolist(), strict=True)),
        never_firing=[name for name, c in zip(taxonomy.names, counts, strict=True) if c == 0],
        label_entropy_bits=entropy_bits(counts),
        max_entropy_bits=float(np.log2(len(taxonomy.labels))),
        mean_confidence=float(confidence[given].mean()) if given.any() else None,
    )


def entropy_bits(counts: npt.NDArray[Any]) -> float:
    """Returns the entropy of the label counts, in bits: 0 if all are the same label."""
    total = counts.sum()
    shares = counts[counts > 0] / total if total else np.zeros(0)
    return float(np.abs(-(shares * np.log2(shares)).sum()))


def gold_matrix(table: UtteranceTable, taxonomy: Taxonomy) -> npt.NDArray[np.float64]:
    """Returns gold weights, shape (n, K); rows add up to 1, or to 0 for unlabelled utterances."""
    weights = np.zeros((len(table), len(taxonomy.labels)))
    for row, gold in enumerate(table.gold):
        for name, weight in gold.items():
            weights[row, taxonomy.index(name)] = weight
    total = weights.sum(axis=1, keepdims=True)
    np.divide(weights, total, out=weights, where=total > 0)
    return weights


def gold_agreement(
    table: UtteranceTable,
    scores: npt.NDArray[np.float64],
    labelled: npt.NDArray[np.bool_],
    taxonomy: Taxonomy,
    gold_taxonomy: Taxonomy,
    unlabelled: int = 0,
) -> GoldAgreement:
    """Compares weak labels, mapped into the gold taxonomy, with single gold labels.

    `scores` have shape (n, K), `labelled` shape (n,). `unlabelled` is the number of further
    utterances of the corpus, which have no gold.
    """
    try:
        matrix = taxonomy.map_to(gold_taxonomy)
    except TaxonomyError as error:
        return GoldAgreement(taxonomy=gold_taxonomy.name, not_compared=str(error))
    predicted = mapped_choices(scores, matrix, ~labelled)
    gold, k = table.labels(gold_taxonomy.names), len(gold_taxonomy.labels)
    both = (gold >= 0) & (predicted >= 0)
    names, unreachable = gold_taxonomy.names, np.flatnonzero(~matrix.any(axis=0))
    agreement = GoldAgreement(
        taxonomy=gold_taxonomy.name,
        labels=names,
        unreachable=[names[i] for i in unreachable],
        without_single_gold=int((gold < 0).sum()) + unlabelled,
        abstention_left_out=_scores(gold, predicted, k, table.speakers, both),
        abstention_is_wrong=_scores(gold, predicted, k, table.speakers, gold >= 0),
        confusion=confusion_matrix(gold[both], predicted[both], k).tolist(),
    )
    hits = _many_labels(table, gold_taxonomy, predicted)
    return agreement if hits is None else agreement.model_copy(update={"hit_in_gold_set": hits})


def _scores(
    gold: Ints, predicted: Ints, k: int, speakers: Sequence[str | None], kept: npt.NDArray[np.bool_]
) -> AgreementScores:
    """Scores the kept rows; intervals are over speakers, so without speakers there are none."""
    rows = np.flatnonzero(kept)
    units = Units.of([speakers[row] for row in rows.tolist()])
    metrics = scored(gold[rows], predicted[rows], k, units)
    if units.speakers is None:
        # The interval is set, because the summary is written without unset fields.
        metrics = {name: Metric(value=m.value, interval=None) for name, m in metrics.items()}
    answers = np.where(predicted < 0, k, predicted)[rows]
    return AgreementScores(
        n=len(rows),
        uar=metrics["uar"],
        wa=metrics["wa"],
        macro_f1=metrics["macro_f1"].value,
        kappa=cohen_kappa(confusion_matrix(gold[rows], answers, k + 1)),
    )


def _many_labels(
    table: UtteranceTable, gold_taxonomy: Taxonomy, predicted: Ints
) -> HitShare | None:
    """Returns how often the weak label is among the gold labels, if utterances have several."""
    sets = [{gold_taxonomy.index(name) for name in gold} for gold in table.gold]
    rows = [i for i, gold in enumerate(sets) if gold and predicted[i] >= 0]
    if all(len(gold) <= 1 for gold in sets) or not rows:
        return None
    return HitShare(n=len(rows), share=sum(int(predicted[i]) in sets[i] for i in rows) / len(rows))

"""What can be said about weak labels: coverage, entropy, abstentions, agreement with gold."""

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
from .decision import REASONS, Choices, Decision

Ints = npt.NDArray[np.int64]


def label_summary(
    choices: Choices, kind: ScoreKind, taxonomy: Taxonomy, gold: GoldAgreement | None
) -> LabelSummary:
    """Returns the content of ``labels.json``.

    Args:
        choices: weak labels of all utterances.
        kind: kind of the labeler's scores.
        taxonomy: the labels.
        gold: what `gold_agreement` returned.
    """
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

    Args:
        index: position of each utterance's label, shape (n,); −1 where there is none.
        confidence: the best label's score, shape (n,).
        taxonomy: the labels.
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
    """Entropy of how often each label was given, in bits: 0 if all got the same one."""
    total = counts.sum()
    shares = counts[counts > 0] / total if total else np.zeros(0)
    return float(np.abs(-(shares * np.log2(shares)).sum()))


def gold_matrix(table: UtteranceTable, taxonomy: Taxonomy) -> npt.NDArray[np.float64]:
    """Gold weights, shape (n, K); rows add up to 1, or to 0 where an utterance is unlabelled."""
    weights = np.zeros((len(table), len(taxonomy.labels)))
    for row, gold in enumerate(table.gold):
        for name, weight in gold.items():
            weights[row, taxonomy.index(name)] = weight
    total = weights.sum(axis=1, keepdims=True)
    np.divide(weights, total, out=weights, where=total > 0)
    return weights


def gold_agreement(
    table: UtteranceTable,
    decision: Decision,
    taxonomy: Taxonomy,
    gold_taxonomy: Taxonomy | None,
    unlabelled: int = 0,
) -> GoldAgreement | None:
    """Compares weak labels, mapped into the gold taxonomy, with single gold labels.

    Args:
        table: utterances with gold.
        decision: their weak labels.
        taxonomy: the weak labels' taxonomy.
        gold_taxonomy: that of the gold labels; None if there is none.
        unlabelled: further utterances of the corpus, which have no gold.
    """
    if gold_taxonomy is None or not any(table.gold):
        return None
    try:
        matrix = taxonomy.map_to(gold_taxonomy)
    except TaxonomyError as error:
        return GoldAgreement(taxonomy=gold_taxonomy.name, not_compared=str(error))
    predicted = mapped_choices(decision.scores, matrix, decision.index < 0)
    gold, k = table.labels(gold_taxonomy.names), len(gold_taxonomy.labels)
    both = (gold >= 0) & (predicted >= 0)
    found = GoldAgreement(
        taxonomy=gold_taxonomy.name,
        labels=gold_taxonomy.names,
        unreachable=[
            name
            for name, column in zip(gold_taxonomy.names, matrix.T, strict=True)
            if not column.any()
        ],
        without_single_gold=int((gold < 0).sum()) + unlabelled,
        abstention_left_out=_scores(gold, predicted, k, table.speakers, both),
        abstention_is_wrong=_scores(gold, predicted, k, table.speakers, gold >= 0),
        confusion=confusion_matrix(gold[both], predicted[both], k).tolist(),
    )
    hits = _many_labels(table, gold_taxonomy, predicted)
    return found if hits is None else found.model_copy(update={"hit_in_gold_set": hits})


def _scores(
    gold: Ints,
    predicted: Ints,
    k: int,
    speakers: Sequence[str | None],
    kept: npt.NDArray[np.bool_],
) -> AgreementScores:
    """Scores the kept rows; intervals are over speakers, so there are none without speakers."""
    rows = np.flatnonzero(kept)
    units = Units.of([speakers[row] for row in rows.tolist()])
    found = scored(gold[rows], predicted[rows], k, units)
    if units.speakers is None:
        found = {name: Metric(value=score.value, interval=None) for name, score in found.items()}
    answers = np.where(predicted < 0, k, predicted)[rows]
    return AgreementScores(
        n=len(rows),
        uar=found["uar"],
        wa=found["wa"],
        macro_f1=found["macro_f1"].value,
        kappa=cohen_kappa(confusion_matrix(gold[rows], answers, k + 1)),
    )


def _many_labels(
    table: UtteranceTable, gold_taxonomy: Taxonomy, predicted: Ints
) -> HitShare | None:
    """How often the weak label is one of several gold labels, where an utterance has several."""
    sets = [{gold_taxonomy.index(name) for name in gold} for gold in table.gold]
    rows = [i for i, gold in enumerate(sets) if gold and predicted[i] >= 0]
    if all(len(gold) <= 1 for gold in sets) or not rows:
        return None
    return HitShare(n=len(rows), share=sum(int(predicted[i]) in sets[i] for i in rows) / len(rows))

"""What can be said about weak labels: coverage, entropy, abstentions, agreement with gold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import TaxonomyError
from ..evaluation.metrics import confusion_matrix, macro_f1, uar, wa
from ..evaluation.predictions import Classified, classification
from ..evaluation.results import Metric
from ..evaluation.statistics import metric
from ..kinds.labeler import ScoreKind
from ..taxonomy import Taxonomy, mapped_choice
from ..utterances import UtteranceTable
from .decision import REASONS, Choices, Decision

Ints = npt.NDArray[np.int64]


def label_summary(
    choices: Choices,
    kind: ScoreKind,
    taxonomy: Taxonomy,
    gold: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Returns the content of ``labels.json``.

    Args:
        choices: weak labels of all utterances.
        kind: kind of the labeler's scores.
        taxonomy: the labels.
        gold: what `agreement` returned.
    """
    n = len(choices.index)
    chosen = choices.index >= 0
    counts = np.bincount(choices.index[chosen], minlength=len(taxonomy.labels))
    reasons = np.bincount(choices.reason[~chosen], minlength=len(REASONS)).tolist()
    given = int(chosen.sum())
    return {
        "taxonomy": taxonomy.name,
        "taxonomy_hash": taxonomy.hash,
        "score_kind": kind,
        "utterances": n,
        "labelled": given,
        "coverage": given / n if n else 0.0,
        "abstained": {reason: count for reason, count in zip(REASONS, reasons, strict=True)
                      if count},
        "labels": dict(zip(taxonomy.names, counts.tolist(), strict=True)),
        "never_firing": [name for name, c in zip(taxonomy.names, counts, strict=True) if c == 0],
        "label_entropy_bits": entropy_bits(counts),
        "max_entropy_bits": float(np.log2(len(taxonomy.labels))),
        "mean_confidence": float(choices.confidence[chosen].mean()) if given else None,
        "gold": gold,
    }  # fmt: skip


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


def cohen_kappa(confusion: npt.NDArray[np.number]) -> float | None:
    """Agreement beyond chance (Cohen 1960); None where chance agreement is already complete."""
    total = float(confusion.sum())
    if total == 0:
        return None
    observed = float(np.trace(confusion)) / total
    expected = float(confusion.sum(0) @ confusion.sum(1)) / total**2
    return None if expected >= 1 else (observed - expected) / (1 - expected)


def agreement(
    table: UtteranceTable, decision: Decision, taxonomy: Taxonomy, gold_taxonomy: Taxonomy | None
) -> dict[str, Any] | None:
    """Compares weak labels, mapped into the gold taxonomy, with single gold labels.

    Args:
        table: utterances with gold.
        decision: their weak labels.
        taxonomy: the weak labels' taxonomy.
        gold_taxonomy: that of the gold labels; None if there is none.
    """
    if gold_taxonomy is None or not any(table.gold):
        return None
    found: dict[str, Any] = {"taxonomy": gold_taxonomy.name}
    try:
        matrix = taxonomy.map_to(gold_taxonomy)
    except TaxonomyError as error:
        return found | {"not_compared": str(error)}
    total = decision.scores.sum(axis=1, keepdims=True)
    shares = np.divide(decision.scores, total, out=np.zeros_like(decision.scores), where=total > 0)
    _, best = mapped_choice(shares, matrix)
    predicted = np.where(decision.index >= 0, best, -1)
    gold, k = table.labels(gold_taxonomy.names), len(gold_taxonomy.labels)
    reachable = [name for name, column in zip(gold_taxonomy.names, matrix.T, strict=True)
                 if column.any()]  # fmt: skip
    return (
        found
        | {
            "labels": gold_taxonomy.names,
            "unreachable": [name for name in gold_taxonomy.names if name not in reachable],
            "without_single_gold": int((gold < 0).sum()),
            "abstention_left_out": _compared(gold, predicted, k, table.speakers, strict=False),
            "abstention_is_wrong": _compared(gold, predicted, k, table.speakers, strict=True),
            "confusion": _square(gold, predicted, k).tolist(),
        }
        | _many_labels(table, gold_taxonomy, predicted)
    )


def _square(gold: Ints, predicted: Ints, k: int) -> Ints:
    both = (gold >= 0) & (predicted >= 0)
    return confusion_matrix(gold[both], predicted[both], k)


def _compared(
    gold: Ints, predicted: Ints, k: int, speakers: Sequence[str | None], *, strict: bool
) -> dict[str, Any]:
    """Scores against single gold labels; if `strict`, an abstention is a miss, as a class K."""
    rows = np.flatnonzero((gold >= 0) if strict else (gold >= 0) & (predicted >= 0))
    answers = np.where(predicted < 0, k, predicted)[rows]
    confusion = confusion_matrix(gold[rows], answers, k + 1)
    return {
        "n": len(rows),
        **_scores(gold[rows], answers, k + 1, [speakers[row] for row in rows.tolist()]),
        # The extra class holds no gold: it must not count as a label with an F1 of zero.
        "macro_f1": macro_f1(confusion) * (k + 1) / k,
        "kappa": cohen_kappa(confusion),
    }


def _scores(
    gold: Ints, answers: Ints, k: int, speakers: Sequence[str | None]
) -> dict[str, dict[str, Any]]:
    """UAR and WA as `Metric`, with intervals over speakers where all speakers are known."""
    known = [speaker for speaker in speakers if speaker is not None]
    if not known or len(known) < len(speakers):
        confusion = confusion_matrix(gold, answers, k)
        found = {"uar": Metric(value=uar(confusion)), "wa": Metric(value=wa(confusion))}
    else:
        data = Classified([str(i) for i in range(len(gold))], known, gold, answers[None], k)
        statistics = classification(data)
        found = {name: metric(statistics[name]) for name in ("uar", "wa")}
    return {name: score.model_dump(mode="json") for name, score in found.items()}


def _many_labels(table: UtteranceTable, gold_taxonomy: Taxonomy, predicted: Ints) -> dict[str, Any]:
    """How often the weak label is one of several gold labels, where an utterance has several."""
    sets = [{gold_taxonomy.index(name) for name in gold} for gold in table.gold]
    rows = [i for i, gold in enumerate(sets) if gold and predicted[i] >= 0]
    if all(len(gold) <= 1 for gold in sets) or not rows:
        return {}
    hits = sum(int(predicted[i]) in sets[i] for i in rows)
    return {"hit_in_gold_set": {"n": len(rows), "share": hits / len(rows)}}

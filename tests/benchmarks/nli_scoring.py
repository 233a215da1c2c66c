"""Ways to turn NLI logits into label scores, and the metrics that judge them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

RESAMPLES = 1000


def softmax(values: Array) -> Array:
    """Normalise exponentials over the last axis."""
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def over_labels(logits: Array) -> Array:
    """Score labels by a softmax over their entailment logits, averaged over templates."""
    return softmax(logits[..., 2].mean(axis=0))


def against_contradiction(logits: Array) -> Array:
    """Score each label by itself: entailment against contradiction, neutral left out."""
    return np.asarray(1 / (1 + np.exp(logits[..., 0] - logits[..., 2]))).mean(axis=0)


def three_way(logits: Array) -> Array:
    """Score each label by itself: the probability of entailment among all three."""
    return np.asarray(softmax(logits)[..., 2].mean(axis=0))


SCORINGS: dict[str, Callable[[Array], Array]] = {
    "softmax over labels": over_labels,
    "entailment/contradiction": against_contradiction,
    "three-way entailment": three_way,
}


def prior_corrected(scores: Array) -> Array:
    """Divide each label's scores by their mean over the texts (no gold needed)."""
    return np.asarray(scores / scores.mean(axis=0, keepdims=True))


def uar(gold: Integers, guess: Integers) -> float:
    """Average the recall of the classes present in gold."""
    return float(np.mean([(guess[gold == label] == label).mean() for label in np.unique(gold)]))


def accuracy(gold: Integers, guess: Integers) -> float:
    """Give the fraction of equal entries."""
    return float((gold == guess).mean())


def with_interval(
    metric: Callable[[Integers, Integers], float], gold: Integers, guess: Integers
) -> str:
    """Format a metric with the 95 % percentile bootstrap interval over texts."""
    generator = np.random.default_rng(0)
    draws = [generator.integers(len(gold), size=len(gold)) for _ in range(RESAMPLES)]
    low, high = np.quantile([metric(gold[draw], guess[draw]) for draw in draws], [0.025, 0.975])
    return f"{metric(gold, guess):.3f} [{low:.3f}, {high:.3f}]"


def centred(cosines: Array) -> Array:
    """Subtract each label's mean over the texts: the correction of scores that may be negative."""
    return np.asarray(cosines - cosines.mean(axis=0, keepdims=True))


def compose(
    last: Callable[[Array], Array], first: Callable[[Array], Array]
) -> Callable[[Array], Array]:
    """Chain two functions of arrays."""
    return lambda raw: last(first(raw))

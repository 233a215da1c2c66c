"""Corrections of scores before a label is chosen: temperature and priors.

With s the scores of one utterance and K labels:

- temperature T: s_k ← s_k^(1/T) / Σ_j s_j^(1/T) for distributions, which divides the logits by T;
  for independent scores the same with s_k and 1 − s_k in place of the labels.
- prior correction: s_k ← (s_k / p_k) / Σ_j (s_j / p_j), where p_k is the label's mean score over
  the corpus (batch calibration: Zhou et al. 2024, arXiv 2309.17249) or over content-free texts
  (contextual calibration: Zhao et al. 2021, arXiv 2102.09690).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ...kinds.labeler import ScoreKind

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


def tempered(values: Floats, kind: ScoreKind, temperature: float) -> Floats:
    """Sharpens (below 1) or flattens (above 1) scores, as dividing the logits would."""
    if temperature == 1.0:
        return values
    powers = values ** (1.0 / temperature)
    if kind == "distribution":
        total = powers.sum(axis=1, keepdims=True)
    else:
        total = powers + (1.0 - values) ** (1.0 / temperature)
    return _ratio(powers, total)


def mean_scores(blocks: Iterable[tuple[Floats, Bools]], k: int) -> Floats | None:
    """Returns each label's mean score, shape (K,), in one pass; None if no row counts.

    `blocks` are scores of shape (rows, K), and the mask of the rows that count.
    """
    total, count = np.zeros(k), 0
    for scores, answered in blocks:
        total += scores[answered].sum(axis=0)
        count += int(answered.sum())
    return total / count if count else None


def divided(scores: Floats, prior: Floats) -> Floats:
    """Divides each label's scores, shape (n, K), by its prior, shape (K,), and normalises rows.

    A zero-shot model favours some labels whatever the text; the prior estimates this bias without
    gold labels. A prior from the corpus also lowers labels that are truly frequent. A label whose
    prior is 0 keeps 0.
    """
    lifted = _ratio(scores, np.broadcast_to(prior, scores.shape))
    return _ratio(lifted, lifted.sum(axis=1, keepdims=True))


def _ratio(upper: Floats, lower: Floats) -> Floats:
    """Divides; the result is 0 where the divisor is 0."""
    ratio: Floats = np.zeros_like(upper)
    np.divide(upper, lower, out=ratio, where=lower > 0)
    return ratio

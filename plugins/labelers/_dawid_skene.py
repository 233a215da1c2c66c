"""Votes of several labelers of unknown reliability (Dawid & Skene 1979).

The model: each utterance has one true label, drawn with probability π_k. If it is k, member m votes
l with probability E_m(k, l), independently of the others. Expectation maximisation starts at shares
of the votes and alternates

- M: π_k = mean of T_ik; E_m(k, l) = Σ_i T_ik [m votes l on i] / Σ_i T_ik [m votes on i]
- E: T_ik ∝ π_k Π_m E_m(k, vote of m on i)

No library is used: crowd-kit, the best maintained one, needs pandas, nltk and transformers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lanser_bench import Settled

Floats = npt.NDArray[np.float64]
ITERATIONS = 200
TOLERANCE = 1e-8
"""Iteration stops when no probability changes by more."""
LEAST = 1e-10
"""Replaces a probability of 0, which no later evidence could change."""


@dataclass(frozen=True)
class Reliability:
    """Result of expectation maximisation."""

    truth: Floats
    """T, shape (patterns, K)."""
    prior: Floats
    """π, shape (K,)."""
    errors: Floats
    """E, shape (members, K, K): true label, vote."""
    iterations: int


def vote_shares(votes: npt.NDArray[np.integer], k: int) -> Floats:
    """Shares of the votes, shape (n, K); equal shares if there is no vote."""
    counts = np.stack([(votes == label).sum(axis=1) for label in range(k)], axis=1)
    total = counts.sum(axis=1, keepdims=True)
    return np.where(total > 0, counts / np.maximum(total, 1), 1 / k)


def dawid_skene(
    votes: npt.NDArray[np.integer], counts: npt.NDArray[np.integer], k: int
) -> Reliability:
    """Estimates true labels and each member's errors over k labels.

    `votes` are patterns of votes, shape (patterns, members), −1 if a member abstains; `counts` says
    how many utterances have each.
    """
    onehot = (votes[:, :, None] == np.arange(k)).astype(np.float64)
    truth = vote_shares(votes, k)
    prior, errors, done = np.zeros(k), np.zeros((votes.shape[1], k, k)), 0
    for _ in range(ITERATIONS):
        done += 1
        weighted = truth * counts[:, None]
        prior = weighted.sum(axis=0) / counts.sum()
        errors = np.einsum("pk,pml->mkl", weighted, onehot)
        total = errors.sum(axis=2, keepdims=True)
        errors = np.where(total > 0, errors / np.where(total > 0, total, 1), 1 / k)
        logs = np.log(np.maximum(errors, LEAST))
        scores = np.log(np.maximum(prior, LEAST)) + np.einsum("pml,mkl->pk", onehot, logs)
        powers = np.exp(scores - scores.max(axis=1, keepdims=True))
        before, truth = truth, powers / powers.sum(axis=1, keepdims=True)
        if abs(truth - before).max() < TOLERANCE:
            break
    return Reliability(truth, prior, errors, done)


def settled_votes(votes: npt.NDArray[np.int16], k: int, names: Sequence[str]) -> Settled:
    """Settles votes of shape (n, members) by `dawid_skene`, and also returns their shares."""
    patterns, rows, counts = np.unique(votes, axis=0, return_inverse=True, return_counts=True)
    voted = np.asarray((patterns >= 0).any(axis=1))
    rows = np.where(voted[rows.reshape(-1)], rows.reshape(-1), -1).astype(np.int32)
    shares = vote_shares(patterns, k)
    majority = Settled(rows, shares)
    if not voted.any():
        return Settled(rows, shares, beside={"majority": majority})
    estimate = dawid_skene(patterns[voted], counts[voted], k)
    table = shares.copy()
    table[voted] = estimate.truth
    same = np.equal(estimate.truth.argmax(axis=1), shares[voted].argmax(axis=1))
    right = np.einsum("k,mkk->m", estimate.prior, estimate.errors)
    facts = {
        "method": "dawid-skene",
        "iterations": estimate.iterations,
        "agrees_with_majority": float((counts[voted] * same).sum() / counts[voted].sum()),
        "estimated_accuracy": [
            {"member": name, "accuracy": float(share)}
            for name, share in zip(names, right, strict=True)
        ],
        "estimated_prior": estimate.prior.tolist(),
    }
    return Settled(rows, table, facts, {"majority": majority})

"""Generalised cross-entropy, Zhang & Sabuncu (NeurIPS 2018, arXiv 1805.07836)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def generalised_cross_entropy(logits: Tensor, targets: Tensor, q: float) -> Tensor:
    """Returns (1 − p^q) / q for the probability p of each row's label, shape (rows,).

    Towards q = 0 this is cross-entropy; q = 1 is half the mean absolute error, which tolerates
    noise and learns slowly. Targets, shape (rows, K), may be distributions: the mean over them.
    """
    # expm1 keeps the digits of small q, for which p^q is close to 1.
    losses = -torch.expm1(q * F.log_softmax(logits, dim=1)) / q
    return (targets * losses).sum(dim=1)

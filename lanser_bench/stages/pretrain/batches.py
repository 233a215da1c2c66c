"""The batches of a training: shuffled, cropped, padded and augmented."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ..features import crops, pad
from .augment import augment, check_augmentation
from .examples import Examples, Floats, Ints, Split

if TYPE_CHECKING:
    from .spec import TrainingParams

BUCKET = 8
"""Batches are formed within groups of this many batches sorted by length, to reduce padding."""
AHEAD = 128
"""Utterances whose batches are made together (at least one batch). Alternating with steps of the
network would evict the code and data from the processor's caches, and take three times as long."""


@dataclass(frozen=True)
class Batch:
    """Padded utterances, on the device."""

    rows: Ints
    """Positions among the examples."""
    features: Tensor
    """Shape (batch, frames, n_mels) or (batch, samples), zeros after each utterance's end."""
    lengths: Tensor
    targets: Tensor
    """Shape (batch, K)."""
    weights: Tensor
    chosen: Tensor
    """The same as `rows`."""
    whole: Tensor
    """The sum of the weights of the batch, also in a part of it."""

    def parts(self, size: int) -> Iterator[Batch]:
        """Yields `size` utterances at a time."""
        if len(self.rows) <= size:
            yield self  # slicing takes time too
            return
        for begin in range(0, len(self.rows), size):
            part = slice(begin, begin + size)
            own = {name: value[part] for name, value in vars(self).items() if name != "whole"}
            yield Batch(**own, whole=self.whole)


class Batches:
    """Makes the batches of one training."""

    def __init__(
        self,
        examples: Examples,
        split: Split,
        params: TrainingParams,
        device: torch.device,
        temperature: float = 1.0,
    ) -> None:
        """Puts targets and weights on the device; `temperature` divides the targets' logits.

        Raises:
            SettingsError: the examples cannot be augmented as the settings ask.
        """
        check_augmentation(params, examples.sources[0].frontend.kind)
        self.examples, self.split, self.params, self.device = examples, split, params, device
        self.targets = torch.from_numpy(self._targets(temperature)).to(device)
        self.weights = torch.from_numpy(self._weights()).to(device)
        self.longest = max(1, round(params.max_seconds * examples.sources[0].rate))
        self.size = params.batch_size * params.accumulate
        self.steps = math.ceil(len(split.train) / self.size)

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Yields the training part once, shuffled, with random crops and masks."""
        orders = self.order(rng)
        ahead = max(1, AHEAD // self.size)
        for begin in range(0, self.steps, ahead):
            yield from [self.batch(rows, rng) for rows in orders[begin : begin + ahead]]

    def order(self, rng: np.random.Generator) -> list[Ints]:
        """Draws the utterances of each batch of an epoch."""
        rows = self.split.train
        if self.params.class_balance == "sampler":
            chance = class_weights(self.examples.hard[rows])
            rows = rng.choice(rows, len(rows), p=chance / chance.sum())
        else:
            rows = rng.permutation(rows)
        lengths = np.minimum(self.examples.lengths[rows], self.longest)
        group = np.arange(len(rows)) // (BUCKET * self.size)
        rows = rows[np.lexsort((lengths, group))]
        batches = np.array_split(rows, self.steps)
        return [batches[i] for i in rng.permutation(self.steps)]

    def batch(self, rows: Ints, rng: np.random.Generator | None = None) -> Batch:
        """Returns a batch; crops and masks are random with `rng`, else crops are the middle."""
        frames = [self.examples.frames(row) for row in rows.tolist()]
        values, lengths = pad(crops(frames, self.longest, rng))
        if rng is not None:
            logmel = self.examples.sources[0].frontend.kind == "logmel"
            augment(values, lengths, rng, self.params, logmel=logmel)
        chosen = torch.from_numpy(rows).to(self.device)
        weights = self.weights[chosen]
        return Batch(
            rows=rows,
            # torch casts half precision nine times as fast as numpy.
            features=torch.from_numpy(values).to(self.device).float(),
            lengths=torch.from_numpy(lengths).to(self.device),
            targets=self.targets[chosen],
            weights=weights,
            chosen=chosen,
            whole=weights.sum(),
        )

    def _targets(self, temperature: float) -> Floats:
        if self.params.targets == "soft":
            return sharpened(self.examples.soft, temperature)
        hard = np.zeros_like(self.examples.soft)
        rows = self.examples.labelled
        hard[rows, self.examples.hard[rows]] = 1.0
        return hard

    def _weights(self) -> Floats:
        weights = np.ones(len(self.examples), np.float32)
        if self.params.class_balance == "loss":
            rows = self.split.train
            weights[rows] = class_weights(self.examples.hard[rows])
        return weights


def sharpened(shares: Floats, temperature: float) -> Floats:
    """Returns distributions, shape (rows, K), as if their logits were divided by `temperature`."""
    if temperature == 1:
        return shares
    powers = np.power(shares, 1 / temperature, dtype=np.float64)
    total = powers.sum(1, keepdims=True)
    return (powers / np.where(total > 0, total, 1.0)).astype(np.float32)


def class_weights(labels: Ints) -> Floats:
    """Returns a weight per row, with equal sums for all labels that occur, and mean 1."""
    _, inverse, counts = np.unique(labels, return_inverse=True, return_counts=True)
    return (len(labels) / (len(counts) * counts[inverse])).astype(np.float32)

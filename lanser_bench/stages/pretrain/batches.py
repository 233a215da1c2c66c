"""The batches of a training: shuffled, cropped, padded and augmented."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from ..features import crops, pad
from .augment import augment, check_augmentation
from .examples import Examples, Floats, Ints, Split
from .share import WHOLE, Share

if TYPE_CHECKING:
    from .spec import TrainingParams

BUCKET = 8
"""Batches are formed within groups of this many batches sorted by length, to reduce padding."""
AHEAD = 128
"""Utterances whose batches are made together (at least one batch). Alternating with steps of the
network would evict the code and data from the processor's caches, and take three times as long."""
PREFETCHED = 4
"""Batches that wait for a GPU."""
T = TypeVar("T")
Loaded = tuple[Ints, slice, Tensor, Tensor]
"""Rows of a step, which of them this process computes, and their features and lengths."""


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
    step: Tensor
    """The utterances of all processes and parts in this step of the optimiser."""
    whole: Tensor
    """The sum of the weights of the step."""

    def parts(self, size: int) -> Iterator[Batch]:
        """Yields `size` utterances at a time."""
        if len(self.rows) <= size:
            yield self  # slicing takes time too
            return
        for begin in range(0, len(self.rows), size):
            part = slice(begin, begin + size)
            shared: dict[str, Any] = {"step": self.step, "whole": self.whole}
            yield Batch(**{k: v[part] for k, v in vars(self).items() if k not in shared}, **shared)


class Batches:
    """Makes the batches of one training."""

    def __init__(
        self,
        examples: Examples,
        split: Split,
        params: TrainingParams,
        device: torch.device,
        temperature: float = 1.0,
        share: Share = WHOLE,
    ) -> None:
        """Puts targets and weights on the device; `temperature` divides the targets' logits.

        Raises:
            SettingsError: the examples cannot be augmented as the settings ask.
        """
        check_augmentation(params, examples.sources[0].frontend.kind)
        self.examples, self.split, self.params, self.device = examples, split, params, device
        self.share = share
        self.targets = torch.from_numpy(self._targets(temperature)).to(device)
        self.weights = torch.from_numpy(self._weights()).to(device)
        self.longest = max(1, round(params.max_seconds * examples.sources[0].rate))
        n = len(split.train)
        if params.batch_seconds is None:
            self.steps = math.ceil(n / (params.batch_size * params.accumulate))
        else:
            speech = np.minimum(examples.lengths[split.train], self.longest).sum()
            budget = round(params.batch_seconds * examples.sources[0].rate)
            # A batch ends with the utterance that reaches its share of the speech.
            self.steps = math.ceil(speech / (budget - self.longest))
        self.size = math.ceil(n / self.steps)

    def epoch(self, rng: np.random.Generator) -> Iterator[Batch]:
        """Yields the training part once, shuffled, with random crops and masks."""
        return self._placed(self._loaded(rows, rng) for rows in self.order(rng))

    def middles(self, batches: Iterable[Ints]) -> Iterator[Batch]:
        """Yields batches of these rows, cropped to the middle; each is a step of its own."""
        return self._placed(self._loaded(rows, None) for rows in batches)

    def _placed(self, loaded: Iterator[Loaded]) -> Iterator[Batch]:
        """Puts batches on the device: on a CPU several at once, on a GPU as soon as it is free."""
        if self.device.type != "cpu":
            yield from map(self._batch, prefetched(loaded))
            return
        while batches := [self._batch(one) for one in islice(loaded, max(1, AHEAD // self.size))]:
            yield from batches

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
        order = np.lexsort((lengths, group))
        if self.params.batch_seconds is None:
            batches = np.array_split(rows[order], self.steps)
        else:
            ends = np.cumsum(lengths[order])
            shares = ends[-1] / self.steps * np.arange(1, self.steps)
            batches = np.split(rows[order], np.searchsorted(ends, shares, side="right"))
        return [batches[i] for i in rng.permutation(self.steps)]

    def _loaded(self, step: Ints, rng: np.random.Generator | None) -> Loaded:
        """Returns a step; with `rng` crops and masks are random, and this process has a share.

        They are drawn for all of the step, so that they do not depend on the number of processes.
        """
        frames = [self.examples.frames(row) for row in step.tolist()]
        values, lengths = pad(crops(frames, self.longest, rng))
        own = slice(None) if rng is None else self.share.rows
        if rng is not None:
            logmel = self.examples.sources[0].frontend.kind == "logmel"
            augment(values, lengths, rng, self.params, logmel=logmel)
        tensors = [torch.from_numpy(np.ascontiguousarray(one[own])) for one in (values, lengths)]
        if self.device.type == "cuda":
            tensors = [one.pin_memory() for one in tensors]
        return step, own, tensors[0], tensors[1]

    def _batch(self, loaded: Loaded) -> Batch:
        rows, own, values, lengths = loaded
        step = torch.from_numpy(rows).to(self.device, non_blocking=True)
        chosen, weights = step[own], self.weights[step]
        return Batch(
            rows=rows[own],
            # torch casts half precision nine times as fast as numpy.
            features=values.to(self.device, non_blocking=True).float(),
            lengths=lengths.to(self.device, non_blocking=True),
            targets=self.targets[chosen],
            weights=weights[own],
            chosen=chosen,
            step=step,
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


def prefetched(items: Iterator[T]) -> Iterator[T]:
    """Yields the same items in the same order, made by a thread up to `PREFETCHED` ahead.

    A thread and not the processes of torch's DataLoader: one generator draws an epoch's crops and
    masks in order, and numpy copies frames without the interpreter's lock.
    """
    with ThreadPoolExecutor(1, "batches") as pool:
        waiting = deque(pool.submit(next, items, None) for _ in range(PREFETCHED))
        while (item := waiting.popleft().result()) is not None:
            waiting.append(pool.submit(next, items, None))
            yield item


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

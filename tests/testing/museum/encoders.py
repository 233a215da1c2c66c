"""Broken encoders."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from lanser_bench import (
    FeatureExtractor,
    Frontend,
    Layers,
    PluginOptions,
    TrainableEncoder,
    Waveform,
)

from . import caught

caught = partial(caught, "encoder")
FORM = "results have the declared form"


class Energy(FeatureExtractor[PluginOptions]):
    """A good extractor: the mean square of windows of 10 ms."""

    version = "1"

    def extract(self, batch: Sequence[Waveform]) -> list[Layers]:
        return [[np.square(w[: len(w) // 160 * 160].reshape(-1, 160))] for w in batch]


@caught("neighbours change nothing", "Alone instead of among others")
class MinusBatchMean(Energy):
    def extract(self, batch):
        rows = super().extract(batch)
        mean = np.mean([row[0].mean() for row in rows], dtype=np.float32)
        return [[row[0] - mean] for row in rows]


@caught("neighbours change nothing", "Alone instead of among others")
class FirstSetsTheScale(Energy):
    def extract(self, batch):
        top = np.float32(np.abs(batch[0]).max())
        return [[layer / top for layer in row] for row in super().extract(batch)]


@caught("padding changes nothing", "Mask what is past")
class CountsPadding(Energy):
    def extract(self, batch):
        longest = max(map(len, batch))
        rows = super().extract(batch)
        return [[r[0] * np.float32(len(w) / longest)] for r, w in zip(rows, batch)]


@caught(FORM, "layers have the shapes")
class ForgetsTheFrames(Energy):
    def extract(self, batch):
        return [[layer.mean(0) for layer in row] for row in super().extract(batch)]


@caught(FORM, "layers have the shapes")
class TimeFirst(Energy):
    def extract(self, batch):
        return [[layer.T for layer in row] for row in super().extract(batch)]


@caught(FORM, "float64")
class Doubles(Energy):
    def extract(self, batch):
        return [[layer.astype(np.float64) for layer in row] for row in super().extract(batch)]


@caught(FORM, "4 inputs gave 3 results")
class LosesOne(Energy):
    def extract(self, batch):
        return super().extract(batch)[: max(1, len(batch) - 1)]


@caught("silence and shortness survive", "NaN or infinity")
class LogOfZero(Energy):
    def extract(self, batch):
        with np.errstate(divide="ignore"):
            return [
                [np.log(layer.mean(1, keepdims=True)) for layer in r]
                for r in super().extract(batch)
            ]


@caught("it keeps its input", "changed in place")
class NormalisesInPlace(Energy):
    def extract(self, batch):
        rows = super().extract(batch)
        for wave in batch:
            wave -= 0.01
        return rows


@caught("it keeps no state", "other results")
class RunningMean(Energy):
    mean = np.float32(0)

    def extract(self, batch):
        rows = super().extract(batch)
        for row in rows:
            self.mean = np.float32(0.9 * self.mean + 0.1 * row[0].mean())
        return [[row[0] - self.mean] for row in rows]


@caught("it is deterministic", "another global seed")
class RandomWeights(Energy):
    def extract(self, batch):
        matrix = np.random.standard_normal((160, 4)).astype(np.float32)
        return [[row[0] @ matrix] for row in super().extract(batch)]


@caught("inputs are told apart", "All inputs have the same embedding")
class Constant(Energy):
    def extract(self, batch):
        return [[np.ones_like(layer) for layer in row] for row in super().extract(batch)]


@caught("it keeps the order", "in the same order")
class SortedByLength(Energy):
    def extract(self, batch):
        return super().extract(sorted(batch, key=lambda w: (len(w), w[0])))


@caught("it leaves the process as it was", "torch's number of threads")
class TakesAllThreads(Energy):
    def extract(self, batch):
        torch.set_num_threads(torch.get_num_threads() + 1)
        return super().extract(batch)


class Pool(nn.Module):
    """Log-mel to a hidden layer, frame by frame."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(64, 8)
        self.extra = nn.Identity()

    def forward(self, features: Any, frames: Any) -> Any:
        return [(self.line(features), frames)]


class Trained(TrainableEncoder[PluginOptions]):
    """A good trainable encoder."""

    version = "1"
    module: type[Pool] = Pool

    @property
    def frontend(self) -> Frontend:
        return Frontend(kind="logmel")

    def build(self, seed: int) -> nn.Module:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.module()


@caught("padding changes nothing", "Mask what is past")
class RecurrentOverPadding(Trained):
    """A GRU that reads frames from both ends, the padding first from one of them."""

    class module(Pool):
        def __init__(self):
            super().__init__()
            self.line = nn.GRU(64, 8, batch_first=True, bidirectional=True)

        def forward(self, features, frames):
            return [(self.line(features)[0], frames)]


@caught("neighbours change nothing", "Alone instead of among others")
class LayerMinusBatchMean(Trained):
    class module(Pool):
        def forward(self, features, frames):
            hidden = self.line(features)
            return [(hidden - hidden.mean(0, keepdim=True), frames)]


@caught("padding changes nothing", "Alone instead of padded")
class MeanOverPadding(Trained):
    class module(Pool):
        def forward(self, features, frames):
            hidden = self.line(features)
            return [(hidden - hidden.mean(1, keepdim=True), frames)]


@caught("padding changes nothing", "Alone instead of padded")
class AttentionWithoutMask(Trained):
    class module(Pool):
        def forward(self, features, frames):
            hidden = self.line(features)
            return [((hidden @ hidden.transpose(1, 2)).softmax(-1) @ hidden, frames)]


@caught("seeds draw the weights", "0 and 1 have the same weights")
class IgnoresTheSeed(Trained):
    def build(self, seed):
        return super().build(0)


@caught("it is deterministic", "another global seed")
class UsesTheGlobalState(Trained):
    def build(self, seed):
        return self.module()


@caught("it leaves the process as it was", "changed torch's random seed")
class SeedsGlobally(Trained):
    def build(self, seed):
        torch.manual_seed(seed)
        return self.module()


@caught("it can be trained", "0 get a gradient")
class Detached(Trained):
    class module(Pool):
        def forward(self, features, frames):
            return [(self.line(features).detach(), frames)]


@caught(FORM, "true lengths")
class LengthsOfTheInput(Trained):
    """Halves the frames and reports lengths as before."""

    class module(Pool):
        def forward(self, features, frames):
            return [(self.line(features)[:, ::2], frames)]


@caught(FORM, "must return a list with one pair per layer")
class OneTensor(Trained):
    class module(Pool):
        def forward(self, features, frames):
            return self.line(features)

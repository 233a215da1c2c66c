"""Encoding: runs utterances through an encoder in batches of similar length, and pools layers.

Long utterances are cut into pieces, whose frames are pooled together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ...errors import PluginError
from ...halving import fitting
from ...kinds.encoder import FeatureExtractor
from ..features import pad
from ..frontends import batches

if TYPE_CHECKING:
    import torch

    from .spec import Params

Array = npt.NDArray[np.float32]
Pooled = list[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]]
"""Per layer the mean and the variance over the frames of one piece, each of shape (dim,)."""
Encoded = tuple[list[float], Pooled]
"""The weight of each layer of one piece (its frames), and the pooled layers."""
Encode = Callable[[list[Array]], list[Encoded]]
"""Runs an encoder on a batch of pieces."""


def embed_rows(rows: Sequence[Array], encode: Encode, params: Params, rate: float) -> list[Array]:
    """Embeds utterances in batches of similar length; per layer shape (utterances, dim).

    `rows` are frames or samples, `rate` of them per second.
    """
    pieces = [
        (owner, piece)
        for owner, row in enumerate(rows)
        for piece in np.array_split(row, -(-len(row) // round(params.piece_seconds * rate)))
    ]
    gathered: list[list[Encoded]] = [[] for _ in rows]
    for batch in batches([len(piece) for _, piece in pieces], round(params.batch_seconds * rate)):
        answers = _encoded([pieces[i][1] for i in batch], encode)
        for i, answer in zip(batch, answers, strict=True):
            gathered[pieces[i][0]].append(answer)
    return pooled_layers(gathered, params.pooling)


def pooled_layers(rows: Sequence[list[Encoded]], pooling: str) -> list[Array]:
    """Pools the pieces of each utterance; returns an array of shape (utterances, dim) per layer."""
    vectors = [combine(pieces, pooling) for pieces in rows]
    return [np.stack(layer) for layer in zip(*vectors, strict=True)]


def _encoded(batch: list[Array], encode: Encode) -> list[Encoded]:
    """Encodes a batch, in parts if there is not enough memory for all of it."""

    def run(size: int) -> list[Encoded]:
        parts = [batch[begin : begin + size] for begin in range(0, len(batch), size)]
        return [answer for part in parts for answer in encode(part)]

    return fitting(run, len(batch))


def combine(answers: list[Encoded], pooling: str) -> list[Array]:
    """Pools the pieces of one utterance, each weighted by its number of frames; one per layer."""
    layers = []
    for layer in range(len(answers[0][1])):
        weight = np.array([frames[layer] for frames, _ in answers], np.float64)[:, None]
        means = np.stack([pooled[layer][0] for _, pooled in answers])
        mean = (weight * means).sum(0) / weight.sum()
        parts = [mean]
        if pooling == "mean+std":
            inner = np.stack([pooled[layer][1] for _, pooled in answers])
            spread = (weight * (inner + np.square(means - mean))).sum(0) / weight.sum()
            parts.append(np.sqrt(spread))
        layers.append(np.concatenate(parts).astype(np.float32))
    return layers


def extractor_encode(plugin: FeatureExtractor[Any], name: str) -> Encode:
    """Returns a function that encodes a batch by a frozen extractor; `name` is for messages."""

    def encode(pieces: list[Any]) -> list[Encoded]:
        if (pooled := plugin.pooled(pieces)) is not None:
            return [([one[0] for one in row], [one[1:] for one in row]) for row in pooled]
        rows = plugin.extract(pieces)
        valid = len(rows) == len(pieces) and all(
            layers and all(layer.ndim == 2 and len(layer) for layer in layers) for layers in rows
        )
        if not valid:
            raise PluginError(
                f"Encoder '{name}': extract must return, for each of {len(pieces)} utterances, its "
                f"layers as arrays of shape (frames, dim) with at least one frame."
            )
        return [([len(layer) for layer in row], [*map(_moments, row)]) for row in rows]

    return encode


def _moments(layer: Array) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    return layer.mean(0, dtype=np.float64), layer.var(0, dtype=np.float64)


def module_encode(
    module: torch.nn.Module, name: str, attention: Mapping[str, torch.Tensor] | None = None
) -> Encode:
    """Returns a function that encodes a batch by a trainable encoder's module in eval mode.

    `attention` are the weights of a head's attention, which pools the last layer; `name` is for
    messages.
    """
    import torch

    from ..network import attended, check_layers, pooled

    place = next((p.device for p in module.parameters()), torch.device("cpu"))

    @torch.inference_mode()
    def encode(pieces: list[Array]) -> list[Encoded]:
        values, lengths = pad(pieces)
        layers = module(torch.from_numpy(values).to(place), torch.from_numpy(lengths).to(place))
        check_layers(layers, len(pieces), name)
        frames = np.stack([size.cpu().numpy() for _, size in layers], 1)
        # The head also gets float32 means; only the pooling of pieces is in float64.
        both = [pooled(value, size, "mean+std").double().cpu().numpy() for value, size in layers]
        weights = frames.astype(np.float64)
        if attention is not None:
            value, size = layers[-1]
            line = attention["attention.weight"].to(place), attention["attention.bias"].to(place)
            marks = torch.nn.functional.linear(value, *line)[:, :, 0]
            mean = attended(value, size, marks).double().cpu().numpy()
            both[-1] = np.concatenate([mean, np.zeros_like(mean)], 1)
            # A piece is weighted by the sum of its frames' exponentiated marks.
            hidden = torch.arange(marks.shape[1], device=place)[None] >= size[:, None]
            weights[:, -1] = marks.double().masked_fill(hidden, -torch.inf).exp().sum(1).cpu()
        halves = [np.split(layer, 2, axis=1) for layer in both]
        moments = [(mean, np.square(deviation)) for mean, deviation in halves]
        return [
            (weights[i].tolist(), [(mean[i], variance[i]) for mean, variance in moments])
            for i in range(len(pieces))
        ]

    return encode

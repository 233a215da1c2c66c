"""What pre-training's second head predicts: acoustic targets measured on each utterance's sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...errors import DataError
from ...store import Store
from ..targets import check_names, read_targets
from .examples import Ints


@dataclass(frozen=True)
class Acoustic:
    """Targets of all utterances, z-scored over those that are trained on."""

    names: Sequence[str]
    weight: float
    """Of their loss beside that of the labels."""
    centre: npt.NDArray[np.float64]
    """Shape (targets,), in the targets' own units."""
    spread: npt.NDArray[np.float64]
    """Shape (targets,)."""
    values: Tensor
    """Shape (utterances, targets); 0 where undefined."""
    defined: Tensor
    """Shape (utterances, targets): 1, or 0 where an utterance has no such value, such as F0
    without voice."""

    def errors(self, predicted: Tensor, rows: Tensor) -> Tensor:
        """Squared errors of the defined targets of `rows`, in one dimension."""
        squares = (predicted - self.values[rows]).square()
        return squares[self.defined[rows] > 0]


def acoustic_loss(predicted: Tensor, acoustic: Acoustic, rows: Tensor, batch: Tensor) -> Tensor:
    """Returns a part's share of the mean squared error over the batch's defined targets.

    Args:
        predicted: of the part's utterances, shape (part, targets).
        acoustic: the targets.
        rows: positions of those utterances.
        batch: positions of the whole batch's utterances.
    """
    squares = (predicted - acoustic.values[rows]).square() * acoustic.defined[rows]
    return squares.sum() / acoustic.defined[batch].sum().clamp(min=1)


def load_acoustic(
    store: Store,
    keys: Sequence[str],
    names: Sequence[str],
    weight: float,
    train: Ints,
    device: torch.device,
) -> Acoustic:
    """Reads the targets of all corpora and z-scores them over the utterances that are trained on.

    Args:
        store: holds the `targets` artifacts.
        keys: their keys, one per corpus.
        names: targets to predict.
        weight: of their loss.
        train: positions, over all corpora, of the utterances that are trained on.
        device: where it trains.

    Raises:
        SettingsError: the probe does not measure a target of this name.
        DataError: a target is undefined for all, or the same for all.
    """
    found = [read_targets(store, key) for key in keys]
    check_names(names, list(found[0]))
    values = np.stack([np.concatenate([one[name] for one in found]) for name in names], 1)
    defined = ~np.isnan(values)
    seen = np.where(defined, values, np.nan)[train]
    for column, name in enumerate(names):
        heard = seen[:, column][defined[train, column]]
        if not len(heard) or np.ptp(heard) == 0:
            raise DataError(
                f"pretrain.acoustic: '{name}' is "
                f"{'the same' if len(heard) else 'undefined'} for all {len(train)} utterances that "
                "are trained on. Leave it out of pretrain.acoustic.targets."
            )
    centre, spread = np.nanmean(seen, 0), np.nanstd(seen, 0)
    scaled = np.where(defined, (values - centre) / spread, 0.0).astype(np.float32)
    return Acoustic(
        tuple(names),
        weight,
        centre,
        spread,
        torch.from_numpy(scaled).to(device),
        torch.from_numpy(defined.astype(np.float32)).to(device),
    )

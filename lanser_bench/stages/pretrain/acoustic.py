"""Acoustic targets of pre-training's second head, measured on each utterance's sound."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from ...errors import DataError
from ...evaluation.summaries import Scaled
from ...store import Store
from ..targets import check_names, read_targets
from .examples import Ints
from .spec import AcousticParams


@dataclass(frozen=True)
class Acoustic:
    """Targets of all utterances, z-scored over the training part."""

    names: Sequence[str]
    weight: float
    """Weight of their loss; the loss of the labels weighs 1."""
    centre: npt.NDArray[np.float64]
    """Shape (targets,), in the targets' own units."""
    spread: npt.NDArray[np.float64]
    """Shape (targets,)."""
    values: Tensor
    """Shape (utterances, targets); 0 where undefined."""
    defined: Tensor
    """Shape (utterances, targets): 1, or 0 where undefined, such as F0 without voice."""

    def errors(self, predicted: Tensor, rows: Tensor) -> Tensor:
        """Returns squared errors of the defined targets of `rows`, in one dimension."""
        squares = (predicted - self.values[rows]).square()
        return squares[self.defined[rows] > 0]

    def scales(self) -> dict[str, Scaled]:
        """Returns mean and standard deviation of each target, in its own unit."""
        rows = zip(self.names, self.centre, self.spread, strict=True)
        return {name: Scaled(mean=float(mean), sd=float(sd)) for name, mean, sd in rows}


def acoustic_loss(predicted: Tensor, acoustic: Acoustic, rows: Tensor, batch: Tensor) -> Tensor:
    """Returns a part's share of the mean squared error over the batch's defined targets.

    `predicted` has shape (part, targets); `rows` and `batch` are positions of the part's and of the
    whole batch's utterances.
    """
    squares = (predicted - acoustic.values[rows]).square() * acoustic.defined[rows]
    return squares.sum() / acoustic.defined[batch].sum().clamp(min=1)


def load_acoustic(
    store: Store, keys: Sequence[str], params: AcousticParams, train: Ints, device: torch.device
) -> Acoustic:
    """Reads the targets of all corpora and z-scores them over the training part.

    `keys` are those of the `targets` artifacts, one per corpus; `train` are positions over all
    corpora.

    Raises:
        SettingsError: the probe does not measure a target of this name.
        DataError: a target is undefined for all, or the same for all.
    """
    corpora = [read_targets(store, key) for key in keys]
    check_names(params.targets, list(corpora[0]))
    columns = [np.concatenate([corpus[name] for corpus in corpora]) for name in params.targets]
    values = np.stack(columns, 1)
    defined = ~np.isnan(values)
    train_values = values[train]
    for name, column in zip(params.targets, train_values.T, strict=True):
        usable = column[~np.isnan(column)]
        if not len(usable) or np.ptp(usable) == 0:
            fault = "the same" if len(usable) else "undefined"
            raise DataError(
                f"pretrain.acoustic: '{name}' is {fault} for all {len(train)} training utterances. "
                "Remove it from pretrain.acoustic.targets."
            )
    centre, spread = np.nanmean(train_values, 0), np.nanstd(train_values, 0)
    scaled = np.where(defined, (values - centre) / spread, 0.0).astype(np.float32)
    return Acoustic(
        names=params.targets,
        weight=params.weight,
        centre=centre,
        spread=spread,
        values=torch.from_numpy(scaled).to(device),
        defined=torch.from_numpy(defined.astype(np.float32)).to(device),
    )

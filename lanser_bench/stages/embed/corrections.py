"""Reads embeddings for the stages that learn from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import numpy.typing as npt

from ...errors import DataError, SettingsError, did_you_mean
from ..base import StageContext
from ..maps.sharding import MapResult

LayerChoice = Literal["all", "last"] | tuple[str, ...]
"""The layers to choose from: all, the last, or some by name."""


def read_layers(
    context: StageContext, choice: LayerChoice, ids: Sequence[str], role: str = "embeddings"
) -> dict[str, npt.NDArray[np.float32]]:
    """Returns layer name → embeddings of `ids`, shape (n, dim), first layer to last.

    Raises:
        SettingsError: the encoder has no such layer.
        DataError: an utterance has no embedding, or one that is not finite.
    """
    result = MapResult(context.store, context.parent(role))
    names = [name for name in result.array_names() if name.startswith("layer_")]
    if choice == "last":
        names = names[-1:]
    elif choice != "all":
        unknown = [name for name in choice if name not in names]
        if unknown:
            raise SettingsError(
                f"The encoder has no layer '{unknown[0]}'.{did_you_mean(unknown[0], names)}"
            )
        names = [name for name in names if name in choice]
    place = {name: row for row, name in enumerate(result.ids)}
    missing = [name for name in ids if name not in place]
    if missing:
        raise DataError(f"{len(missing)} utterances have no embedding (first: {missing[0]}).")
    rows = [place[name] for name in ids]
    layers = {name: result.arrays(name)[rows] for name in names}
    for name, values in layers.items():
        bad = np.flatnonzero(~np.isfinite(values).all(1))
        if len(bad):
            raise DataError(
                f"{len(bad)} embeddings of {name} are not finite (first: {ids[bad[0]]}). The "
                "encoder diverged or is broken on this recording."
            )
    return layers


def speaker_normalised(
    values: npt.NDArray[np.floating], speakers: Sequence[str]
) -> npt.NDArray[np.float64]:
    """Centres and scales each column within each speaker; a constant column becomes 0.

    This uses no labels, but all of a test speaker's utterances at once.
    """
    unit = np.unique(speakers, return_inverse=True)[1]
    result = np.array(values, np.float64)
    for index in range(unit.max() + 1):
        rows = result[unit == index]
        centre, spread = rows.mean(0), rows.std(0)
        constant = spread <= 1e-9 * np.maximum(np.abs(centre), 1e-300)
        scale = np.where(constant, 0.0, 1 / np.where(constant, 1, spread))
        result[unit == index] = (rows - centre) * scale
    return result

"""Forward correction by a measured confusion, Patrini et al. (CVPR 2017, arXiv 1609.03683).

The network predicts the true label. Its prediction times the labeler's confusion is a prediction of
the weak label, and that is compared with the weak labels.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from ...errors import SettingsError
from ...paths import user_path
from ..base import StageParams

if TYPE_CHECKING:
    from torch import Tensor

RAREST = 1e-12
"""Instead of a share of zero, whose logarithm is infinite."""


class Confusion(StageParams):
    """Counts by human and by weak label: given directly, or the path of a JSON file with them.

    Such a file is the ``report.json`` of `lanser-bench label`. The counts are in the key, the path
    is not.
    """

    labels: tuple[str, ...]
    confusion: tuple[tuple[float, ...], ...]
    """A row per human label, a column per weak label, both in the order of `labels`."""

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:
        return _counts(user_path(value)) if isinstance(value, str | Path) else value

    @model_validator(mode="after")
    def _shares(self) -> Confusion:
        k, rows = len(self.labels), self.confusion
        if len(rows) != k or any(len(row) != k or min(row) < 0 for row in rows):
            raise ValueError(f"it needs {k} rows of {k} counts, one for each of its labels")
        empty = [name for name, row in zip(self.labels, rows, strict=True) if not sum(row)]
        if empty:
            raise ValueError(
                f"it has no utterance whose human label is '{empty[0]}', so the errors on this "
                "label are unknown. Measure it on a set with all labels"
            )
        return self

    def matrix(self, names: Sequence[str]) -> npt.NDArray[np.float64]:
        """Returns the shares of weak labels for each true label, shape (K, K); rows add up to 1.

        Raises:
            SettingsError: `names`, the labels to learn, are not those of the confusion.
        """
        if set(names) != set(self.labels):
            raise SettingsError(
                f"pretrain.confusion has the labels {', '.join(self.labels)}, but the labels to "
                f"learn are {', '.join(names)}. Measure it with the taxonomy of the experiment, "
                "such as by `lanser-bench label corpus … --taxonomy … --compare-in …`."
            )
        order = [self.labels.index(name) for name in names]
        counts = np.array(self.confusion, dtype=np.float64)[np.ix_(order, order)]
        return np.asarray(counts / counts.sum(axis=1, keepdims=True))


def _counts(path: Path) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} cannot be read as JSON: {error}") from None
    table = content.get("gold") or content if isinstance(content, dict) else {}
    if not {"labels", "confusion"} <= table.keys():
        raise ValueError(
            f"{path} compares no weak labels with human ones: name the report.json of "
            "`lanser-bench label` on a corpus with human labels"
        )
    return {"labels": table["labels"], "confusion": table["confusion"]}


def forward_correction(logits: Tensor, targets: Tensor, matrix: npt.NDArray[np.float64]) -> Tensor:
    """Returns the cross-entropy of weak labels and the predicted weak labels, shape (rows,).

    `matrix` has shape (K, K), true by weak label, as from `Confusion.matrix`. Targets, shape
    (rows, K), may be distributions.
    """
    import torch
    from torch.nn import functional as F

    shares = torch.from_numpy(np.log(np.maximum(matrix, RAREST))).to(logits)
    weak = torch.logsumexp(F.log_softmax(logits, dim=1)[:, :, None] + shares, dim=1)
    return -(targets * weak).sum(dim=1)


def check_seen(matrix: npt.NDArray[np.float64], names: Sequence[str], seen: set[str]) -> None:
    """Raises `SettingsError` if the confusion says that a label of the training never occurs."""
    never = [
        n for n, share in zip(names, matrix.sum(axis=0), strict=True) if n in seen and not share
    ]
    if never:
        raise SettingsError(
            f"pretrain.confusion: the labeler never gave '{never[0]}' where it was measured, but "
            "gave it to utterances of the corpora. Measure it on more utterances."
        )

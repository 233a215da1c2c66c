"""Drawing and saving pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt


def save_picture(figure: Any, path: Path) -> None:
    """Writes a PNG, SVG or PDF completely or not at all; the same data give the same bytes."""
    import matplotlib as mpl

    changing = {".svg": "Date", ".pdf": "CreationDate"}.get(path.suffix.lower(), "Software")
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix=".picture-") as folder,
        mpl.rc_context({"svg.hashsalt": "lanser-bench", "svg.fonttype": "none"}),
    ):
        draft = Path(folder) / path.name
        figure.savefig(draft, dpi=150, metadata={changing: None})
        draft.replace(path)


def heat_map(
    counts: npt.ArrayLike, rows: Sequence[str], columns: Sequence[str], top: float | None = None
) -> tuple[Any, Any]:
    """Draws the share of each column in each row, in percent; rows without counts are blank.

    Args:
        counts: shape (rows, columns).
        rows: names; the row's count is added in brackets.
        columns: names.
        top: share at the end of the colour scale; the largest share if left out.

    Returns:
        The figure's axes and the image.
    """
    from matplotlib.figure import Figure

    table = np.asarray(counts, dtype=float)
    totals = table.sum(axis=1, keepdims=True)
    shares = np.divide(table, totals, out=np.full(table.shape, np.nan), where=totals > 0)
    if top is None:
        top = float(np.nanmax(shares)) if totals.any() else 1.0
    n, k = table.shape
    figure = Figure(figsize=(2.8 + 0.36 * k, 1.9 + 0.3 * n), layout="constrained")
    axes = figure.add_subplot()
    image = axes.imshow(shares, vmin=0, vmax=top, cmap="Blues", aspect="auto")
    axes.set_xticks(range(k), columns, rotation=60, ha="right", rotation_mode="anchor")
    names = [f"{name} ({total:.0f})" for name, total in zip(rows, totals[:, 0], strict=True)]
    axes.set_yticks(range(n), names)
    axes.tick_params(labelsize=8, length=0)
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 6.5}
    for row, column in zip(*np.nonzero(table), strict=True):
        share = shares[row, column]
        if share >= 0.01:
            colour = "white" if share > 0.6 * top else "#333333"
            axes.text(column, row, f"{100 * share:.0f}", color=colour, **style)
    return axes, image

"""Drawing and saving pictures."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ...printing import visible

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442")
"""Okabe and Ito's palette, which colour-blind readers can distinguish."""
GREYS = ("#333333", "#666666", "#888888", "#aaaaaa")
STYLES = ("--", ":", "-.", (0, (5, 1, 1, 1)))
COLUMN = 3.35
"""Width of a column of a paper in inches."""
GOOD, BAD, SAME = "#0f7a4d", "#b3401a", "#525b66"
"""Colours of differences above 0, below 0, and not distinguishable from 0."""


def column_figure(height: float) -> tuple[Any, Any]:
    """Returns a figure at the width of a paper's column, with its axes; `height` is in inches."""
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 7, "axes.linewidth": 0.6, "xtick.major.width": 0.6}):
        figure, axes = plain_figure(COLUMN, height)
    axes.tick_params(labelsize=6.5, width=0.6, length=2.5)
    return figure, axes


def plain_figure(width: float, height: float) -> tuple[Any, Any]:
    """Returns a figure of a size in inches, with axes that have no spine at the top and right."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def save_picture(figure: Any, path: Path) -> None:
    """Writes a PNG, SVG or PDF completely or not at all; the same data give the same bytes.

    A PDF embeds its fonts. A `$` in a name begins no formula, and a character that the font lacks
    is drawn as a box.
    """
    import matplotlib as mpl
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_parse_math(False)
        text.set_text(visible(text.get_text()))
    changing = {".svg": "Date", ".pdf": "CreationDate"}.get(path.suffix.lower(), "Software")
    path.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=path.parent, prefix=".picture-") as folder,
        warnings.catch_warnings(),
        mpl.rc_context(
            {"svg.hashsalt": "lanser-bench", "svg.fonttype": "none", "pdf.fonttype": 42}
        ),
    ):
        warnings.filterwarnings("ignore", "Glyph .* missing from font")  # it quotes the character
        draft = Path(folder) / path.name
        figure.savefig(draft, dpi=150, metadata={changing: None})
        draft.replace(path)


def heat_map(
    counts: npt.ArrayLike, rows: Sequence[str], columns: Sequence[str], top: float | None = None
) -> tuple[Any, Any]:
    """Draws the share of each column in each row, in percent; rows without counts are blank.

    Names of rows are followed by their counts, shape (rows, columns). The colour scale ends at
    `top`, or at the largest share. Returns the figure's axes and the image.
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
    axes.set_xticks(
        range(k), [*map(visible, columns)], rotation=60, ha="right", rotation_mode="anchor"
    )
    names = [f"{name} ({total:.0f})" for name, total in zip(rows, totals[:, 0], strict=True)]
    axes.set_yticks(range(n), [*map(visible, names)])
    axes.tick_params(labelsize=8, length=0)
    style: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 6.5}
    for row, column in zip(*np.nonzero(table), strict=True):
        share = shares[row, column]
        if share >= 0.01:
            colour = "white" if share > 0.6 * top else "#333333"
            axes.text(column, row, f"{100 * share:.0f}", color=colour, **style)
    return axes, image

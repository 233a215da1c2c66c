"""A comparison of taxonomies as a picture and in sentences."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...stages.label.run import ODD_TEXTS
from ...taxonomy import Taxonomy

Counts = npt.NDArray[np.int64]


def heat_map(a: Taxonomy, b: Taxonomy, joint: Counts, title: str = "") -> Any:
    """Returns a matplotlib figure: for each label of `a`, the share of each label of `b`.

    Rows add up to 1; the number of texts stands behind each row's name. Rows without texts are
    blank.
    """
    from matplotlib.figure import Figure

    totals = joint.sum(axis=1, keepdims=True)
    shares = np.divide(joint, totals, out=np.full(joint.shape, np.nan), where=totals > 0)
    rows, columns = joint.shape
    figure = Figure(figsize=(2.8 + 0.36 * columns, 1.8 + 0.3 * rows), layout="constrained")
    axes = figure.add_subplot()
    # The scale ends at the largest share: among many labels all shares are small.
    top = float(shares[totals[:, 0] > 0].max()) if totals.any() else 1.0
    image = axes.imshow(shares, vmin=0, vmax=top, cmap="Blues", aspect="auto")
    axes.set_xticks(range(columns), b.names, rotation=60, ha="right", rotation_mode="anchor")
    counts = totals[:, 0].tolist()
    axes.set_yticks(range(rows), [f"{n} ({c})" for n, c in zip(a.names, counts, strict=True)])
    axes.tick_params(labelsize=8, length=0)
    axes.set_xlabel(f"label in {b.name}")
    axes.set_ylabel(f"label in {a.name} (texts)")
    for row, column in zip(*np.nonzero(joint), strict=True):
        share = shares[row, column]
        if share >= 0.01:
            colour = "white" if share > 0.6 * top else "#333333"
            axes.text(
                column,
                row,
                f"{100 * share:.0f}",
                ha="center",
                va="center",
                fontsize=6.5,
                color=colour,
            )
    figure.colorbar(image, ax=axes, label="share of the row", shrink=0.8)
    if title:
        axes.set_title(title, fontsize=9, loc="left")
    return figure


def summary_lines(report: Mapping[str, Any]) -> list[str]:
    """The report in plain sentences, for a terminal."""
    found = report["structure"]
    a, b = found["a"]["name"], found["b"]["name"]
    lines = [
        f"{a}: {len(found['a']['labels'])} labels; {b}: {len(found['b']['labels'])} labels; "
        f"shared by name: {', '.join(found['shared_labels']) or 'none'}",
        _map_line(f"{a} → {b}", found["a_to_b"]),
        _map_line(f"{b} → {a}", found["b_to_a"]),
    ]
    if "behaviour" not in report:
        return lines
    measured = report["behaviour"]
    lines.append(
        f"{measured['texts']} texts, labelled by both: {measured['labelled_by_both']}; labeler: "
        f"{report['labeler']['name']}"
    )
    if measured.get("truncated"):
        lines.append(f"Texts {ODD_TEXTS['truncated']}: {measured['truncated']}")
    for side, name in (("a", a), ("b", b)):
        one = measured[side]
        lines.append(
            f"{name}: coverage {_shown(one['coverage'])}, entropy "
            f"{one['label_entropy_bits']:.2f} of {one['max_entropy_bits']:.2f} bits, never fire: "
            f"{', '.join(one['never_firing']) or 'none'}"
        )
    if measured["mutual_information_bits"] is not None:
        lines.append(
            f"Mutual information {measured['mutual_information_bits']:.2f} bits (about "
            f"{measured['mutual_information_bias_bits']:.2f} of it by chance), "
            f"{_ratio(measured['normalised_mutual_information'])} of the mean entropy"
        )
    for way, key in ((f"{a} in {b}", "agreement_a_in_b"), (f"{b} in {a}", "agreement_b_in_a")):
        if measured[key]["compared"]:
            by_choice, by_scores = measured[key]["by_choice"], measured[key]["by_scores"]
            lines.append(
                f"Agreement of {way}: chosen labels mapped {_agreed(by_choice)}; all scores mapped "
                f"{_agreed(by_scores)}"
            )
    return lines


def _map_line(way: str, losses: Mapping[str, Any]) -> str:
    if not losses["written"]:
        return f"{way}: no map is written"
    merged = "; ".join(f"{name} ← {', '.join(ms)}" for name, ms in losses["merged"].items())
    return (
        f"{way}: unmapped: {', '.join(losses['unmapped']) or 'none'}; unreachable: "
        f"{', '.join(losses['unreachable']) or 'none'}; merged: {merged or 'none'}"
    )


def _agreed(one: Mapping[str, Any]) -> str:
    kappa = "–" if one["kappa"] is None else f"{one['kappa']:.2f}"
    return (
        f"{_shown(one['agreement'])}, kappa {kappa}, on {one['texts']} texts "
        f"({one['without_counterpart']} without a counterpart)"
    )


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _shown(share: Mapping[str, Any]) -> str:
    if share["value"] is None:
        return "–"
    return f"{share['value']:.3f} ({share['low']:.3f}–{share['high']:.3f})"

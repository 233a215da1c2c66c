"""Shows a comparison of taxonomies as a picture and in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...stages.label.spec import ODD_TEXTS
from ...taxonomy import Taxonomy
from ..tables.pictures import heat_map as shares_picture
from .taxonomies import Counts


def heat_map(a: Taxonomy, b: Taxonomy, joint: Counts, title: str = "") -> Any:
    """Returns a matplotlib figure: for each label of `a`, the share of each label of `b`.

    The colour scale ends at the largest share, since all shares are small among many labels.
    """
    axes, image = shares_picture(joint, a.names, b.names)
    axes.set_xlabel(f"label in {b.name}")
    axes.set_ylabel(f"label in {a.name} (texts)")
    axes.figure.colorbar(image, ax=axes, label="share of the row", shrink=0.8)
    if title:
        axes.set_title(title, fontsize=9, loc="left")
    return axes.figure


def summary_lines(report: Mapping[str, Any]) -> list[str]:
    """The report in plain sentences, for a terminal."""
    parts = report["structure"]
    a, b = parts["a"]["name"], parts["b"]["name"]
    lines = [
        f"{a}: {len(parts['a']['labels'])} labels; {b}: {len(parts['b']['labels'])} labels; "
        f"shared by name: {_listed(parts['shared_labels'])}",
        _map_line(f"{a} → {b}", parts["a_to_b"]),
        _map_line(f"{b} → {a}", parts["b_to_a"]),
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
    for name, side in ((a, measured["a"]), (b, measured["b"])):
        lines.append(
            f"{name}: coverage {_shown(side['coverage'])}, entropy "
            f"{side['label_entropy_bits']:.2f} of {side['max_entropy_bits']:.2f} bits, never "
            f"fire: {_listed(side['never_firing'])}"
        )
    if measured["mutual_information_bits"] is not None:
        lines.append(
            f"Mutual information {measured['mutual_information_bits']:.2f} bits (about "
            f"{measured['mutual_information_bias_bits']:.2f} of it by chance), "
            f"{_ratio(measured['normalised_mutual_information'])} of the mean entropy"
        )
    for names, key in ((f"{a} in {b}", "agreement_a_in_b"), (f"{b} in {a}", "agreement_b_in_a")):
        if measured[key]["compared"]:
            by_choice, by_scores = measured[key]["by_choice"], measured[key]["by_scores"]
            lines.append(
                f"Agreement of {names}: chosen labels mapped {_agreed(by_choice)}; all scores "
                f"mapped {_agreed(by_scores)}"
            )
    return lines


def _map_line(names: str, losses: Mapping[str, Any]) -> str:
    if not losses["written"]:
        return f"{names}: no map is written"
    merged = "; ".join(f"{name} ← {', '.join(ms)}" for name, ms in losses["merged"].items())
    return (
        f"{names}: unmapped: {_listed(losses['unmapped'])}; unreachable: "
        f"{_listed(losses['unreachable'])}; merged: {merged or 'none'}"
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


def _agreed(scores: Mapping[str, Any]) -> str:
    return (
        f"{_shown(scores['agreement'])}, kappa {_ratio(scores['kappa'])}, on {scores['texts']} "
        f"texts ({scores['without_counterpart']} without a counterpart)"
    )


def _ratio(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _shown(share: Mapping[str, Any]) -> str:
    if share["value"] is None:
        return "–"
    return f"{share['value']:.3f} [{share['low']:.3f}, {share['high']:.3f}]"

"""Words for p values and detectable differences."""

from __future__ import annotations


def detectable_text(share: float | None) -> str:
    """Returns a detectable difference in points as it is printed: past the scale's end, only that.

    Few seeds leave so few degrees of freedom that thousands of points would be asked for.
    """
    if share is None:
        return "–"
    return f"{100 * share:.1f}" if share <= 1 else "> 100"


def p_text(p: float | None) -> str:
    """Returns a p-value as it is printed."""
    if p is None:
        return "–"
    return f"{p:.3f}" if p >= 0.001 else "< .001"

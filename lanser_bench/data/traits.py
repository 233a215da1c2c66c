"""Traits of recordings that have nothing to do with speech, and whether labels follow them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..audio import AudioFacts

TRAITS = {
    "sample_rates": ("sample rate", "sample_rate", " Hz"),
    "channels": ("number of channels", "channels", ""),
    "formats": ("format", "format", ""),
}
"""Name in the counts: words, field of `AudioFacts`, unit."""
FEWEST = 4
"""Clips that a label must have, and the other labels together."""
DIFFERENCE = 0.5
"""A label follows a trait if its clips have a value so much more often than the others' do."""
SIGNIFICANT = 0.05
"""Level of Fisher's exact test, divided by the number of independent comparisons (Bonferroni)."""


def recording_traits(
    rows: Sequence[Mapping[str, Any]], facts: Mapping[str, AudioFacts], paths: Mapping[str, Path]
) -> dict[str, Any]:
    """Counts sample rates, channels and formats of utterances.

    Args:
        rows: utterances with the columns of `utterances.SCHEMA`.
        facts: by the SHA-256 of a recording's bytes.
        paths: where a recording lies, by the same; where no utterance has a label, the names of
            folders stand for labels.

    Returns:
        ``sample_rates``, ``channels``, ``formats``: value as text → utterances, most frequent
        first; ``warnings``: a sentence for each of them that labels follow.
    """
    rows = [row for row in rows if row["audio_sha"] in facts]
    groups, labels = "labels", [list(row["gold"]) for row in rows]
    if not any(labels):
        groups, labels = "folders", [[paths[row["audio_sha"]].parent.name] for row in rows]
    counts: dict[str, Any] = {}
    warnings = []
    for name, (words, attribute, unit) in TRAITS.items():
        values = [str(getattr(facts[row["audio_sha"]], attribute)) for row in rows]
        counts[name] = dict(Counter(values).most_common())
        labelled = [pair for pair in zip(labels, values, strict=True) if pair[0]]
        followers = _followers(labelled) if len(counts[name]) > 1 else []
        if followers:
            shown = "; ".join(
                f"{label} {value}{unit} ({both} of {size} clips, {others} of {rest} others)"
                for label, value, both, size, others, rest in followers
            )
            warnings.append(
                f"The {words} follows the {groups}: {shown}. A model can learn it instead of "
                "speech, and converting the files does not undo it. Use clips recorded alike."
            )
    return {**counts, "warnings": warnings}


Follower = tuple[str, str, int, int, int, int]


def _followers(values: Sequence[tuple[Iterable[str], str]]) -> list[Follower]:
    """Returns label, value, and how many of its clips and of the others have the value."""
    total = Counter(value for _, value in values)
    sizes = Counter(label for labels, _ in values for label in labels)
    both = Counter((label, value) for labels, value in values for label in labels)
    found = []
    for label, size in sorted(sizes.items()):
        rest = len(values) - size
        if min(size, rest) < FEWEST:
            continue
        gap, value = max(
            (both[label, v] / size - (total[v] - both[label, v]) / rest, v) for v in total
        )
        others = total[value] - both[label, value]
        if gap >= DIFFERENCE and _chance(both[label, value], size, others, rest) < (
            SIGNIFICANT / max(1, len(sizes) - 1)
        ):
            found.append((label, value, both[label, value], size, others, rest))
    return found


def _chance(with_value: int, size: int, others: int, rest: int) -> float:
    from scipy.stats import fisher_exact

    table = np.array([[with_value, size - with_value], [others, rest - others]])
    return float(fisher_exact(table).pvalue)

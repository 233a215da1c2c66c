"""Traits of recordings unrelated to speech, and whether labels follow them."""

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
"""Fewest clips of a label, and of the other labels together."""
DIFFERENCE = 0.5
"""A label follows a trait if its clips have a value more often than other clips by this share."""
SIGNIFICANT = 0.05
"""Level of Fisher's exact test, divided by the number of independent comparisons (Bonferroni)."""


def recording_traits(
    rows: Sequence[Mapping[str, Any]], facts: Mapping[str, AudioFacts], paths: Mapping[str, Path]
) -> dict[str, Any]:
    """Counts sample rates, channels and formats of utterances.

    Args:
        rows: utterances with the columns of `utterances.SCHEMA`.
        facts: by the SHA-256 of a recording's bytes.
        paths: by the same; if no utterance has a label, folders replace labels.

    Returns:
        ``sample_rates``, ``channels``, ``formats``: value as text → utterances, most frequent
        first; ``warnings``: a sentence for each trait that labels follow.
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
            shown = "; ".join(f"{label} {v}{unit} ({n})" for label, v, n in followers)
            warnings.append(
                f"The {words} follows the {groups}: {shown}. A model can learn it instead of "
                "speech, also after a conversion. Use clips that were recorded in the same way."
            )
    return {**counts, "warnings": warnings}


def _followers(values: Sequence[tuple[Iterable[str], str]]) -> list[tuple[str, str, str]]:
    """Returns label, value, and how many of its clips and of the others have the value."""
    from scipy.stats import fisher_exact

    total = Counter(value for _, value in values)
    sizes = Counter(label for labels, _ in values for label in labels)
    both = Counter((label, value) for labels, value in values for label in labels)
    level = SIGNIFICANT / max(1, len(sizes) - 1)
    followers = []
    for label, size in sorted(sizes.items()):
        rest = len(values) - size
        if min(size, rest) < FEWEST:
            continue
        shares = [(both[label, v] / size - (total[v] - both[label, v]) / rest, v) for v in total]
        difference, value = max(shares)
        own = both[label, value]
        others = total[value] - own
        table = np.array([[own, size - own], [others, rest - others]])
        if difference >= DIFFERENCE and fisher_exact(table).pvalue < level:
            counts = f"{own} of {size} clips, {others} of {rest} others"
            followers.append((label, value, counts))
    return followers

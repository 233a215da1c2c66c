"""Checks of utterances: gold labels, languages, spans and recordings."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator
from pathlib import Path
from typing import Literal

from ..audio import AudioFacts
from ..audio.check import SHORTEST
from ..errors import did_you_mean
from ..kinds.dataset import Card, Utterance
from ..languages import language_code
from ..plugins.discovery import Registry
from ..plugins.taxonomies import find_taxonomy
from .audio_memo import Recording
from .naming import place, some

Kind = Literal["bad audio", "duplicate", "re-encoded", "silent", "odd channels", "clipped"]

CLIPPED_SHARE = 1e-3
"""Share of samples at full scale from which a recording counts as clipped; a normalised recording
has a few without being clipped."""
SLACK = 0.02
"""Seconds by which a span may exceed its recording: rounding in a table."""
_LABEL_HINTS = {
    "labels": "The option `labels` maps labels of the data to those of the taxonomy.",
    "leave_out": "The option `leave_out` leaves out the utterances of a label.",
    "missing": "The option `missing` lists texts that mean no label, such as NA.",
}


def gold_faults(
    registry: Registry,
    name: str,
    card: Card,
    utterances: Iterable[Utterance],
    root: Path,
    *,
    options: Container[str],
) -> list[str]:
    """Returns what is wrong with gold labels, and which of the dataset's `options` may help."""
    labelled = [u for u in utterances if u.gold]
    if not labelled:
        return []
    if card.taxonomy is None:
        return [
            f"Dataset '{name}' has gold labels (first at {place(labelled[0], root)}) but names no "
            "taxonomy for them. Set its option `taxonomy`."
        ]
    taxonomy = find_taxonomy(registry, card.taxonomy)
    known = set(taxonomy.names)
    unknown: dict[str, list[Utterance]] = {}
    for u in labelled:
        for label in u.gold.keys() - known:
            unknown.setdefault(label, []).append(u)
    faults = [
        f"{at[0].id} ({place(at[0], root)}){f' and {len(at) - 1} more' if at[1:] else ''}: "
        f"'{label}' is not a label of {taxonomy.name}.{did_you_mean(label, known)}"
        for label, at in sorted(unknown.items(), key=lambda item: -len(item[1]))
    ]
    weights = [(u, _weights_fault(u)) for u in labelled]
    faults += [f"{u.id} ({place(u, root)}): {fault}" for u, fault in weights if fault]
    hints = [hint for option, hint in _LABEL_HINTS.items() if unknown and option in options]
    text = " ".join([some(faults, " "), *hints])
    return [f"Gold labels of dataset '{name}' are not valid. {text}"] if faults else []


def _weights_fault(u: Utterance) -> str:
    weights = u.gold.values()
    if not all(math.isfinite(w) and w > 0 for w in weights):
        return f"the weights {dict(u.gold)} must be positive numbers."
    if u.gold_kind == "single" and len(u.gold) != 1:
        return f"expected a single label, not {', '.join(sorted(u.gold))}."
    if u.gold_kind == "distribution" and abs(sum(weights) - 1) > 1e-3:
        return f"the weights of a distribution must add up to 1, not {sum(weights):g}."
    return ""


def language_faults(name: str, utterances: Iterable[Utterance], root: Path) -> list[str]:
    """Returns what is written as a language but is not one."""
    first: dict[str, Utterance] = {}
    for u in utterances:
        first.setdefault(u.language or "", u)
    faults = []
    for written, u in first.items():
        try:
            language_code(written)
        except ValueError as error:
            faults.append(f"{u.id} ({place(u, root)}): {error}")
    return [f"Languages of dataset '{name}' are not valid. {some(faults, ' ')}"] if faults else []


def audio_problem(u: Utterance, recording: Recording | None) -> str:
    """Returns why an utterance's sound cannot be used; empty if it can, or if there is none."""
    if recording is None:
        return ""
    if recording.facts is None or recording.facts.problem:
        return recording.problem
    start, length = u.start or 0.0, recording.facts.seconds
    end = length if u.end is None else u.end
    span = f"has the span {start:g}–{end:g} s"
    if not (math.isfinite(start) and math.isfinite(end) and start >= 0):
        return f"{span}, which is not a span"
    if u.end is not None and end <= start:
        return f"{span}, which ends before it begins"
    if end > length + SLACK or start >= length > 0:
        return f"{span}, past the end of its recording ({length:.2f} s)"
    if end - start < SHORTEST:
        return f"lasts {end - start:.3f} s, shorter than {SHORTEST} s"
    return ""


def oddities(u: Utterance, facts: AudioFacts) -> Iterator[tuple[Kind, str]]:
    """Yields kind and description of what is odd in a usable recording."""
    if facts.silent_in(u.start or 0.0, facts.seconds if u.end is None else u.end):
        yield "silent", facts.silent or "is silent in its span"
    if facts.odd_channels:
        yield "odd channels", facts.odd_channels
    if facts.clipped >= CLIPPED_SHARE:
        over = facts.peak > 1
        yield "clipped", f"exceeds full scale (peak {facts.peak:.3g})" if over else "is clipped"

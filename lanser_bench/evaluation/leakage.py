"""The leakage check: speakers and recordings never cross, repeated sentences are told.

It runs before every training. What it finds names the utterances, because a number with a speaker
on both sides is no evidence of anything.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..errors import LeakageError

SHOWN = 5
"""So many of the utterances are named; the rest are counted."""


class Facts(Protocol):
    """What the check reads of a manifest (`UtteranceTable` has it)."""

    @property
    def ids(self) -> Sequence[str]:
        """Ids, unique inside the dataset."""

    @property
    def speakers(self) -> Sequence[str | None]:
        """Speakers with the dataset's name in front."""

    @property
    def audio_sha(self) -> Sequence[str | None]:
        """SHA-256 of the recordings' bytes."""

    @property
    def start(self) -> Sequence[float | None]:
        """Starts of the spans, in seconds."""

    @property
    def end(self) -> Sequence[float | None]:
        """Ends of the spans, in seconds."""

    @property
    def sentence_ids(self) -> Sequence[str | None]:
        """Equal for utterances of the same scripted sentence."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a split: some utterances of a manifest."""

    facts: Facts
    positions: Sequence[int]


def check_leakage(train: Side, test: Side, where: str) -> list[str]:
    """Refuses a split whose sides share a speaker or recorded sound.

    Spans of one recording are the same sound where they overlap. Utterances without a speaker
    cannot be compared and are left to the protocol, which refuses them.

    Args:
        train: what is learnt from.
        test: what is scored.
        where: the split in words, such as ``fold 2``.

    Returns:
        Warnings: scripted sentences that both sides contain.

    Raises:
        LeakageError: the sentence names the utterances on both sides.
    """
    _refuse_speakers(train, test, where)
    refuse_audio(train, test, where)
    return _sentence_warnings(train, test, where)


def fixed_sentence_warning(sentence_ids: Sequence[str | None]) -> str | None:
    """Warns where everyone says the same few sentences: there text holds no emotion.

    Fixed means that a scripted sentence is said 8 times or more on average: a labeler that reads
    transcripts then gives all these voices the same label.
    """
    known = [sentence for sentence in sentence_ids if sentence is not None]
    distinct = len(set(known))
    if not known or len(known) < 8 * distinct:
        return None
    return (
        f"{len(known)} utterances say only {distinct} scripted sentences: text tells nothing about "
        "emotion here, and a labeler that reads transcripts gives all voices the same label."
    )


def published_overlap(encoder: str, trained_on: frozenset[str] | None, dataset: str) -> str | None:
    """Tells where an encoder's published weights may know a labelled set already.

    Args:
        encoder: its name.
        trained_on: what its weights were trained on; None if nobody says.
        dataset: the labelled set.
    """
    if trained_on is None:
        return (
            f"The publishers of the weights of '{encoder}' do not say what they were trained on: "
            f"'{dataset}' may be among it."
        )
    if dataset not in trained_on:
        return None
    return (
        f"The published weights of '{encoder}' were trained on '{dataset}': its speakers are not "
        "unheard, and the score does not carry over to others."
    )


def _refuse_speakers(train: Side, test: Side, where: str) -> None:
    ours, theirs = _by_speaker(train), _by_speaker(test)
    shared = sorted(ours.keys() & theirs.keys())
    if shared:
        speaker = shared[0]
        others = f" and {len(shared) - 1} more" if len(shared) > 1 else ""
        raise LeakageError(
            f"{where}: speaker '{speaker}'{others} is on both sides: training has "
            f"{_named(ours[speaker])}; test has {_named(theirs[speaker])}. "
            "Use a speaker-disjoint protocol or mend the manifest's speakers and splits."
        )


def _by_speaker(side: Side) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for position in side.positions:
        speaker = side.facts.speakers[position]
        if speaker is not None:
            found[speaker].append(side.facts.ids[position])
    return found


def refuse_audio(train: Side, test: Side, where: str) -> None:
    """Refuses a split whose sides share recorded sound, as `check_leakage` does.

    Raises:
        LeakageError: the sentence names the utterances on both sides.
    """
    ours = {sha for p in train.positions if (sha := train.facts.audio_sha[p]) is not None}
    shared = {p for p in test.positions if test.facts.audio_sha[p] in ours}
    if not shared:
        return
    shas = {test.facts.audio_sha[p] for p in shared}
    spans: dict[str, list[tuple[float, float, bool, str]]] = defaultdict(list)
    for side, is_test in ((train, False), (test, True)):
        for p in side.positions:
            sha = side.facts.audio_sha[p]
            if sha is not None and sha in shas:
                begin, end = side.facts.start[p], side.facts.end[p]
                spans[sha].append(
                    (begin or 0.0, float("inf") if end is None else end, is_test, side.facts.ids[p])
                )
    pairs = [pair for found in spans.values() for pair in _overlaps(found)]
    if pairs:
        shown = ", ".join(f"{a} (training) and {b} (test)" for a, b in pairs[:SHOWN])
        more = f" and {len(pairs) - SHOWN} more pairs" if len(pairs) > SHOWN else ""
        raise LeakageError(
            f"{where}: the same recorded sound is on both sides: {shown}{more}. "
            "Remove the duplicates or give them the same speaker."
        )


def _overlaps(spans: list[tuple[float, float, bool, str]]) -> list[tuple[str, str]]:
    """Pairs (training, test) of overlapping spans; each span is compared with the widest before."""
    found = []
    reach: dict[bool, tuple[float, str]] = {}
    for begin, end, is_test, name in sorted(spans):
        other = reach.get(not is_test)
        if other is not None and begin < other[0]:
            found.append((other[1], name) if is_test else (name, other[1]))
        if is_test not in reach or end > reach[is_test][0]:
            reach[is_test] = (end, name)
    return found


def _sentence_warnings(train: Side, test: Side, where: str) -> list[str]:
    ours = {s for p in train.positions if (s := train.facts.sentence_ids[p]) is not None}
    hit = [test.facts.ids[p] for p in test.positions if test.facts.sentence_ids[p] in ours]
    if not hit:
        return []
    return [
        f"{where}: {len(hit)} of {len(test.positions)} test utterances say a scripted sentence "
        f"that the training side says too ({_named(hit)})."
    ]


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more

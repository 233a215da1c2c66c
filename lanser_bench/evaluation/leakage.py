"""The leakage check: speakers and recordings never cross, repeated sentences are told.

It runs before every training. What it finds names the utterances, because a number with a speaker
on both sides is no evidence of anything.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
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
    return sentence_warnings(train, test, where)


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
        f"{len(known)} utterances say only {distinct} scripted sentence"
        f"{'' if distinct == 1 else 's'}: text tells nothing about "
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
            f"{named(ours[speaker])}; test has {named(theirs[speaker])}. "
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
    pairs = shared_sound(train, test)
    if pairs:
        shown = ", ".join(f"{a} (training) and {b} (test)" for a, b in pairs[:SHOWN])
        more = f" and {len(pairs) - SHOWN} more pairs" if len(pairs) > SHOWN else ""
        raise LeakageError(
            f"{where}: the same recorded sound is on both sides: {shown}{more}. "
            "Remove the duplicates or give them the same speaker."
        )


def shared_sound(train: Side, test: Side) -> list[tuple[str, str]]:
    """Returns each test utterance whose sound the training side has too, behind one that has it.

    Spans of one recording are the same sound where they overlap.
    """
    ours, theirs = _by_recording(train), _by_recording(test)
    return [
        pair
        for sha in theirs
        if sha in ours
        for pair in _overlaps(sorted(ours[sha]), sorted(theirs[sha]))
    ]


@dataclass(frozen=True)
class Overlap:
    """What one side shares with another, of which some is learnt."""

    recordings: list[str]
    """Ids of the side's utterances whose sound is among what is learnt."""
    speakers: list[str]
    """Its speakers that are heard there."""
    n_utterances: int
    n_speakers: int

    def __bool__(self) -> bool:
        return bool(self.recordings or self.speakers)

    def __str__(self) -> str:
        found = [
            f"{len(names)} of {of} {what} ({named(names)})"
            for names, of, what in (
                (self.recordings, self.n_utterances, "utterances"),
                (self.speakers, self.n_speakers, "speakers"),
            )
            if names
        ]
        return " and ".join(found)


def overlap(learnt: Sequence[Side], side: Side) -> Overlap:
    """Returns what of a side is among what is learnt elsewhere: its own sound, and its speakers."""
    heard = {name for other in learnt for _, name in shared_sound(other, side)}
    known = {speaker for other in learnt for speaker in _by_speaker(other)}
    own = _by_speaker(side)
    return Overlap(
        [name for p in side.positions if (name := side.facts.ids[p]) in heard],
        [speaker for speaker in own if speaker in known],
        len(side.positions),
        len(own),
    )


Span = tuple[float, float, str]
"""Begin and end in seconds, and whose it is."""


def _by_recording(side: Side) -> dict[str, list[Span]]:
    found: dict[str, list[Span]] = defaultdict(list)
    facts = side.facts
    for p in side.positions:
        sha = facts.audio_sha[p]
        if sha is not None:
            begin, end = facts.start[p], facts.end[p]
            found[sha].append((begin or 0.0, float("inf") if end is None else end, facts.ids[p]))
    return found


def _overlaps(train: list[Span], test: list[Span]) -> list[tuple[str, str]]:
    """Pairs of sorted spans: what begins before a test span's end and reaches furthest decides."""
    begins = [begin for begin, _, _ in train]
    reach: list[Span] = list(accumulate(train, _further))
    found: list[tuple[str, str]] = []
    for begin, end, name in test:
        before = bisect_left(begins, end)
        if before and reach[before - 1][1] > begin:
            found.append((reach[before - 1][2], name))
    return found


def _further(one: Span, two: Span) -> Span:
    return two if two[1] > one[1] else one


def sentence_warnings(train: Side, test: Side, where: str) -> list[str]:
    """Tells of scripted sentences that both sides say, naming the utterances."""
    ours = {s for p in train.positions if (s := train.facts.sentence_ids[p]) is not None}
    hit = [test.facts.ids[p] for p in test.positions if test.facts.sentence_ids[p] in ours]
    if not hit:
        return []
    return [
        f"{where}: {len(hit)} of {len(test.positions)} test utterances say a scripted sentence "
        f"that the training side says too ({named(hit)})."
    ]


def named(names: Sequence[str]) -> str:
    """Returns the first few names in words; the rest is counted."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more

"""The leakage check: refuses shared speakers and recordings, and warns of shared sentences.

It runs before every training. Its messages name the utterances, because a score with a speaker on
both sides is not evidence of anything.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from ..errors import LeakageError

if TYPE_CHECKING:
    from ..data.utterances import UtteranceTable

SHOWN = 5
"""Number of utterances to name; the others are counted."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side of a split: some utterances of a manifest."""

    facts: UtteranceTable
    positions: Sequence[int]


def check_leakage(train: Side, test: Side, where: str) -> list[str]:
    """Refuses a split whose sides share a speaker or recorded sound.

    Overlapping spans of one recording are the same sound. Utterances without a speaker are ignored
    here; the protocol refuses them. `where` names the split, such as ``fold 2``. Returns warnings
    of scripted sentences that both sides contain.

    Raises:
        LeakageError: a speaker or sound is shared; the message names the utterances.
    """
    _refuse_speakers(train, test, where)
    refuse_audio(train, test, where)
    return sentence_warnings(train, test, where)


def fixed_sentence_warning(sentence_ids: Sequence[str | None]) -> str | None:
    """Warns if all speakers say the same few sentences, so that the text carries no emotion.

    That is, if each scripted sentence occurs 8 times or more on average: a labeler that reads
    transcripts then gives all these voices the same label.
    """
    known = [sentence for sentence in sentence_ids if sentence is not None]
    distinct = len(set(known))
    if not known or len(known) < 8 * distinct:
        return None
    return (
        f"{len(known)} utterances say only {distinct} scripted sentence"
        f"{'' if distinct == 1 else 's'}: the text carries no information on emotion, and a "
        "labeler that reads transcripts gives all voices the same label."
    )


def named_label_warning(texts: Sequence[str | None], labels: Sequence[str]) -> str | None:
    """Warns if most transcripts contain the name of their own gold label, and no other label's."""
    names = {label.casefold() for label in labels}
    spoken = [set(re.findall(r"\w+", (text or "").casefold())) & names for text in texts]
    given = sum(s == {label.casefold()} for s, label in zip(spoken, labels, strict=True))
    if len(names) < 2 or 2 * given < len(labels):
        return None
    return (
        f"{given} of {len(labels)} transcripts contain the name of their own gold label: a labeler "
        "that reads them knows the answer."
    )


def published_overlap(encoder: str, trained_on: frozenset[str] | None, dataset: str) -> str | None:
    """Warns if an encoder's published weights were or may have been trained on a labelled set.

    `trained_on` is None if the sets are unknown.
    """
    if trained_on is None:
        return (
            f"The publishers of the weights of '{encoder}' do not state the training data: "
            f"it may include '{dataset}'."
        )
    if dataset not in trained_on:
        return None
    return (
        f"The published weights of '{encoder}' were trained on '{dataset}': its speakers are not "
        "new to the encoder, and the score does not generalise to other speakers."
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
            "Use a speaker-disjoint protocol, or correct the manifest's speakers and splits."
        )


def _by_speaker(side: Side) -> dict[str, list[str]]:
    ids: dict[str, list[str]] = defaultdict(list)
    for position in side.positions:
        speaker = side.facts.speakers[position]
        if speaker is not None:
            ids[speaker].append(side.facts.ids[position])
    return ids


def refuse_audio(train: Side, test: Side, where: str) -> None:
    """Refuses a split whose sides share recorded sound, as `check_leakage` does."""
    pairs = shared_sound(train, test)
    if pairs:
        shown = ", ".join(f"{a} (training) and {b} (test)" for a, b in pairs[:SHOWN])
        more = f" and {len(pairs) - SHOWN} more pairs" if len(pairs) > SHOWN else ""
        raise LeakageError(
            f"{where}: the same recorded sound is on both sides: {shown}{more}. "
            "Remove the duplicates or give them the same speaker."
        )


def shared_sound(train: Side, test: Side) -> list[tuple[str, str]]:
    """Returns pairs of a training and a test utterance with the same sound, one per test utterance.

    Overlapping spans of one recording are the same sound.
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
    """The part of a labelled side that training data contains."""

    recordings: list[str]
    """Ids of the side's utterances whose sound is in the training data."""
    speakers: list[str]
    """The side's speakers who are in the training data."""
    n_utterances: int
    n_speakers: int

    def __bool__(self) -> bool:
        return bool(self.recordings or self.speakers)

    def __str__(self) -> str:
        shares = (
            (self.recordings, self.n_utterances, "utterances"),
            (self.speakers, self.n_speakers, "speakers"),
        )
        return " and ".join(
            f"{len(names)} of {n} {what} ({named(names)})" for names, n, what in shares if names
        )


def overlap(learnt: Sequence[Side], side: Side) -> Overlap:
    """Returns the sound and the speakers of a side that training data contains."""
    shared = {name for other in learnt for _, name in shared_sound(other, side)}
    known = {speaker for other in learnt for speaker in _by_speaker(other)}
    own = _by_speaker(side)
    return Overlap(
        [name for p in side.positions if (name := side.facts.ids[p]) in shared],
        [speaker for speaker in own if speaker in known],
        len(side.positions),
        len(own),
    )


Span = tuple[float, float, str]
"""Start and end in seconds, and the utterance's id."""


def _by_recording(side: Side) -> dict[str, list[Span]]:
    spans: dict[str, list[Span]] = defaultdict(list)
    facts = side.facts
    for p in side.positions:
        sha = facts.audio_sha[p]
        if sha is not None:
            begin, end = facts.start[p], facts.end[p]
            spans[sha].append((begin or 0.0, float("inf") if end is None else end, facts.ids[p]))
    return spans


def _overlaps(train: list[Span], test: list[Span]) -> list[tuple[str, str]]:
    """Pairs sorted spans: of those that start before a test span ends, the last to end decides."""
    begins = [begin for begin, _, _ in train]
    reach: list[Span] = list(accumulate(train, _later_end))
    pairs: list[tuple[str, str]] = []
    for begin, end, name in test:
        before = bisect_left(begins, end)
        if before and reach[before - 1][1] > begin:
            pairs.append((reach[before - 1][2], name))
    return pairs


def _later_end(a: Span, b: Span) -> Span:
    return b if b[1] > a[1] else a


def sentence_warnings(train: Side, test: Side, where: str) -> list[str]:
    """Warns of scripted sentences that both sides say, naming the utterances."""
    ours = {s for p in train.positions if (s := train.facts.sentence_ids[p]) is not None}
    hit = [test.facts.ids[p] for p in test.positions if test.facts.sentence_ids[p] in ours]
    if not hit:
        return []
    return [
        f"{where}: {len(hit)} of {len(test.positions)} test utterances say a scripted sentence "
        f"that the training side says too ({named(hit)})."
    ]


def named(names: Sequence[str]) -> str:
    """Lists the first few names and counts the others."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more

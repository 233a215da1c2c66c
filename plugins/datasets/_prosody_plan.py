"""Decides what the synthetic corpus says and how: sentences, voices and planted prosody.

All random numbers come from `random.random` seeded by text, whose stream Python never changes. Each
draw has its own seed, so one option does not affect the draws of the others: the clips that are
congruent at 0.25 are among those that are congruent at 0.5.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import TypeVar

ItemT = TypeVar("ItemT")

EMOTIONS = ("anger", "disgust", "fear", "joy", "sadness", "surprise", "neutral")

_NAMES = """
m3 f2 m1 f1 m7 f4 m4 f3 m2 f5 m6 Annie m5 belinda m8 linda Alex aunty david grandma Lee shelby adam
steph
"""
VOICES = tuple(zip(_NAMES.split(), ("male", "female") * 12, strict=True))
"""Variants of the American English voice, one per speaker, each with its sex."""

# Mean pitch, pitch range (0–100 each), rate (words per minute) and volume (100 = usual). Directions
# follow the reviews of acoustic cues by Juslin and Laukka (2003) and Scherer (2003); the sizes are
# ours, chosen so that neighbouring emotions overlap and a small recogniser understands all rates.
_MEANS = {
    "anger": (58, 66, 168, 108),
    "disgust": (37, 42, 132, 80),
    "fear": (66, 40, 178, 78),
    "joy": (61, 72, 162, 98),
    "sadness": (33, 26, 125, 62),
    "surprise": (72, 80, 155, 94),
    "neutral": (46, 46, 148, 84),
}
_SPREADS = (8.0, 9.0, 11.0, 8.0)
_SPEAKER_SPREADS = (6.0, 5.0, 8.0, 5.0)
_LIMITS = ((5, 95), (5, 95), (95, 215), (35, 120))


@dataclass(frozen=True, slots=True)
class Sentence:
    """One line of the sentence file."""

    id: str
    emotion: str
    text: str


@dataclass(frozen=True, slots=True)
class Planned:
    """One clip to be spoken."""

    id: str
    speaker: str
    voice: str
    sex: str
    sentence: Sentence
    emotion: str
    """Of the words; with fixed text, of the voice."""
    prosody_emotion: str
    pitch: int
    range: int
    rate: int
    volume: int


def plan(
    sentences: Sequence[Sentence],
    *,
    speakers: int,
    first_voice: int,
    clips: int,
    congruence: float,
    fixed_text: bool,
    seed: int,
    variation: float = 1.0,
) -> Iterator[Planned]:
    """Yields the clips, speaker by speaker.

    Emotions are balanced over the corpus and, as far as numbers allow, inside each speaker; each
    sentence is used once before any is used twice.
    """
    fixed = [s for s in sentences if s.id.startswith("fixed-")]
    queues = {}
    for emotion in EMOTIONS:
        own = [s for s in sentences if s.emotion == emotion and s not in fixed]
        queues[emotion] = _shuffled(fixed if fixed_text else own, f"{seed} {emotion}")
    used = dict.fromkeys(EMOTIONS, 0)
    begin = 0
    for number, (voice, sex) in enumerate(VOICES[first_voice : first_voice + speakers]):
        count = clips // speakers + (number < clips % speakers)
        emotions = [EMOTIONS[(begin + i) % len(EMOTIONS)] for i in range(count)]
        begin += count
        speaker = f"s{first_voice + number + 1:02d}-{voice}"
        for index, emotion in enumerate(_shuffled(emotions, f"{seed} {speaker}")):
            queue = queues[emotion]
            sentence = queue[used[emotion] % len(queue)]
            used[emotion] += 1
            name = f"{speaker}-{index + 1:04d}"
            spoken = emotion if fixed_text else _spoken(emotion, congruence, f"{seed} {name}")
            values = _settings(spoken, variation, f"{seed} {speaker}", f"{seed} {name}")
            yield Planned(name, speaker, voice, sex, sentence, emotion, spoken, *values)


def _spoken(emotion: str, congruence: float, seed: str) -> str:
    """Returns the words' emotion with probability `congruence`, else a random emotion."""
    if _uniform(f"{seed} congruent") < congruence:
        return emotion
    return EMOTIONS[int(_uniform(f"{seed} other") * len(EMOTIONS))]


def _settings(
    emotion: str, variation: float, speaker_seed: str, clip_seed: str
) -> tuple[int, int, int, int]:
    values = []
    for axis, (mean, limits) in enumerate(zip(_MEANS[emotion], _LIMITS, strict=True)):
        offset = _SPEAKER_SPREADS[axis] * _normal(f"{speaker_seed} offset {axis}")
        noise = variation * _SPREADS[axis] * _normal(f"{clip_seed} noise {axis}")
        values.append(min(max(round(mean + offset + noise), limits[0]), limits[1]))
    return values[0], values[1], values[2], values[3]


def _uniform(seed: str) -> float:
    return random.Random(seed).random()


def _normal(seed: str) -> float:
    return NormalDist().inv_cdf(min(max(_uniform(seed), 1e-12), 1 - 1e-12))


def _shuffled(items: Sequence[ItemT], seed: str) -> list[ItemT]:
    order = sorted(range(len(items)), key=lambda i: _uniform(f"{seed} {i}"))
    return [items[i] for i in order]

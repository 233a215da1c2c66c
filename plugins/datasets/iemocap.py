"""IEMOCAP: ten actors in five sessions of scripted and improvised dialogues."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from ._files import UNTRIED, by_stem, is_sound, near
from ._text_files import lines

_TURN = re.compile(
    r"\[(\d+\.\d+) - (\d+\.\d+)\]\t(\S+)\t(\w+)\t\[(\d\.\d+), (\d\.\d+), (\d\.\d+)\]"
)
"""A line of an evaluation file: span, turn, emotion, valence, activation, dominance."""
_DIMENSIONS = ("valence", "arousal", "dominance")
_TEXT = re.compile(r"(\S+) \[\d+\.\d+-\d+\.\d+\]:\s*(.*)")
_NAME = re.compile(r"Ses(0[1-5])[FM]_(impro|script)(\w*)_([FM])(\w+)")
_EMOTIONS = {"neu": "neutral", "hap": "happy", "exc": "happy", "sad": "sad", "ang": "angry"}


class IemocapOptions(PluginOptions):
    """Options of `iemocap`."""

    speech: Literal["all", "improvised", "scripted"] = "all"
    """Scripted lines repeat across sessions, so their words can be memorised."""
    merge_excited: bool = True
    """Count excited as happy, as the customary four classes do (5,531 utterances)."""


@dataclass(frozen=True)
class _Rating:
    origin: str
    begin: float
    emotion: str
    dimensions: dict[str, float]


class Iemocap(Dataset[IemocapOptions]):
    """Reads ``Session1/sentences/wav/DIALOGUE/TURN.wav`` and the files beside them.

    Labels come from ``Session1/dialog/EmoEvaluation/DIALOGUE.txt``, words from
    ``Session1/dialog/transcriptions/DIALOGUE.txt``.
    """

    Options = IemocapOptions
    version = "1"
    protocols: ClassVar[Mapping[str, str]] = {"superb-5fold": "leave-one-session-out"}
    protocol_options: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "superb-5fold": {"speech": "all", "merge_excited": True}
    }
    card = Card(
        title="IEMOCAP, the Interactive Emotional Dyadic Motion Capture database",
        licence="research only, after signing",
        citation="Busso et al. (2008), Language Resources and Evaluation 42: 335-359",
        url="https://sail.usc.edu/iemocap",
        language="en",
        taxonomy="iemocap-4",
        dimensions=dict.fromkeys(_DIMENSIONS, (1.0, 5.0)),
        notes="Acted dialogues of five pairs. Turns with a label other than the four have no gold "
        "but stay in the dialogue; excited counts as happy unless merge_excited is false. Scripted "
        f"turns with the same words have the same sentence_id. {UNTRIED}",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the turns of each dialogue in their order, session by session."""
        first = near(root, "Session[1-5]", above=False)
        base = first.parent if first else root
        wanted, empty = self.options.speech, True
        for session in sorted(path for path in base.glob("Session[1-5]") if path.is_dir()):
            clips = session / "sentences" / "wav"
            if not clips.is_dir():
                self.notes.append(f"{session} is left out, because it has no sentences/wav.")
            for dialogue in sorted(path for path in clips.glob("Ses*") if path.is_dir()):
                speech = "improvised" if "impro" in dialogue.name else "scripted"
                if wanted in ("all", speech):
                    empty = False
                    yield from self._dialogue(session, dialogue, speech)
        if empty:
            of_speech = "" if wanted == "all" else f" of {wanted} speech"
            raise DataError(
                f"{root} contains no IEMOCAP folder such as Session1/sentences/wav/Ses01F_impro01"
                f"{of_speech}. Ask for the corpus at {self.card.url} and set `root` to "
                "IEMOCAP_full_release."
            )

    def _dialogue(self, session: Path, dialogue: Path, speech: str) -> Iterator[Utterance]:
        ratings = _ratings(session / "dialog" / "EmoEvaluation" / f"{dialogue.name}.txt")
        texts = _texts(session / "dialog" / "transcriptions" / f"{dialogue.name}.txt")
        clips = by_stem(filter(is_sound, sorted(dialogue.iterdir())), self.notes)
        begins = {name: rating.begin for name, rating in ratings.items()}
        order = sorted(clips.keys() | ratings.keys(), key=lambda n: (begins.get(n, math.inf), n))
        for turn, name in enumerate(order):
            match, rating = _NAME.fullmatch(name), ratings.get(name)
            if match is None:
                raise DataError(f"{dialogue}/{name}: expected a turn such as Ses01F_impro01_F000.")
            text = texts.get(name)
            u = Utterance(
                id=name,
                # Each session has one woman and one man: session and sex identify the speaker.
                speaker=f"Ses{match[1]}{match[4]}",
                dialogue_id=dialogue.name,
                turn=turn,
                sentence_id=_words(text) if speech == "scripted" and text else None,
                language="en",
                transcript=text,
                gold=self._gold(rating),
                extras={
                    "session": session.name,
                    "speech": speech,
                    "sex": "female" if match[4] == "F" else "male",
                    **(rating.dimensions if rating else {}),
                },
                origin=rating.origin if rating else None,
            )
            for audio in clips.get(name, [dialogue / f"{name}.wav"]):
                yield replace(u, audio=audio)

    def _gold(self, rating: _Rating | None) -> dict[str, float]:
        if rating is None or (rating.emotion == "exc" and not self.options.merge_excited):
            return {}
        label = _EMOTIONS.get(rating.emotion)
        return {label: 1.0} if label else {}


def _ratings(file: Path) -> dict[str, _Rating]:
    ratings = {}
    for number, line in lines(file):
        match = _TURN.fullmatch(line.strip())
        if match is not None:
            begin, _, turn, emotion, *values = match.groups()
            dimensions = dict(zip(_DIMENSIONS, map(float, values), strict=True))
            ratings[turn] = _Rating(f"{file}, line {number}", float(begin), emotion, dimensions)
    if not ratings:
        raise DataError(f"{file} has no line such as [6.29 - 8.23] TURN neu [2.5, 2.5, 2.5].")
    return ratings


def _texts(file: Path) -> dict[str, str]:
    if not file.is_file():
        return {}
    matches = (_TEXT.fullmatch(line.strip()) for _, line in lines(file))
    return {match[1]: match[2].strip() for match in matches if match and match[2].strip()}


def _words(text: str) -> str:
    """Returns the words alone, since actors of different sessions punctuate a line differently."""
    return " ".join(re.findall(r"[a-z']+", text.lower()))

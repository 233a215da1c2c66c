"""CREMA-D: 91 actors say twelve sentences in six emotions; crowds voted on the emotions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from ._files import clips_of, near
from ._text_files import rows_with

_NAME = re.compile(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_([A-Z]{1,2})", re.IGNORECASE)
_LABELS = ("anger", "disgust", "fear", "happy", "neutral", "sad")
_EMOTIONS = {label[:3].upper(): label for label in _LABELS}
_SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
_LEVELS = {"LO": "low", "MD": "medium", "HI": "high"}
_TEST = """
1010 1013 1022 1026 1037 1038 1040 1045 1047 1048 1059 1065 1066 1068 1071 1073 1084 1086 1088
"""
_VALIDATION = "1015 1020 1021 1030 1050 1070 1079 1089 1090"
_LEFT_OUT = frozenset({"1040_ITH_SAD_XX", "1006_TIE_NEU_XX", "1013_WSI_DIS_XX", "1017_IWW_FEA_XX"})
"""Names in the corpus's tables that TFDS skips because it found no such file."""
_SHOWN = {"voice": "1", "face": "2", "both": "3"}
"""First digit of a row's number in ``tabulatedVotes.csv``: how raters were shown the clip."""


class CremaDOptions(PluginOptions):
    """Options of `crema-d`."""

    label: Literal["acted", "votes", "majority"] = "acted"
    """``acted``: the emotion in the file name. ``votes``: shares of the listeners' votes (soft
    labels, for the section ``soft``), with their number as the extra ``votes``. ``majority``: the
    emotion with most votes; clips with a tie stay unlabelled. Voice-only listeners agree with the
    actor in fewer than half of the clips, so report which one you use."""
    shown: Literal["voice", "face", "both"] = "voice"
    """What was shown to the raters whose votes count."""


class CremaD(Dataset[CremaDOptions]):
    """Reads ``AudioWAV/1001_DFA_ANG_XX.wav`` anywhere under the folder.

    Votes come from ``tabulatedVotes.csv`` and the actors' age and sex from
    ``VideoDemographics.csv``, in the folder or in ``processedResults`` below it.
    """

    Options = CremaDOptions
    version = "1"
    protocols: ClassVar[Mapping[str, str]] = {"tfds-crema-d": "split"}
    protocol_options: ClassVar[Mapping[str, Mapping[str, Any]]] = {
        "tfds-crema-d": {"label": "acted"}
    }
    card = Card(
        title="CREMA-D, the Crowd-sourced Emotional Multimodal Actors Dataset",
        licence="ODbL 1.0, contents DbCL 1.0",
        citation="Cao et al. (2014), IEEE Transactions on Affective Computing 5(4): 377-390",
        url="https://github.com/CheyneyComputerScience/CREMA-D",
        language="en",
        taxonomy="crema-d-6",
        fixed_sentences=True,
        notes="Acted; twelve sentences said in every emotion, so the words carry none. The "
        "column split is TFDS's (63, 9 and 19 speakers); its four clips without usable sound are "
        "in no part of it. Tested on the real votes and on generated sound with the true names.",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the clips sorted by path."""
        example = "CREMA-D file such as AudioWAV/1001_DFA_ANG_XX.wav"
        clips = list(clips_of(self, root, _NAME, example, "its folder (its sound is in Git LFS)"))
        votes = self._votes(root)
        people = _demographics(root)
        for path, match in clips:
            yield self._utterance(path, votes, people.get(match[1], {}))

    def _utterance(
        self, path: Path, votes: Mapping[str, dict[str, float]], person: Mapping[str, str]
    ) -> Utterance:
        name = path.stem.upper()
        actor, sentence, emotion, level = name.split("_")
        if emotion not in _EMOTIONS or sentence not in _SENTENCES:
            raise DataError(
                f"{path}: sentence {sentence} or emotion {emotion} is not a code of CREMA-D "
                f"(emotions {', '.join(_EMOTIONS)})."
            )
        # The tables say XX of a clip whose file the release names 1040_ITH_SAD_X.
        listed = name + "X" * (2 - len(level))
        gold = {_EMOTIONS[emotion]: 1.0}
        extras: dict[str, Any] = {"acted": _EMOTIONS[emotion]}
        if self.options.label != "acted":
            gold = self._voted(path, votes.get(listed))
        if self.options.label == "votes":
            extras["votes"] = int(sum(votes[listed].values()))
        return Utterance(
            id=name,
            audio=path,
            speaker=actor,
            sentence_id=sentence,
            language="en",
            split=_split(listed, actor),
            transcript=_SENTENCES[sentence],
            gold=gold,
            gold_kind="distribution" if self.options.label == "votes" else "single",
            extras={**extras, "level": _LEVELS.get(level, "unspecified"), **person},
        )

    def _voted(self, path: Path, counts: Mapping[str, float] | None) -> dict[str, float]:
        if counts is None:
            raise DataError(f"{path}: tabulatedVotes.csv has no {self.options.shown} votes on it.")
        total, most = sum(counts.values()), max(counts.values())
        if self.options.label == "votes":
            return {label: count / total for label, count in counts.items() if count}
        winners = [label for label, count in counts.items() if count == most]
        return {winners[0]: 1.0} if len(winners) == 1 else {}

    def _votes(self, root: Path) -> dict[str, dict[str, float]]:
        """Returns clip → label → number of votes, by the raters of the option `shown`."""
        if self.options.label == "acted":
            return {}
        table = _beside(root, "tabulatedVotes.csv")
        if table is None:
            raise DataError(
                f"{root} contains no tabulatedVotes.csv, which label: {self.options.label} needs. "
                "Copy it from processedResults of the corpus, or use label: acted."
            )
        votes: dict[str, dict[str, float]] = {}
        letters = {label[0].upper(): label for label in _LABELS}
        for line, row in rows_with(("fileName", *letters), table):
            # The first column has no name in the release, and one of pandas' in copies.
            if not next(iter(row.values())).startswith(_SHOWN[self.options.shown]):
                continue
            try:
                counts = {label: float(row[letter]) for letter, label in letters.items()}
            except ValueError:
                raise DataError(
                    f"{table}, line {line}: expected numbers of votes in the columns "
                    f"{', '.join(letters)} and a fileName."
                ) from None
            if not any(counts.values()):
                raise DataError(f"{table}, line {line}: there is no vote on {row['fileName']}.")
            votes[row["fileName"]] = counts
        return votes


def _beside(root: Path, name: str) -> Path | None:
    return near(root, name, f"processedResults/{name}")


def _demographics(root: Path) -> dict[str, dict[str, str]]:
    table = _beside(root, "VideoDemographics.csv")
    rows = rows_with(("ActorID", "Sex", "Age"), table) if table else ()
    return {row["ActorID"]: {"sex": row["Sex"].lower(), "age": row["Age"]} for _, row in rows}


def _split(name: str, actor: str) -> str | None:
    if name in _LEFT_OUT:
        return None
    if actor in _TEST.split():
        return "test"
    return "validation" if actor in _VALIDATION.split() else "train"

"""SAVEE: four English men say 15 sentences per emotion, 30 neutral ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lanser_bench import Card, Dataset, PluginOptions, Utterance

from ._files import UNTRIED, clips_of, counted

_SPEAKERS = ("DC", "JE", "JK", "KL")
_NAME = re.compile(r"(?:(DC|JE|JK|KL)_)?(a|d|f|h|n|sa|su)(\d\d)", re.IGNORECASE)
_EMOTIONS = {
    "a": "anger",
    "d": "disgust",
    "f": "fear",
    "h": "joy",
    "n": "neutral",
    "sa": "sadness",
    "su": "surprise",
}


class Savee(Dataset[PluginOptions]):
    """Reads ``AudioData/DC/a01.wav``, or the flat form ``DC_a01.wav``."""

    version = "1"
    card = Card(
        title="SAVEE, Surrey Audio-Visual Expressed Emotion",
        licence="research only, after registration",
        citation="Haq and Jackson (2010), in Machine Audition, IGI Global, 398-423",
        url="http://kahlan.eps.surrey.ac.uk/savee",
        language="en",
        taxonomy="goemotions-ekman",
        fixed_sentences=True,
        notes="Acted; 480 clips of 4 men. Its happiness is written as joy. Four speakers are too "
        "few for intervals. Three of the sentences are common to all emotions; the file names do "
        f"not show which, so the id of a sentence is that of its name (a01). {UNTRIED}",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the clips sorted by path."""
        strange: list[Path] = []

        def spoken(path: Path, match: re.Match[str]) -> bool:
            if _speaker(path, match) not in _SPEAKERS:
                strange.append(path)
            return _speaker(path, match) in _SPEAKERS

        for path, match in clips_of(
            self,
            root,
            _NAME,
            "SAVEE file such as AudioData/DC/a01.wav or DC_a01.wav",
            "the folder with the speakers' folders",
            key=lambda path: f"{path.parent.name}/{path.stem}",
            wanted=spoken,
        ):
            speaker, code = _speaker(path, match), match[2].lower()
            yield Utterance(
                id=f"{speaker}_{code}{match[3]}",
                audio=path,
                speaker=speaker,
                sentence_id=f"{code}{match[3]}",
                language="en",
                gold={_EMOTIONS[code]: 1.0},
                extras={"sex": "male"},
            )
        if strange:
            self.notes.append(
                f"{counted(strange, 'clip')} ignored, because neither the name nor the folder "
                f"names a speaker ({', '.join(_SPEAKERS)}): first {strange[0]}."
            )


def _speaker(path: Path, match: re.Match[str]) -> str:
    return (match[1] or path.parent.name).upper()

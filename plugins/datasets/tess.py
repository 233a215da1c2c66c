"""TESS: two women say 200 words in a carrier phrase, in seven emotions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lanser_bench import Card, Dataset, PluginOptions, Utterance

from ._files import UNTRIED, clips_of

_NAME = re.compile(r"(OAF?|YAF)_([a-z-]+)_(angry|disgust|fear|happy|neutral|ps|sad)", re.IGNORECASE)
_EMOTIONS = {"angry": "anger", "happy": "joy", "ps": "surprise", "sad": "sadness"}
"""The other emotions have the names of the taxonomy."""
_AGES = {"OAF": "64", "YAF": "26"}


class Tess(Dataset[PluginOptions]):
    """Reads ``OAF_angry/OAF_back_angry.wav`` anywhere under the folder."""

    version = "1"
    card = Card(
        title="TESS, the Toronto Emotional Speech Set",
        licence="CC BY-NC-ND 4.0",
        citation="Pichora-Fuller and Dupuis (2020), Borealis, doi:10.5683/SP2/E8H2MF",
        url="https://doi.org/10.5683/SP2/E8H2MF",
        language="en",
        taxonomy="goemotions-ekman",
        fixed_sentences=True,
        notes="Acted; 2,800 clips of two women, 'Say the word …'. Its happy is written as joy, its "
        "pleasant surprise as surprise. Two speakers allow folds but no interval. One file of the "
        f"release is named OA_ instead of OAF_. {UNTRIED}",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the clips sorted by path."""
        example = "TESS file such as OAF_angry/OAF_back_angry.wav"
        for path, match in clips_of(self, root, _NAME, example, "its folder"):
            speaker = "OAF" if match[1].upper() == "OA" else match[1].upper()
            word, emotion = match[2].lower(), match[3].lower()
            yield Utterance(
                id=f"{speaker}_{word}_{emotion}",
                audio=path,
                speaker=speaker,
                sentence_id=word,
                language="en",
                transcript=f"Say the word {word}.",
                gold={_EMOTIONS.get(emotion, emotion): 1.0},
                extras={"sex": "female", "age": _AGES[speaker]},
            )

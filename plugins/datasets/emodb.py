"""EmoDB: ten German speakers say ten everyday sentences in seven emotions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from ._files import named

_NAME = re.compile(r"(\d\d)([ab]\d\d)([WLEAFTN])([a-z])", re.IGNORECASE)
_EMOTIONS = {
    "W": "anger",  # Wut
    "L": "boredom",  # Langeweile
    "E": "disgust",  # Ekel
    "A": "fear",  # Angst
    "F": "happiness",  # Freude
    "T": "sadness",  # Trauer
    "N": "neutral",
}
_MEN = frozenset({"03", "10", "11", "12", "15"})
_SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}


class EmoDBOptions(PluginOptions):
    """Options of `emodb`: none."""


class EmoDB(Dataset[EmoDBOptions]):
    """Reads ``wav/03a01Fa.wav``: speaker, sentence, emotion's German letter, version."""

    Options = EmoDBOptions
    version = "1"
    card = Card(
        title="EmoDB, the Berlin Database of Emotional Speech",
        licence="free to use with citation (CC0 in its 2.0 release)",
        citation="Burkhardt et al. (2005), Interspeech, 1517-1520",
        url="http://emodb.bilderbar.info",
        language="de",
        taxonomy="emodb-7",
        fixed_sentences=True,
        notes="Acted, German; the 535 clips are those that listeners recognised and found natural. "
        "Tested on generated sound with the true names; the real corpus was not at hand.",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the clips sorted by path."""
        found = False
        for path, match in named(root, _NAME, self.notes):
            found = True
            speaker, sentence, emotion = match[1], match[2].lower(), match[3].upper()
            yield Utterance(
                id=path.stem,
                audio=path,
                speaker=speaker,
                sentence_id=sentence,
                language="de",
                transcript=_SENTENCES.get(sentence),
                gold={_EMOTIONS[emotion]: 1.0},
                extras={"sex": "male" if speaker in _MEN else "female", "version": match[4]},
            )
        if not found:
            raise DataError(
                f"{root} holds no EmoDB file such as wav/03a01Fa.wav. Get the corpus from "
                f"{self.card.url} and name the folder that holds wav."
            )

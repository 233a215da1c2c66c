"""EmoDB: ten German speakers say ten everyday sentences in seven emotions."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lanser_bench import Card, Dataset, PluginOptions, Utterance

from ._files import UNTRIED, clips_of

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
_MEN = ("03", "10", "11", "12", "15")
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


class EmoDB(Dataset[PluginOptions]):
    """Reads ``wav/03a01Fa.wav``: speaker, sentence, emotion's German letter, version."""

    version = "1"
    card = Card(
        title="EmoDB, the Berlin Database of Emotional Speech",
        licence="free to use with citation (CC0 in its 2.0 release)",
        citation="Burkhardt et al. (2005), Interspeech, 1517-1520",
        url="http://emodb.bilderbar.info",
        language="de",
        taxonomy="emodb-7",
        fixed_sentences=True,
        notes="Acted, German; the 535 clips are those that listeners recognised and judged "
        f"natural. {UNTRIED}",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the clips sorted by path."""
        example = "EmoDB file such as wav/03a01Fa.wav"
        for path, match in clips_of(self, root, _NAME, example, "the folder that contains wav"):
            speaker, sentence = match[1], match[2].lower()
            yield Utterance(
                id=path.stem,
                audio=path,
                speaker=speaker,
                sentence_id=sentence,
                language="de",
                transcript=_SENTENCES.get(sentence),
                gold={_EMOTIONS[match[3].upper()]: 1.0},
                extras={"sex": "male" if speaker in _MEN else "female", "version": match[4]},
            )

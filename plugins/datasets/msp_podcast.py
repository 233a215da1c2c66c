"""MSP-Podcast: spontaneous speech from podcasts, labelled by crowds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from ._files import lines, near, rows_with

_TABLES = ("Labels/labels_consensus.csv", "labels_consensus.csv", "Labels/labels_concensus.csv")
"""The second spelling is that of older releases."""
_EMOTIONS = {
    "A": "anger",
    "S": "sadness",
    "H": "happiness",
    "U": "surprise",
    "F": "fear",
    "D": "disgust",
    "C": "contempt",
    "N": "neutral",
}
_NO_LABEL = ("O", "X")
"""Another emotion, and no agreement between raters."""
_COLUMNS = {"FileName", "EmoClass", "SpkrID", "Split_Set"}
_EMPTY = ("", "na", "n/a", "nan", "none")
_NUMBERS = {"EmoAct": "arousal", "EmoVal": "valence", "EmoDom": "dominance"}


class MspPodcastOptions(PluginOptions):
    """Options of `msp-podcast`."""

    test: Literal["Test1", "Test2", "Test3"] = "Test1"
    """Which of the release's test sets is the part ``test``; the others are in no part."""
    known_speakers: bool = True
    """Leave out clips whose speaker is not known: they cannot be kept apart in folds."""


class MspPodcast(Dataset[MspPodcastOptions]):
    """Reads ``Labels/labels_consensus.csv``, ``Audios/`` (or ``Audio/``) and ``Transcripts/``."""

    Options = MspPodcastOptions
    version = "1"
    card = Card(
        title="MSP-Podcast",
        licence="academic licence, on signing; commercial licence on request",
        citation="Lotfian and Busso (2019), IEEE Transactions on Affective Computing 10(4)",
        url="https://ecs.utdallas.edu/research/researchlabs/msp-lab/MSP-Podcast.html",
        language="en",
        taxonomy="msp-podcast-8",
        notes="Spontaneous speech; clips labelled 'other' or without agreement are kept without "
        "gold. Test3's labels are withheld by its makers. Tested on generated sound with the true "
        "names; the real corpus was not at hand.",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the clips in the table's order."""
        table = near(root, *_TABLES)
        if table is None:
            raise DataError(
                f"{root} holds no {_TABLES[0]}. Ask for MSP-Podcast at {self.card.url} and name "
                "the folder that holds Labels and Audios."
            )
        base = table.parent.parent if table.parent.name == "Labels" else table.parent
        folder = next((base / n for n in ("Audios", "Audio") if (base / n).is_dir()), None)
        if folder is None:
            raise DataError(f"{base} holds no folder Audios with the clips of {table.name}.")
        texts, nameless = base / "Transcripts", 0
        for line, row in rows_with(_COLUMNS, table):
            speaker = None if row["SpkrID"].strip() in ("", "Unknown") else row["SpkrID"].strip()
            if speaker is None and self.options.known_speakers:
                nameless += 1
                continue
            yield self._utterance(folder, texts, f"{table}, line {line}", row, speaker)
        if nameless:
            told = f"{nameless} clips of unknown speakers are left out (known_speakers: true)."
            self.card = replace(self.card, notes=f"{type(self).card.notes} {told}")

    def _utterance(
        self, folder: Path, texts: Path, origin: str, row: dict[str, str], speaker: str | None
    ) -> Utterance:
        name, code = Path(row["FileName"]).stem, row["EmoClass"].strip()
        if code not in _EMOTIONS and code not in _NO_LABEL:
            known = ", ".join([*_EMOTIONS, *_NO_LABEL])
            raise DataError(f"{origin}: EmoClass is '{code}'; the codes are {known}.")
        text = texts / f"{name}.txt"
        return Utterance(
            id=name,
            audio=folder / row["FileName"],
            speaker=speaker,
            dialogue_id="_".join(name.split("_")[:2]),
            turn=_turn(name),
            language="en",
            split=self._split(row["Split_Set"].strip()),
            transcript=_words(text),
            gold={_EMOTIONS[code]: 1.0} if code in _EMOTIONS else {},
            extras=_numbers(origin, row),
            origin=origin,
        )

    def _split(self, name: str) -> str | None:
        return {"Train": "train", "Development": "dev", self.options.test: "test"}.get(name)


def _words(file: Path) -> str | None:
    if not file.is_file():
        return None
    return "\n".join(line for _, line in lines(file)).strip()


def _numbers(origin: str, row: dict[str, str]) -> dict[str, float]:
    """Ratings by name; an empty or ``NA`` cell is none."""
    numbers = {}
    for theirs, ours in _NUMBERS.items():
        value = row.get(theirs, "").strip()
        if value.lower() not in _EMPTY:
            try:
                numbers[ours] = float(value)
            except ValueError:
                raise DataError(f"{origin}: {theirs} is '{value}', not a number.") from None
    return numbers


def _turn(name: str) -> int | None:
    """Order in the podcast: ``MSP-PODCAST_0153_0095_0002`` is cut 2 of clip 95 of podcast 153."""
    parts = name.split("_")
    clip, cut = (*parts[2:], "0", "0")[:2]
    return int(clip) * 10_000 + int(cut) if clip.isdigit() and cut.isdigit() else None

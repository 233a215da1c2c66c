"""MSP-Podcast: spontaneous speech from podcasts, labelled by crowds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from ._files import UNTRIED, counted, near
from ._paths import Recordings
from ._text_files import lines, rows_with

_TABLES = ("Labels/labels_consensus.csv", "labels_consensus.csv", "Labels/labels_concensus.csv")
"""The second spelling is that of older releases."""
_LABELS = ("anger", "sadness", "happiness", "fear", "disgust", "contempt", "neutral")
_EMOTIONS = {label[0].upper(): label for label in _LABELS} | {"U": "surprise"}
_NO_LABEL = ("O", "X")
"""Another emotion, and no agreement between raters."""
_COLUMNS = {"FileName", "EmoClass", "SpkrID", "Split_Set"}
_UNKNOWN = ("", "Unknown")
_EMPTY = ("", "na", "n/a", "nan", "none")
_NUMBERS = {"EmoAct": "arousal", "EmoVal": "valence", "EmoDom": "dominance"}


class MspPodcastOptions(PluginOptions):
    """Options of `msp-podcast`."""

    test: Literal["Test1", "Test2", "Test3"] = "Test1"
    """Which of the release's test sets is the part ``test``; the others are in no part."""
    known_speakers: bool = True
    """Leave out clips of unknown speakers, which cannot be separated in folds."""


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
        dimensions=dict.fromkeys(_NUMBERS.values(), (1.0, 7.0)),
        notes="Spontaneous speech; clips labelled 'other' or without agreement are included "
        f"without gold. Its makers do not publish Test3's labels. {UNTRIED}",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the clips in the table's order."""
        table = near(root, *_TABLES)
        if table is None:
            raise DataError(
                f"{root} contains no {_TABLES[0]}. Ask for MSP-Podcast at {self.card.url} and set "
                "`root` to the folder with Labels and Audios."
            )
        base = table.parent.parent if table.parent.name == "Labels" else table.parent
        folder = next((base / n for n in ("Audios", "Audio") if (base / n).is_dir()), None)
        if folder is None:
            raise DataError(f"{base} contains no folder Audios with the clips of {table.name}.")
        nameless, clips = 0, Recordings(folder)
        for line, row in rows_with(_COLUMNS, table):
            if self.options.known_speakers and row["SpkrID"].strip() in _UNKNOWN:
                nameless += 1
            else:
                yield self._utterance(clips, f"{table}, line {line}", row)
        if nameless:
            left_out = f"{counted(nameless, 'clip')} of unknown speakers left out"
            notes = f"{type(self).card.notes} {left_out} (known_speakers: true)."
            self.card = replace(self.card, notes=notes)

    def _utterance(self, clips: Recordings, origin: str, row: dict[str, str]) -> Utterance:
        name, code = Path(row["FileName"]).stem, row["EmoClass"].strip()
        speaker = row["SpkrID"].strip()
        file = clips.folder.parent / "Transcripts" / f"{name}.txt"
        words = "\n".join(line for _, line in lines(file)) if file.is_file() else None
        splits = {"Train": "train", "Development": "dev", self.options.test: "test"}
        if code not in (*_EMOTIONS, *_NO_LABEL):
            codes = ", ".join([*_EMOTIONS, *_NO_LABEL])
            raise DataError(f"{origin}: EmoClass is '{code}'; the codes are {codes}.")
        return Utterance(
            id=name,
            audio=clips.located(row["FileName"]),
            speaker=None if speaker in _UNKNOWN else speaker,
            dialogue_id="_".join(name.split("_")[:2]),
            turn=_turn(name),
            language="en",
            split=splits.get(row["Split_Set"].strip()),
            transcript=words and words.strip(),
            gold={_EMOTIONS[code]: 1.0} if code in _EMOTIONS else {},
            extras=_numbers(origin, row),
            origin=origin,
        )


def _numbers(origin: str, row: dict[str, str]) -> dict[str, float]:
    """Returns the ratings by name, without empty and ``NA`` cells."""
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
    return int(clip) * 10_000 + int(cut) if clip.isdecimal() and cut.isdecimal() else None

"""MELD: dialogues from the series Friends, labelled by people who watched them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from ._files import UNTRIED, by_stem, is_readable, is_sound
from ._text_files import rows_with

_TABLES = {
    "train": "train_sent_emo.csv",
    "validation": "dev_sent_emo.csv",
    "test": "test_sent_emo.csv",
}
_FOLDERS = {
    "train": ("train_splits", "train"),
    "validation": ("dev_splits_complete", "dev"),
    "test": ("output_repeated_splits_test", "test"),
}
"""Folders of each part's clips: of the release, then of copies."""
_COLUMNS = {"Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID"}
# The tables were written on Windows: its punctuation became control codes.
_PUNCTUATION = {0x85: "…", 0x91: "'", 0x92: "'", 0x93: '"', 0x94: '"', 0x96: "-", 0x97: "-"}


class MeldOptions(PluginOptions):
    """Options of `meld`."""

    text_only: bool = False
    """Read the words without the recordings, to evaluate a labeler."""
    splits: tuple[Literal["train", "validation", "test"], ...] = ()
    """Parts of the official split to read; all by default."""


class Meld(Dataset[MeldOptions]):
    """Reads ``train_sent_emo.csv`` and its two sisters, and ``train_splits/dia0_utt0.wav``.

    The release's .mp4 clips are read by PyAV, or extract the sound once, beside them.
    """

    Options = MeldOptions
    version = "1"
    card = Card(
        title="MELD, the Multimodal EmotionLines Dataset",
        licence="GPL-3.0 (annotations); the series' own rights in its sound",
        citation="Poria et al. (2019), ACL, 527-536",
        url="https://github.com/declare-lab/MELD",
        language="en",
        taxonomy="goemotions-ekman",
        notes="Its seven labels are those of goemotions-ekman. The official train, dev and test "
        "parts share the main cast, so the protocol 'split' is refused: evaluate encoders on "
        "k-speaker-folds, and on the test part only a labeler, which learns from no part "
        "(text_only: true, splits: [test]). A few clips of the release have no sound; "
        f"on_bad_audio: skip counts them. {UNTRIED}",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the utterances of the three parts, dialogue by dialogue."""
        wanted = {p: n for p, n in _TABLES.items() if p in (self.options.splits or _TABLES)}
        tables = {part: _table(root, name) for part, name in wanted.items()}
        if not any(tables.values()):
            raise DataError(
                f"{root} contains no {' or '.join(wanted.values())}. Get MELD from "
                f"{self.card.url} and set `root` to the folder with these tables."
            )
        for part, table in tables.items():
            if table is None:
                self.notes.append(f"The {part} part is missing: {root} has no {wanted[part]}.")
                continue
            clips = {} if self.options.text_only else self._clips(root, part)
            for line, row in rows_with(_COLUMNS, table):
                u, clip = _utterance(part, f"{table}, line {line}", row)
                if self.options.text_only:
                    yield u
                    continue
                for audio in clips.get(clip, [root / part / f"{clip}.wav"]):
                    yield replace(u, audio=audio)

    def _clips(self, root: Path, part: str) -> dict[str, list[Path]]:
        """Returns clip → its recordings; raises `DataError` if there are none."""
        folders = [p for name in _FOLDERS[part] for p in sorted(root.rglob(name)) if p.is_dir()]
        sound = [[p for p in sorted(folder.iterdir()) if is_sound(p)] for folder in folders]
        for files in sorted(sound, key=lambda files: not any(map(is_readable, files))):
            if files:
                return by_stem(files, self.notes)
        raise DataError(
            f"{root} contains no folder {' or '.join(_FOLDERS[part])} with the clips of the {part} "
            "part. For the words alone set text_only: true."
        )


def _utterance(part: str, origin: str, row: dict[str, str]) -> tuple[Utterance, str]:
    """Returns a row without its recording, and the name of its clip."""
    dialogue, turn = row["Dialogue_ID"], row["Utterance_ID"]
    if not turn.isdecimal() or len(turn) > 9:
        raise DataError(f"{origin}: Utterance_ID is '{turn}', not a number.")
    clip = f"dia{dialogue}_utt{turn}"
    utterance = Utterance(
        id=f"{part}_{clip}",
        speaker=row["Speaker"].strip() or None,
        dialogue_id=f"{part}_dia{dialogue}",
        turn=int(turn),
        language="en",
        split=part,
        transcript=row["Utterance"].translate(_PUNCTUATION).strip(),
        gold={row["Emotion"].strip().lower(): 1.0},
        extras={"season": row.get("Season", ""), "episode": row.get("Episode", "")},
        origin=origin,
    )
    return utterance, clip


def _table(root: Path, name: str) -> Path | None:
    return next((path for path in sorted(root.rglob(name)) if path.is_file()), None)

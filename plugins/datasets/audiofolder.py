"""Recordings in folders whose names say what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from lanser_bench import Card, DataError, Utterance

from ._columns import nfc
from ._files import walk
from ._stated import LeftOut, StatedDataset, StatedOptions

_GROUPS = ("label", "speaker", "split", "sentence_id", "language", "dialogue_id")


class AudioFolderOptions(StatedOptions):
    """Options of `audiofolder`."""

    pattern: str = r"(?P<label>[^/]+)/.+"
    """Regular expression for the whole path below the folder, with `/` between its parts. Its
    groups label, speaker, split, sentence_id, language and dialogue_id become columns."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Name of a folder → label of the taxonomy, where they differ."""
    title: str = "Recordings in folders"

    @field_validator("pattern")
    @classmethod
    def _readable(cls, pattern: str) -> str:
        try:
            groups = re.compile(pattern).groupindex
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        unknown = sorted(groups.keys() - set(_GROUPS))
        if unknown:
            raise ValueError(f"'{unknown[0]}' is no column; groups are {', '.join(_GROUPS)}")
        return pattern


class AudioFolder(StatedDataset[AudioFolderOptions]):
    """Reads ``label/anything.wav``, or whatever the option `pattern` says.

    A recording whose path does not fit is an error, since a class left out quietly would change
    every score.
    """

    Options = AudioFolderOptions
    version = "1"
    card = Card(title="Recordings in folders", licence="not stated", citation="not stated")

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the recordings sorted by path."""
        pattern = re.compile(self.options.pattern)
        left_out = LeftOut(self.options.leave_out)
        for path in walk(root):
            below = path.relative_to(root)
            match = pattern.fullmatch(below.as_posix())
            if match is None:
                raise DataError(
                    f"{path}: its path below {root} does not fit the pattern "
                    f"'{self.options.pattern}'. Move it away, or change the option `pattern`."
                )
            cells: dict[str, Any] = {
                name: value for name, value in match.groupdict().items() if value
            }
            label = cells.pop("label", None)
            if label is not None and left_out([nfc(label)]):
                continue
            cells.setdefault("language", self.options.language)
            gold = {}
            if label is not None and self.options.taxonomy is not None:
                gold = {self.options.labels.get(label, label): 1.0}
            yield Utterance(
                id=below.with_suffix("").as_posix(),
                audio=path,
                gold=gold,
                **cells,
            )
        self.notes += left_out.notes()

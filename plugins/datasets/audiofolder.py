"""Recordings in folders whose names are labels, speakers or splits."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import field_validator

from lanser_bench import Card, DataError, Utterance

from ._columns import nfc
from ._files import folders_without, preferred, walk
from ._stated import LeftOut, StatedDataset, StatedOptions, single_gold
from ._text_files import read_bytes

_HUGGING_FACE = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
_GROUPS = ("label", "speaker", "split", "sentence_id", "language", "dialogue_id")


class AudioFolderOptions(StatedOptions):
    """Options of `audiofolder`."""

    pattern: str = r"(?P<label>[^/]+)/.+"
    """Regular expression for the whole path below the folder, with `/` between its parts. Its
    groups label, speaker, split, sentence_id, language and dialogue_id become columns."""
    title: str = "Recordings in folders"

    @field_validator("pattern")
    @classmethod
    def _readable(cls, pattern: str) -> str:
        if r"\\" in pattern:
            raise ValueError("write / between folders, on Windows too")
        pattern = nfc(pattern)
        try:
            groups = re.compile(pattern).groupindex
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from None
        unknown = sorted(groups.keys() - set(_GROUPS))
        if unknown:
            raise ValueError(f"'{unknown[0]}' is no column; groups are {', '.join(_GROUPS)}")
        return pattern


class AudioFolder(StatedDataset[AudioFolderOptions]):
    """Reads ``label/anything.wav``, or paths that match the option `pattern`.

    A recording whose path does not match is an error, since a class that is silently left out would
    change every score.
    """

    Options = AudioFolderOptions
    version = "1"
    card = Card(title="Recordings in folders", licence="not stated", citation="not stated")

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the recordings sorted by path."""
        self._check_no_table(root)
        options = self.options
        pattern = re.compile(options.pattern)
        left_out = LeftOut(options.leave_out)
        paths = preferred(walk(root, self.notes), self.notes, lambda p: str(p.with_suffix("")))
        for path in paths:
            # A Mac writes ü as u and a mark; both spellings are one name.
            below = nfc(path.relative_to(root).as_posix())
            match = pattern.fullmatch(below)
            if match is None:
                raise DataError(
                    f"{path}: its path below {root} does not match the pattern "
                    f"'{options.pattern}'. Move it away, or change the option `pattern`."
                )
            cells: dict[str, Any] = {c: value for c, value in match.groupdict().items() if value}
            label = cells.pop("label", None)
            label = label and nfc(label)
            if label is not None and left_out([label]):
                continue
            yield Utterance(
                id=Path(below).with_suffix("").as_posix(),
                audio=path,
                gold=single_gold(label, options.taxonomy, options.labels),
                **{"language": options.language, **cells},
            )
        self.notes += left_out.notes()
        if "label" in pattern.groupindex and options.taxonomy is None:
            self.notes.append(
                "The labels in the paths are unused. To use them as gold, set `taxonomy`."
            )
        if bare := folders_without(root, paths):
            self.notes.append(f"Folders without a sound file: {', '.join(bare)}.")

    def _check_no_table(self, root: Path) -> None:
        """Refuses Hugging Face's layout, unless the user has set a pattern.

        Raises:
            DataError: with the command that reads the table.
        """
        places = [root.glob(below + name) for name in _HUGGING_FACE for below in ("", "*/")]
        tables = [path for place in places for path in sorted(place) if _lists_files(path)]
        if not tables:
            return
        if "pattern" in self.options.model_fields_set:
            self.notes.append(f"{', '.join(map(str, tables))} not read, because `pattern` is set.")
            return
        names = {path.parent.name: path.relative_to(root).as_posix() for path in tables}
        table = json.dumps(names, ensure_ascii=False) if tables[1:] else names.popitem()[1]
        words = ["manifest", str(root), f"table={table}", "columns={audio: file_name}"]
        if self.options.taxonomy:
            words.append(f"taxonomy={self.options.taxonomy}")
        raise DataError(
            f"{tables[0]} lists the recordings, but `audiofolder` does not read tables. Use "
            f"`lanser-bench data check {shlex.join(words)}` (in an experiment: the dataset "
            "manifest with these options). To use the names of the folders instead, set `pattern`."
        )


def _lists_files(table: Path) -> bool:
    """Whether a table has the column of Hugging Face's layout, by its first line or schema."""
    raw = read_bytes(table)
    head = raw if table.suffix == ".parquet" else raw.partition(b"\n")[0]
    return b"file_name" in head

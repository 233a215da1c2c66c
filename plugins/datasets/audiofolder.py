"""Recordings in folders whose names are labels, speakers or splits."""

from __future__ import annotations

import re
from collections.abc import Container, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import field_validator

from lanser_bench import Card, DataError, Proposal, Utterance

from ._columns import SPLITS, nfc
from ._files import counted, folders_without, is_sound, named, preferred, walk
from ._guess import guessed_pattern, hub_tables
from ._paths import Recordings
from ._stated import LeftOut, StatedDataset, StatedOptions, single_gold
from ._tables import TABLES
from .manifest import ManifestOptions, ManifestTable

_GROUPS = ("label", "speaker", "split", "sentence_id", "language", "dialogue_id")


class AudioFolderOptions(StatedOptions):
    """Options of `audiofolder`."""

    pattern: str = r"(?P<label>[^/]+)/.+"
    """Regular expression for the whole path below the folder, with `/` between its parts. Its
    groups label, speaker, split, sentence_id, language and dialogue_id become columns."""
    files: tuple[str, ...] = ()
    """Paths of the recordings to read, below the folder; empty for all."""
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

    In Hugging Face's layout (``metadata.csv``, ``.jsonl`` or ``.parquet`` with ``file_name``, in
    the folder or in one per split) the table is read, unless `pattern` is set.

    A recording whose path does not match is an error, since a class that is silently left out would
    change every score.
    """

    Options = AudioFolderOptions
    version = "1"
    card = Card(title="Recordings in folders", licence="not stated", citation="not stated")

    @classmethod
    def propose(cls, path: Path, emotions: Container[str]) -> Proposal | None:
        """Returns the roles of folders and parts of file names, or one recording."""
        if path.is_file():
            options = {"pattern": ".+", "files": [path.name]}
            return Proposal(path.parent, options, ("one recording",)) if is_sound(path) else None
        names = [nfc(found.relative_to(path).as_posix()) for found in walk(path, [])]
        if not names:
            return None
        pattern, findings = guessed_pattern(names, emotions)
        is_default = pattern == cls.Options.model_fields["pattern"].default
        return Proposal(path, {} if is_default else {"pattern": pattern}, tuple(findings))

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the recordings sorted by path."""
        options = self.options
        tables = hub_tables(root)
        if tables and "pattern" not in options.model_fields_set:
            yield from self._listed(root, tables)
            return
        listed = sorted(p.name for p in root.iterdir() if p.suffix.lower() in TABLES)
        hint = ", ".join(tables.values() or listed)
        if hint:
            manifest = "; if it lists the recordings, use the dataset `manifest`"
            hint += f" not read{', because `pattern` is set' if tables else manifest}."
            self.notes.append(hint)
        pattern = re.compile(options.pattern)
        left_out = LeftOut(options.leave_out)
        paths = self._paths(root)
        for path in paths:
            # A Mac writes ü as u and a mark; both spellings are one name.
            below = nfc(path.relative_to(root).as_posix())
            match = pattern.fullmatch(below)
            if match is None:
                raise DataError(
                    f"{path}: its path below {root} does not match the pattern "
                    f"'{options.pattern}'. Move it away, or change the option `pattern`. {hint}"
                )
            cells: dict[str, Any] = {c: value for c, value in match.groupdict().items() if value}
            if "split" in cells:
                cells["split"] = SPLITS.get(cells["split"], cells["split"])
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

    def _paths(self, root: Path) -> list[Path]:
        if self.options.files:
            return [Recordings(root).located(name) for name in self.options.files]
        return preferred(walk(root, self.notes), self.notes, lambda p: str(p.with_suffix("")))

    def _listed(self, root: Path, tables: dict[str, str]) -> Iterator[Utterance]:
        """Yields the rows of Hugging Face's tables."""
        stated = self.options.model_dump(include=set(StatedOptions.model_fields))
        columns = {"audio": "file_name"}
        reader = ManifestTable(
            ManifestOptions(**stated, table=tables.get("", tables), columns=columns)
        )
        reader.notes = self.notes
        listed = set()
        for utterance in reader.utterances(root):
            listed.add(utterance.audio)
            yield utterance if self.options.taxonomy else replace(utterance, gold={})
        if others := [path for path in walk(root, self.notes) if path not in listed]:
            self.notes.append(
                f"{counted(others, 'sound file')} not read, because {', '.join(tables.values())} "
                f"does not list them: {named(others, root)}."
            )

"""The People's Speech: many voices and subjects in everyday English; no emotion labels."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from ._files import UNTRIED, counted, is_readable
from ._text_files import lines

_FOLDERS = ("train", "validation", "test")
_NUMBERED = re.compile(r"_\d{6}$")
_SPLITS = {"validation": "dev", "test": "test"}
_TAR = "for t in *.tar; do mkdir -p ${t%.tar} && tar -xf $t -C ${t%.tar}; done"


class PeoplesSpeechOptions(PluginOptions):
    """Options of `peoples-speech`."""

    subsets: tuple[str, ...] = ()
    """Such as ``[clean, dirty_sa]``; empty for all whose table is in the folder."""


class PeoplesSpeech(Dataset[PeoplesSpeechOptions]):
    """Reads the release of MLCommons after its archives are extracted.

    Tables: ``[train/]clean.json`` (and ``clean_sa``, ``dirty``, ``dirty_sa``, ``validation``,
    ``test``), one JSON object a line: ``audio_document_id`` and ``training_data`` with the lists
    ``name``, ``label`` (the words) and ``duration_ms``. Recordings: the names of those lists below
    ``[train/]clean/``, the folder of the archives ``clean_000000.tar``; each may be extracted in
    place or into a folder with its own name.
    """

    Options = PeoplesSpeechOptions
    version = "1"
    card = Card(
        title="The People's Speech",
        licence="CC BY 2.0 to 4.0, by document; subsets with _sa CC BY-SA 3.0 and 4.0",
        citation="Galvez, Diamos, Ciro, Cerón, Achorn, Gopi, Kanter, Lam, Mazumder and Reddi "
        "(2021), NeurIPS Datasets and Benchmarks",
        url="https://huggingface.co/datasets/MLCommons/peoples_speech",
        language="en",
        notes="Speakers are not named: the document counts as the speaker, so that one recording "
        "is never on both sides of a split, though one document may contain several voices. The "
        f"transcripts are aligned captions, not exact. {UNTRIED}",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the utterances in the tables' order, also those without a recording."""
        for name, table in self._tables(root):
            folder = table.parent / _NUMBERED.sub("", table.stem)
            _check_extracted(folder, table)
            places = [folder, *sorted(p for p in folder.iterdir() if p.is_dir())]
            for origin, document, file, text in _entries(table):
                paths = [place / file for place in places]
                yield Utterance(
                    id=f"{name}/{Path(file).with_suffix('').as_posix()}",
                    audio=next((path for path in paths if path.is_file()), paths[0]),
                    speaker=document,
                    dialogue_id=document,
                    language="en",
                    split=_SPLITS.get(name, "train"),
                    transcript=text or None,
                    extras={"subset": name},
                    origin=origin,
                )

    def _tables(self, root: Path) -> list[tuple[str, Path]]:
        places = [root, *(root / folder for folder in _FOLDERS)]
        tables = {path.stem: path for place in places for path in sorted(place.glob("*.json"))}
        # The release also has clean_000000.json, the part of clean.json on its first archive.
        parts = [name for name in tables if _NUMBERED.search(name)]
        for name in parts:
            if _NUMBERED.sub("", name) in tables:
                del tables[name]
        wanted = self.options.subsets or tuple(tables)
        if not tables or not set(wanted) <= tables.keys():
            content = ", ".join(tables) or "no table such as clean.json"
            raise DataError(
                f"{root} is not The People's Speech with the subsets "
                f"{', '.join(wanted) or '(any)'}: it contains {content}. Get train/clean.json and "
                f"the archives of train/clean/ from {self.card.url}, extract them, and set `root` "
                "to the folder above train."
            )
        return [(name, tables[name]) for name in wanted]


def _check_extracted(folder: Path, table: Path) -> None:
    """Refuses a missing folder, and archives as they were downloaded."""
    if not folder.is_dir():
        raise DataError(
            f"{table} has no folder {folder.name}/ with its recordings beside it. Put its archives "
            "there and extract them."
        )
    archives = sorted(folder.glob("*.tar"))
    if archives and not any(p.is_dir() or is_readable(p) for p in folder.iterdir()):
        raise DataError(
            f"{folder} contains {counted(archives, 'archive')} such as {archives[0].name}, not "
            f"extracted. In that folder run: {_TAR}"
        )


def _entries(table: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yields origin, document, file name and words of each utterance of a table."""
    for number, line in lines(table):
        origin = f"{table}, line {number}"
        try:
            row: Any = json.loads(line)
            document, data = str(row["audio_document_id"]), row["training_data"]
            columns = [list(data[key]) for key in ("name", "label", "duration_ms")]
            for name, text, _ in zip(*columns, strict=True):
                yield origin, document, _relative(name), str(text).strip()
        except (ValueError, KeyError, TypeError) as error:
            raise DataError(
                f"{origin}: expected an object with audio_document_id and training_data of equally "
                f"long lists name, label and duration_ms ({type(error).__name__}: {error})."
            ) from None


def _relative(name: str) -> str:
    """Returns a name inside its archive; refuses one outside the folder."""
    path = Path(name.removeprefix("./").lstrip("/"))
    if ".." in path.parts:
        raise ValueError(f"'{name}' is outside the folder")
    return path.as_posix()

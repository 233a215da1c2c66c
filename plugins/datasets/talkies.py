"""Acted dialogue of two freely licensed adventure games, from their Debian packages."""

from __future__ import annotations

import hashlib
import io
import json
import re
import secrets
import shutil
import struct
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from . import _queen, _sky
from ._files import counted, published
from ._queen import Line

_PACKAGES = {"fotaq": "flight-of-the-amazon-queen", "bass": "beneath-a-steel-sky"}
_FILES = {"fotaq": ("queen.1c",), "bass": ("sky.dnr", "sky.dsk", "sky.cpt")}
_INDEX = "index.json"
_LAYOUT = "1"
"""Version of the files that are written."""
_SHORTEST = 0.4
"""Seconds; shorter clips have no word that one can make out."""
_MP3_BYTES = 2000
"""Bytes per second of fotaq's streams, all at 16 kbit/s."""
_CAPITALS = {
    *("BASIC", "CD", "D-LINC", "DNA", "ID", "LINC", "OK", "RAM", "SCHRIEBMANN", "TV", "US", "USS"),
}
"""Words whose capitals are no stress."""
_BLANKS = re.compile(r"\W+")
_WORD = re.compile(r"[A-Za-z'-]+")
_NOISE = re.compile(
    r"\W*((sq\w*k|gr+|a?roof|woof|zzz+|ooh*|oop|snif+|sniffle|hack|bu+rp|ah+|aa+r*g*h*|ugh*|um+|hm+)"
    r"\W*)+",
    re.IGNORECASE,
)
"""Texts without words."""


class TalkiesOptions(PluginOptions):
    """Options of `talkies`."""

    game: Literal["all", "fotaq", "bass"] = "all"
    """Flight of the Amazon Queen (`fotaq`), Beneath a Steel Sky (`bass`), or both."""


class Talkies(Dataset[TalkiesOptions]):
    """Reads ``queen.1c`` and ``sky.dsk`` with ``sky.dnr`` and ``sky.cpt``, anywhere below `root`.

    The recordings lie inside these files: the first use writes each one into the store, as its MP3
    stream or as 8-bit WAV with the game's samples. Speakers are roles. Dialogues are cut scenes,
    remarks with their answers, and scripts. Extras: ``game``, ``scene``.
    """

    Options = TalkiesOptions
    version = "1"
    card = Card(
        title="Talkies: dialogue of two adventure games",
        licence="Free to distribute and to modify; not to be sold as an item; the games' readme "
        "must stay with every copy; a modified version must be marked as one",
        citation="Passfield and Stamatiadis (1995), Flight of the Amazon Queen; Revolution "
        "Software (1994), Beneath a Steel Sky",
        url="https://packages.debian.org/stable/games/",
        language="en",
        notes="A modified version of the games: only their speech. Acted, with frequent irony. A "
        "corpus to pre-train on, never a target: speakers are roles, and one actor plays several. "
        "The sound ends at 5.5 kHz, so that a model can recognise the corpus by its band.",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the lines with words, each recording once, game by game, sorted by name."""
        games = _PACKAGES if self.options.game == "all" else (self.options.game,)
        for game in games:
            folder = self._extracted(game, root)
            seen: set[str] = set()
            left_out: Counter[str] = Counter()
            for row in json.loads((folder / _INDEX).read_text(encoding="utf-8")):
                why = _useless(row, seen)
                if why:
                    left_out[why] += 1
                else:
                    seen.add(row["sha256"])
                    yield _utterance(game, folder, row)
            if left_out:
                listed = ", ".join(f"{why} {count}" for why, count in sorted(left_out.items()))
                lines = counted(left_out.total(), "line")
                self.notes.append(f"{game}: {lines} left out ({listed}).")
        self.notes.append(
            "Speakers are roles, not persons: one actor may play several. Use it as a corpus; "
            "folds by speaker would not separate actors."
        )

    def _extracted(self, game: str, root: Path) -> Path:
        """Returns the folder with a game's clips and their index, writing it on first use."""
        files = [_file(root, game, name) for name in _FILES[game]]
        try:
            contents = [file.read_bytes() for file in files]
        except OSError as error:
            raise DataError(f"{files[0].parent}: {error.strerror}. Make it readable.") from None
        sha = hashlib.sha256(_LAYOUT.encode())
        for content in contents:
            sha.update(hashlib.sha256(content).digest())
        folder = self.storage / f"{game}-{sha.hexdigest()[:16]}"
        if not (folder / _INDEX).is_file():
            scratch = self.storage / f".making-{game}-{secrets.token_hex(4)}"
            scratch.mkdir(parents=True)
            try:
                rows = [_written(scratch, game, clip) for clip in _GAMES[game](*contents)]
                (scratch / _INDEX).write_text(json.dumps(rows, indent=0), encoding="utf-8")
                published(scratch, folder)
            except (ValueError, KeyError, IndexError, struct.error) as error:
                raise DataError(
                    f"{files[0]} is damaged or of another version than Debian's talking one "
                    f"({error}). {_how_to_get(game)}"
                ) from None
            finally:
                shutil.rmtree(scratch, ignore_errors=True)
        return folder


def _file(root: Path, game: str, name: str) -> Path:
    found = next(iter(sorted(root.rglob(name))), None)
    if found is None:
        raise DataError(
            f"{root} contains no {name} of the game {_PACKAGES[game]}. {_how_to_get(game)} To read "
            "only one game, set `game`."
        )
    return found


def _how_to_get(game: str) -> str:
    package = _PACKAGES[game]
    return (
        f"Get it with `apt-get download {package}` and `dpkg -x {package}_*.deb FOLDER`, and set "
        f"`root` to FOLDER; or with `apt install {package}`, and set `root` to /usr/share/scummvm."
    )


_Clip = tuple[Line, bytes, float]
"""Line, content of its sound file, seconds."""


def _fotaq(data: bytes) -> Iterator[_Clip]:
    if not data.startswith(_queen.VERSION) or data[12] != 1:
        raise ValueError("another kind of file")
    archive = _queen.Archive(data)
    lines = _queen.lines(archive)
    for name in archive.named(".SB"):
        if name in lines:
            sound = archive[f"{name}.SB"]
            yield lines[name], sound, len(sound) / _MP3_BYTES


def _bass(directory: bytes, data: bytes, names: bytes) -> Iterator[_Clip]:
    if struct.unpack_from("<I", directory)[0] != _sky.FILES:
        raise ValueError("another number of files")
    archive = _sky.Archive(directory, data)
    for number, line in _sky.lines(archive, names).items():
        samples = archive[number]
        raw = io.BytesIO()
        with wave.open(raw, "wb") as file:
            file.setparams((1, 1, _sky.RATE, 0, "NONE", ""))
            file.writeframes(samples)
        yield line, raw.getvalue(), len(samples) / _sky.RATE


_GAMES: dict[str, Callable[..., Iterator[_Clip]]] = {"fotaq": _fotaq, "bass": _bass}
_SUFFIX = {"fotaq": ".mp3", "bass": ".wav"}


def _written(folder: Path, game: str, clip: _Clip) -> dict[str, Any]:
    """Writes a clip's sound and returns its row of the index."""
    line, sound, seconds = clip
    file = f"{line.name}{_SUFFIX[game]}"
    (folder / file).write_bytes(sound)
    sha = hashlib.sha256(sound).hexdigest()
    return {**asdict(line), "file": file, "seconds": seconds, "sha256": sha}


def _useless(row: dict[str, Any], seen: set[str]) -> str:
    """Returns why a line is left out, empty if it is not."""
    text = _printable(row["text"])
    if row["role"] in _queen.ANIMALS or not text or _NOISE.fullmatch(text):
        return "animal or without words"
    if row["seconds"] < _SHORTEST:
        return f"shorter than {_SHORTEST} s"
    return "same sound as an earlier line" if row["sha256"] in seen else ""


def _utterance(game: str, folder: Path, row: dict[str, Any]) -> Utterance:
    role, dialogue = row["role"], row["dialogue"]
    return Utterance(
        id=f"{game}_{row['name']}",
        audio=folder / row["file"],
        speaker=role and f"{game}_{_BLANKS.sub('_', role)}",
        dialogue_id=dialogue and f"{game}_{dialogue}",
        turn=row["turn"],
        language="en",
        transcript=_plain(row["text"]),
        extras={"game": game, "scene": row["scene"]},
    )


def _printable(text: str) -> str:
    """Returns the text with single blanks and without the game's own signs."""
    text = re.sub(r"[^\x20-\x7e]", "", text.replace("<", "(").replace(">", ")"))
    return re.sub(r"\s+", " ", text).strip()


def _plain(text: str) -> str:
    """Returns the text with stressed words, in capitals, in lower case.

    A recogniser would not write the stress: it is in the voice.
    """

    def lowered(match: re.Match[str]) -> str:
        word = match[0]
        stressed = len(word) > 1 and word.isupper() and word not in _CAPITALS
        return word.lower() if stressed else word

    text = _printable(text)
    plain = _WORD.sub(lowered, text)
    first = _WORD.search(text)
    if first and first[0][:1].isupper():
        at = first.start()
        plain = plain[:at] + plain[at].upper() + plain[at + 1 :]
    return plain

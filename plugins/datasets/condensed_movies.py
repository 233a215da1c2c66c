"""Condensed Movies: key scenes of films, as the LanSER paper used them; no emotion labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import Field

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from ._files import UNTRIED, near, preferred, walk
from ._subtitles import read_cues, utterances_of
from ._text_files import rows_with

_SUBTITLES = (".vtt", ".srt")


class CondensedMoviesOptions(PluginOptions):
    """Options of `condensed-movies`."""

    cut: Literal["clips", "subtitles"] = "clips"
    """``clips``: a clip of about two minutes is one recording, to be cut by a segmenter such as
    ``vad``. ``subtitles``: an utterance per sentence of the clip's subtitles, which are then its
    transcript."""
    without_subtitles: Literal["stop", "whole"] = "stop"
    """With ``cut: subtitles``: stop at clips without subtitles, or use each whole, without a
    transcript."""
    subtitle_language: str = "en"
    """Which of several subtitles of a clip: ``VIDEOID.en.vtt``; without such a file, the one
    without a language."""
    gap: float = Field(default=0.5, ge=0)
    """Longest pause in seconds inside an utterance made of several cues."""
    longest: float = Field(default=15.0, gt=0)
    """Longest utterance in seconds made of several cues."""


class CondensedMovies(Dataset[CondensedMoviesOptions]):
    """Reads ``metadata/clips.csv`` (and ``split.csv``, ``movies.csv``) and sound you extracted.

    Sound: ``VIDEOID.wav`` (or .flac, .ogg, .mp3) anywhere below the folder, such as
    ``videos/2019/VIDEOID.flac``; PyAV converts videos. Subtitles: ``VIDEOID.vtt``,
    ``VIDEOID.en.vtt`` or ``.srt`` anywhere below the folder.
    """

    Options = CondensedMoviesOptions
    version = "1"
    card = Card(
        title="Condensed Movies",
        licence="metadata by its authors for research; the films' sound belongs to its owners",
        citation="Bain, Nagrani, Brown and Zisserman (2020), Condensed Movies: story based "
        "retrieval with contextual embeddings, ACCV",
        url="https://www.robots.ox.ac.uk/~vgg/research/condensed-movies",
        language="en",
        notes="Get the videos by its authors' script, then extract the sound. The film counts as "
        "the speaker, since actors are not named: one film is never on both sides of a split. "
        f"Music and noise are in most scenes. {UNTRIED}",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields clips, or their subtitles' sentences, in the table's order.

        Clips without a recording are yielded too: videos disappear, and few people have all, so
        most users will want ``on_bad_audio: skip``, which counts and names them.
        """
        table = _table(root, "clips.csv")
        if table is None:
            raise DataError(
                f"{root} contains no metadata/clips.csv of Condensed Movies. Get its metadata from "
                f"{self.card.url} and put the sound below the same folder."
            )
        sound: dict[str, list[Path]] = {}
        for path in preferred(walk(root, self.notes), self.notes):
            sound.setdefault(path.stem, []).append(path)
        subtitles, splits, empty = _subtitles(root), _splits(root), True
        for line, row in rows_with(("videoid", "imdbid"), table):
            name, origin = row["videoid"].strip(), f"{table}, line {line}"
            if not name:
                raise DataError(f"{origin}: the column videoid must not be empty.")
            film = row["imdbid"].strip() or f"video {name}"
            clip = Utterance(
                id=name,
                speaker=film,
                dialogue_id=name,
                language="en",
                split=splits.get(film),
                extras={key: row[key] for key in ("title", "clip_name", "year") if row.get(key)},
                origin=origin,
            )
            if name not in sound:
                year = row.get("upload_year", "")
                yield replace(clip, audio=root / "videos" / year / f"{name}.wav")
            for audio in sound.get(name, ()):
                empty = False
                yield from self._cut(replace(clip, audio=audio), subtitles.get(name, {}))
        if empty:
            raise DataError(
                f"{root} contains no sound of any clip of clips.csv. Name files VIDEOID.wav, .flac "
                "or .mkv by that column of clips.csv."
            )

    def _cut(self, clip: Utterance, subtitles: dict[str, Path]) -> Iterator[Utterance]:
        """Yields a clip with sound, or its sentences; `subtitles` are files by language."""
        options = self.options
        path = subtitles.get(options.subtitle_language) or subtitles.get("")
        if options.cut == "clips" or (path is None and options.without_subtitles == "whole"):
            yield clip
            return
        if path is None:
            raise DataError(
                f"{clip.origin}: there are no subtitles such as "
                f"{clip.id}.{options.subtitle_language}.vtt. Add them, set `without_subtitles: "
                "whole`, or cut by a segmenter (`cut: clips`)."
            )
        cues = utterances_of(read_cues(path), options.gap, options.longest)
        for turn, cue in enumerate(cues):
            yield replace(
                clip,
                id=f"{clip.id}#{turn:04d}",
                start=cue.start,
                end=cue.end,
                turn=turn,
                language=options.subtitle_language,
                transcript=cue.text,
                origin=f"{path}, line {cue.line}",
            )


def _table(root: Path, name: str) -> Path | None:
    return near(root, f"metadata/{name}", f"data/metadata/{name}", name, above=False)


def _splits(root: Path) -> dict[str, str]:
    """Returns film → train, dev or test, if the folder has the release's ``split.csv``."""
    table = _table(root, "split.csv")
    rows = rows_with(("imdbid", "split"), table) if table else ()
    splits = {row["imdbid"]: row["split"] for _, row in rows if row["split"]}
    return {film: "dev" if split == "val" else split for film, split in splits.items()}


def _subtitles(root: Path) -> dict[str, dict[str, Path]]:
    """Returns clip → language (empty for a name without one) → file."""
    files: dict[str, dict[str, Path]] = {}
    for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in _SUBTITLES):
        name, _, language = path.stem.partition(".")
        files.setdefault(name, {}).setdefault(language, path)
    return files

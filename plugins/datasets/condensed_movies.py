"""Condensed Movies: key scenes of films, as the LanSER paper used them; no emotion labels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from pydantic import Field

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from ._files import AUDIO, near, rows_with, walk
from ._subtitles import read_cues, utterances_of

_TABLE_PLACES = ("metadata", "data/metadata", ".")
_SUBTITLES = (".vtt", ".srt")
_VIDEO = (".mkv", ".mp4", ".webm")


class CondensedMoviesOptions(PluginOptions):
    """Options of `condensed-movies`."""

    cut: Literal["clips", "subtitles"] = "clips"
    """``clips``: a clip of about two minutes is one recording, to be cut by a segmenter such as
    ``vad``. ``subtitles``: an utterance per sentence of the clip's subtitles, which are then its
    transcript."""
    without_subtitles: Literal["stop", "whole"] = "stop"
    """With ``cut: subtitles``: stop at clips without subtitles, or keep each whole, without a
    transcript."""
    subtitle_language: str = "en"
    """Which of several subtitles of a clip: ``VIDEOID.en.vtt``; one without a language is taken
    where there is none with it."""
    gap: float = Field(default=0.5, ge=0)
    """Longest pause in seconds inside an utterance made of several cues."""
    longest: float = Field(default=15.0, gt=0)
    """Longest utterance in seconds made of several cues."""


class CondensedMovies(Dataset[CondensedMoviesOptions]):
    """Reads ``metadata/clips.csv`` (and ``split.csv``, ``movies.csv``) and sound you extracted.

    Sound: ``VIDEOID.wav`` (or .flac, .ogg, .mp3) anywhere below the folder, such as
    ``videos/2019/VIDEOID.flac``; videos themselves are not decoded. Subtitles: ``VIDEOID.vtt``,
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
        notes="Get the videos by its authors' script, then extract the sound. The film stands for "
        "the speaker, since actors are not named: one film is never on both sides of a split. "
        "Music and noise are in most scenes. This reader was tested on small trees with the true "
        "names and generated sound, not on the films.",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields clips, or their subtitles' sentences, in the table's order.

        Clips without a recording are given on as missing: videos vanish, and few people have all,
        so most will want ``on_bad_audio: skip``, which counts and names them.

        Raises:
            DataError: there is no ``clips.csv``, no sound, or a clip has no subtitles.
        """
        table = _table(root, "clips.csv")
        if table is None:
            raise DataError(
                f"{root} holds no metadata/clips.csv of Condensed Movies. Get its metadata from "
                f"{self.card.url} and put the sound below the same folder."
            )
        sound: dict[str, list[Path]] = {}
        for path in walk(root, self.notes):
            # Films without extracted sound are missing recordings: reading them takes too long.
            if path.suffix.lower() in AUDIO:
                sound.setdefault(path.stem, []).append(path)
        subtitles = _subtitles(root)
        splits = _splits(root)
        found = 0
        for line, row in rows_with(("videoid", "imdbid"), table):
            name, origin = row["videoid"].strip(), f"{table}, line {line}"
            if not name:
                raise DataError(f"{origin}: the column videoid must not be empty.")
            found += name in sound
            missing = root / "videos" / row.get("upload_year", "") / f"{name}.wav"
            for audio in sound.get(name, [missing]):
                known = name in sound
                yield from self._clip(name, row, audio, known, subtitles, splits, origin)
        if not found:
            raise DataError(_no_sound(root))

    def _clip(
        self,
        name: str,
        row: dict[str, str],
        audio: Path,
        known: bool,
        subtitles: dict[str, dict[str, Path]],
        splits: dict[str, str],
        origin: str,
    ) -> Iterator[Utterance]:
        film = row["imdbid"].strip() or f"video {name}"
        extras = {key: row[key] for key in ("title", "clip_name", "year") if row.get(key)}
        split = splits.get(film)
        offered = subtitles.get(name, {})
        path = offered.get(self.options.subtitle_language) or offered.get("")
        wanted = self.options.cut == "subtitles" and known
        if wanted and path is None and self.options.without_subtitles == "stop":
            raise DataError(
                f"{origin}: there are no subtitles such as "
                f"{name}.{self.options.subtitle_language}.vtt. Add them, set `without_subtitles: "
                "whole`, or cut by a segmenter (`cut: clips`)."
            )
        if not wanted or path is None:
            yield Utterance(
                id=name,
                audio=audio,
                speaker=film,
                dialogue_id=name,
                language="en",
                split="dev" if split == "val" else split,
                extras=extras,
                origin=origin,
            )
            return
        cues = utterances_of(read_cues(path), self.options.gap, self.options.longest)
        for turn, cue in enumerate(cues):
            yield Utterance(
                id=f"{name}#{turn:04d}",
                audio=audio,
                start=cue.start,
                end=cue.end,
                speaker=film,
                dialogue_id=name,
                turn=turn,
                language=self.options.subtitle_language,
                split="dev" if split == "val" else split,
                transcript=cue.text,
                extras=extras,
                origin=f"{path}, line {cue.line}",
            )


def _table(root: Path, name: str) -> Path | None:
    return near(root, *(f"{place}/{name}" for place in _TABLE_PLACES), above=False)


def _splits(root: Path) -> dict[str, str]:
    """Returns film → train, val or test, where the release's ``split.csv`` is there."""
    table = _table(root, "split.csv")
    if table is None:
        return {}
    return {
        row["imdbid"]: row["split"]
        for _, row in rows_with(("imdbid", "split"), table)
        if row["split"]
    }


def _subtitles(root: Path) -> dict[str, dict[str, Path]]:
    """Returns clip → language (empty where the name has none) → file."""
    found: dict[str, dict[str, Path]] = {}
    for path in sorted(p for p in root.rglob("*") if p.suffix.lower() in _SUBTITLES):
        name, _, language = path.stem.partition(".")
        found.setdefault(name, {}).setdefault(language, path)
    return found


def _no_sound(root: Path) -> str:
    videos = [p for p in sorted(root.rglob("*")) if p.suffix.lower() in _VIDEO]
    if videos:
        return (
            f"{root} holds {len(videos)} videos such as {videos[0].name}, but no sound of any clip "
            "of clips.csv: extract it, for example with ffmpeg -i VIDEOID.mkv -ac 1 -ar 16000 "
            "VIDEOID.flac."
        )
    return (
        f"{root} holds no sound of any clip of clips.csv. Files are named VIDEOID.wav or .flac, "
        "where VIDEOID is that column of clips.csv."
    )

"""RAVDESS: 24 professional actors say two sentences in eight emotions, coded in file names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from lanser_bench import Card, DataError, Dataset, PluginOptions, Utterance

from ._files import clips_of

_NAME = re.compile(r"(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)-(\d\d)")
_AUDIO_ONLY = "03"
_CHANNELS = {"speech": "01", "song": "02"}
_EMOTIONS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
"""In the order of their codes, from 01."""
_STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}


class RavdessOptions(PluginOptions):
    """Options of `ravdess`."""

    channel: Literal["speech", "song"] = "speech"
    """Spoken or sung; only sound-only files (modality 03) are read."""
    actors: tuple[int, ...] = ()
    """Only these actors, 1 to 24; empty for all."""
    test_actors: tuple[int, ...] = ()
    """The test side of the protocol `split`; all other actors are its training side."""


class Ravdess(Dataset[RavdessOptions]):
    """Reads ``Actor_XX/03-01-EE-II-SS-RR-AA.wav`` (or .flac) anywhere under the folder."""

    Options = RavdessOptions
    version = "1"
    card = Card(
        title="RAVDESS, the Ryerson Audio-Visual Database of Emotional Speech and Song",
        licence="CC BY-NC-SA 4.0",
        citation="Livingstone and Russo (2018), PLoS ONE 13(5): e0196391",
        url="https://zenodo.org/records/1188976",
        language="en",
        taxonomy="ravdess-8",
        fixed_sentences=True,
        notes="Acted; two sentences said in every emotion, so the words carry none. One recording "
        "has two names: 03-01-03-01-02-01-07 and 03-01-03-01-02-02-07.",
    )

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the clips sorted by path."""
        channel, actors = self.options.channel, self.options.actors
        code = _CHANNELS[channel]
        of_actors = f" of actors {list(actors)}" if actors else ""
        for path, match in clips_of(
            self,
            root,
            _NAME,
            f"RAVDESS {channel} file{of_actors} such as Actor_01/03-{code}-01-01-01-01-01.wav",
            "the folder that contains Actor_01",
            wanted=lambda _, match: (
                match.group(1, 2) == (_AUDIO_ONLY, code) and (not actors or int(match[7]) in actors)
            ),
        ):
            yield self._utterance(path, *match.groups()[2:])

    def _split(self, actor: int) -> str | None:
        if not self.options.test_actors:
            return None
        return "test" if actor in self.options.test_actors else "train"

    def _utterance(
        self, path: Path, emotion: str, intensity: str, statement: str, repetition: str, actor: str
    ) -> Utterance:
        if not 1 <= int(emotion) <= len(_EMOTIONS) or statement not in _STATEMENTS:
            raise DataError(
                f"{path}: emotion {emotion} or statement {statement} is not a code of RAVDESS "
                "(emotions 01-08, statements 01-02)."
            )
        return Utterance(
            id=path.stem,
            audio=path,
            speaker=f"actor-{actor}",
            sentence_id=f"statement-{statement}",
            language="en",
            split=self._split(int(actor)),
            transcript=_STATEMENTS[statement],
            gold={_EMOTIONS[int(emotion) - 1]: 1.0},
            extras={
                "sex": "male" if int(actor) % 2 else "female",
                "intensity": "strong" if intensity == "02" else "normal",
                "repetition": int(repetition),
            },
        )

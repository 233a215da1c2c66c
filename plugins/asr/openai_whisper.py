"""Whisper by OpenAI's own package: the reference implementation, on PyTorch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lanser_bench import ASR, MissingDependencyError, SettingsError, Speech, Transcript

from .._whisper_ct2 import dimensions, openai_state_dict, read_ct2
from ..weights import Weights, resolve
from ._whisper import POSITION, WhisperOptions, Window, summary, transcripts

if TYPE_CHECKING:
    from whisper.model import Whisper


class Options(WhisperOptions):
    """Options of `openai-whisper`.

    `model` may also be a ``.pt`` checkpoint or the name of one in openai-whisper's own cache, such
    as ``base.en``.
    """


class OpenAIWhisper(ASR[Options]):
    """OpenAI's Whisper in float32, fed with arrays, so that ffmpeg is not needed."""

    Options = Options
    version = "1"
    libraries = ("openai-whisper", "torch", "tiktoken", "numpy")
    batch_size = 8

    @cached_property
    def weights(self) -> Weights:
        """The checkpoint, or the folder of the CTranslate2 model."""
        cached = _whisper_cache() / f"{self.options.model}.pt"
        return resolve(str(cached) if cached.is_file() else self.options.model)

    def fingerprint(self) -> str:
        """Content hash or hub revision of the weights."""
        return self.weights.revision

    def describe(self) -> dict[str, Any]:
        """Model and licence."""
        return {"model": self.weights.source, "licence": self.weights.licence}

    def transcribe(self, batch: Sequence[Speech]) -> list[Transcript]:
        """Transcribes clips of any length.

        Raises:
            SettingsError: a multilingual model and no language, or the language is none of its own.
            DataError: an English-only model and speech in another language.
        """
        multilingual = self._model.is_multilingual
        return transcripts(batch, self.options, multilingual, self._short, self._long)

    @cached_property
    def _model(self) -> Whisper:
        try:
            import whisper
        except ImportError as error:
            raise MissingDependencyError(
                f"The ASR 'openai-whisper' needs its package ({error}): pip install openai-whisper."
            ) from None
        path = self.weights.path
        if path.suffix == ".pt":
            return whisper.load_model(str(path), device=self.options.device).eval()
        if not (path.is_file() or (path / "model.bin").is_file()):
            raise SettingsError(
                f"'{self.options.model}' is neither a .pt checkpoint nor a CTranslate2 model: "
                f"{path} holds no model.bin."
            )
        import torch

        variables = read_ct2(path)
        model = whisper.model.Whisper(whisper.model.ModelDimensions(**dimensions(variables)))
        state = {name: torch.from_numpy(v) for name, v in openai_state_dict(variables).items()}
        model.load_state_dict(state)
        return model.to(self.options.device).eval()

    def _short(self, batch: Sequence[Speech], language: str, size: int, most: int) -> list[Window]:
        """Decodes clips of one window of `size` samples each, in one call."""
        import torch
        import whisper

        padded = np.stack([np.pad(s.samples, (0, size - len(s.samples))) for s in batch])
        sound = torch.from_numpy(padded).to(self._model.device)
        # Clip by clip: the spectrogram is levelled by its loudest frame, which must be its own.
        mel = torch.stack(
            [whisper.log_mel_spectrogram(one, self._model.dims.n_mels) for one in sound]
        )
        options = whisper.DecodingOptions(
            language=self._known(language),
            temperature=self.options.temperature,
            beam_size=self.options.beam_size if self.options.beam_size > 1 else None,
            sample_len=most,
            without_timestamps=True,
            fp16=False,
        )
        # Drawn tokens must be the same in every run, and the caller's random state is left alone.
        with _context(self._model.encoder, size // POSITION), torch.random.fork_rng():
            torch.manual_seed(0)
            results = whisper.decode(self._model, mel, options)
        return [
            Window(
                r.text,
                r.avg_logprob,
                r.no_speech_prob,
                r.compression_ratio,
                len(r.tokens),
                len(r.tokens) >= most,
            )
            for r in results
        ]

    def _long(self, speech: Speech, language: str) -> Transcript:
        result = self._model.transcribe(
            speech.samples,
            language=self._known(language),
            temperature=self.options.temperature,
            beam_size=self.options.beam_size if self.options.beam_size > 1 else None,
            compression_ratio_threshold=None,
            logprob_threshold=None,
            no_speech_threshold=None,
            condition_on_previous_text=False,
            fp16=False,
            verbose=None,
        )
        windows = [
            Window(
                segment["text"],
                segment["avg_logprob"],
                segment["no_speech_prob"],
                segment["compression_ratio"],
                len(segment["tokens"]),
            )
            for segment in result["segments"]
        ]
        return summary(windows, language)

    def _known(self, language: str) -> str:
        from whisper.tokenizer import LANGUAGES

        if language not in LANGUAGES:
            raise SettingsError(f"Whisper does not know the language '{language}'.")
        return language


@contextmanager
def _context(encoder: Any, positions: int) -> Iterator[None]:
    """Lets the encoder hear as many positions as it is given: its sinusoids are cut to them."""
    whole = encoder.positional_embedding
    encoder.positional_embedding = whole[:positions]
    try:
        yield
    finally:
        encoder.positional_embedding = whole


def _whisper_cache() -> Path:
    """Where openai-whisper keeps the checkpoints that it downloads."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "whisper"

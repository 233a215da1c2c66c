"""Whisper by CTranslate2 (faster-whisper): the fastest on a CPU."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lanser_bench import ASR, MissingDependencyError, SettingsError, Speech, Transcript

from ..weights import Weights, resolve
from ._ctc import compression_ratio
from ._whisper import WhisperOptions, Window, summary, transcripts

if TYPE_CHECKING:
    from faster_whisper import WhisperModel
    from faster_whisper.tokenizer import Tokenizer


class Options(WhisperOptions):
    """Options of `faster-whisper`."""

    compute_type: Literal["float32", "float16", "bfloat16", "int8", "int8_float32"] = "float32"
    """Type of the arithmetic in CTranslate2; which of them there are depends on the processor."""


class FasterWhisper(ASR[Options]):
    """Whisper by CTranslate2, with fixed temperature and a named language.

    A clip of at most 30 s is one window without timestamps; a longer one goes through
    faster-whisper's own loop over windows, each decoded without the text before it.
    """

    Options = Options
    version = "1"
    libraries = ("faster-whisper", "ctranslate2", "numpy")
    batch_size = 8

    @cached_property
    def weights(self) -> Weights:
        """The model's folder, checked."""
        return resolve(self.options.model)

    def fingerprint(self) -> str:
        """Content hash or hub revision of the CTranslate2 model."""
        return self.weights.revision

    def describe(self) -> dict[str, Any]:
        """Model, licence and arithmetic."""
        return {
            "model": self.weights.source,
            "licence": self.weights.licence,
            "compute_type": self.options.compute_type,
        }

    def transcribe(self, batch: Sequence[Speech]) -> list[Transcript]:
        """Transcribes clips of any length.

        Raises:
            SettingsError: a multilingual model and no language, or the language is none of its own.
            DataError: an English-only model and speech in another language.
        """
        multilingual = self._model.model.is_multilingual
        return transcripts(batch, self.options, multilingual, self._short, self._long)

    @cached_property
    def _model(self) -> WhisperModel:
        try:
            from faster_whisper import WhisperModel
        except ImportError as error:
            raise MissingDependencyError(
                f"The ASR 'faster-whisper' needs its package ({error}): "
                "pip install 'lanser-bench[faster-whisper]'."
            ) from None
        if not (self.weights.path / "model.bin").is_file():
            raise SettingsError(
                f"'{self.options.model}' is no CTranslate2 model: {self.weights.path} holds no "
                "model.bin. Name a converted one, such as Systran/faster-whisper-base."
            )
        try:
            return WhisperModel(
                str(self.weights.path),
                device=self.options.device,
                compute_type=self.options.compute_type,
                # The harness limits threads through this variable, which enters the stage's key.
                cpu_threads=int(os.environ.get("OMP_NUM_THREADS") or 0),
            )
        except ValueError:
            from ctranslate2 import get_supported_compute_types

            wanted, device = self.options.compute_type, self.options.device
            possible = sorted(get_supported_compute_types(device))
            if wanted in possible:
                raise
            raise SettingsError(
                f"asr 'faster-whisper': this machine's {device} does not compute in {wanted}. "
                f"Set compute_type to one of: {', '.join(possible)}."
            ) from None

    def _tokenizer(self, language: str) -> Tokenizer:
        from faster_whisper.tokenizer import Tokenizer

        model = self._model
        try:
            return Tokenizer(
                model.hf_tokenizer,
                model.model.is_multilingual,
                task="transcribe",
                language=language,
            )
        except ValueError as error:
            raise SettingsError(f"Whisper does not know the language: {error}.") from None

    def _short(self, batch: Sequence[Speech], language: str, size: int, most: int) -> list[Window]:
        """Decodes clips of one window of `size` samples each, in one call."""
        import ctranslate2

        model, tokenizer = self._model, self._tokenizer(language)
        # The model was trained on sound padded with silence before the spectrogram is taken.
        padded = [np.pad(s.samples, (0, size - len(s.samples))) for s in batch]
        mel = np.stack([model.feature_extractor(samples, padding=0) for samples in padded])
        encoded = model.model.encode(
            ctranslate2.StorageView.from_array(np.ascontiguousarray(mel, np.float32))
        )
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        # Drawn tokens must be the same in every run.
        ctranslate2.set_random_seed(0)
        sampling = (
            {"beam_size": self.options.beam_size}
            if self.options.temperature == 0
            else {"sampling_topk": 0, "sampling_temperature": self.options.temperature}
        )
        results = model.model.generate(
            encoded,
            [prompt] * len(batch),
            max_length=len(prompt) + most,
            return_scores=True,
            return_no_speech_prob=True,
            **sampling,
        )
        return [_window(result, tokenizer, most) for result in results]

    def _long(self, speech: Speech, language: str) -> Transcript:
        segments, _ = self._model.transcribe(
            speech.samples,
            language=language,
            task="transcribe",
            beam_size=self.options.beam_size,
            best_of=1,
            temperature=self.options.temperature,
            compression_ratio_threshold=None,
            log_prob_threshold=None,
            no_speech_threshold=None,
            condition_on_previous_text=False,
            vad_filter=False,
        )
        windows = [
            Window(s.text, s.avg_logprob, s.no_speech_prob, s.compression_ratio, len(s.tokens))
            for s in segments
        ]
        return summary(windows, language)


def _window(result: Any, tokenizer: Tokenizer, most: int) -> Window:
    tokens = result.sequences_ids[0]
    text = tokenizer.decode(tokens).strip()
    # CTranslate2's score is the mean over the text's tokens; Whisper's counts the end token too.
    mean = result.scores[0] * len(tokens) / (len(tokens) + 1)
    cut = len(tokens) >= most
    return Window(text, mean, result.no_speech_prob, compression_ratio(text), len(tokens), cut)

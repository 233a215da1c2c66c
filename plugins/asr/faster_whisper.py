"""Whisper by CTranslate2 (faster-whisper): the fastest on a CPU."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import field_validator

from lanser_bench import SettingsError, Speech, Transcript, Waveform

from .._optional import import_optional
from .._whisper_ct2 import POSITION
from ._ctc import compression_ratio
from ._whisper import WhisperASR, WhisperOptions, Window, summary


class Options(WhisperOptions):
    """Options of `faster-whisper`."""

    kind = "faster-whisper"

    compute_type: Literal["float32", "float16", "bfloat16", "int8", "int8_float32"] = "float32"
    """Arithmetic in CTranslate2; the processor determines which of them are available."""

    @field_validator("device")
    @classmethod
    def _supported(cls, device: str) -> str:
        if device == "mps":
            raise ValueError("CTranslate2 computes on cpu or cuda only; set device: cpu")
        return device


class FasterWhisper(WhisperASR[Options]):
    """Whisper by CTranslate2, with fixed temperature and a named language.

    A clip of at most 30 s is one window without timestamps. A longer one goes through
    faster-whisper's own loop over windows, each decoded without the preceding text.
    """

    Options = Options
    version = "1"
    opens = "faster-whisper"
    weight_files = ("model.bin",)
    libraries = ("faster-whisper", "ctranslate2", "numpy")

    def describe(self) -> dict[str, Any]:
        """Model, licence and arithmetic."""
        return super().describe() | {"compute_type": self.options.compute_type}

    def _multilingual(self) -> bool:
        return bool(self._model.model.is_multilingual)

    @cached_property
    def _model(self) -> Any:
        library = import_optional(
            "faster_whisper",
            "The ASR 'faster-whisper' needs its package",
            "pip install 'lanser-bench[faster-whisper]'.",
        )
        folder, options = self.weights.path, self.options
        if not (folder / "model.bin").is_file():
            raise SettingsError(
                f"'{options.model}' is not a CTranslate2 model: {folder} contains no model.bin. "
                "Name a converted model, such as Systran/faster-whisper-base."
            )
        try:
            return library.WhisperModel(
                str(folder),
                device=options.device,
                compute_type=options.compute_type,
                # The harness limits threads by this variable, which is part of the stage's key.
                cpu_threads=int(os.environ.get("OMP_NUM_THREADS") or 0),
            )
        except ValueError:
            from ctranslate2 import get_supported_compute_types

            possible = sorted(get_supported_compute_types(options.device))
            if options.compute_type in possible:
                raise
            raise SettingsError(
                f"asr 'faster-whisper': the {options.device} of this machine does not compute in "
                f"{options.compute_type}. Set compute_type to one of: {', '.join(possible)}."
            ) from None

    def _tokenizer(self, language: str) -> Any:
        from faster_whisper.tokenizer import Tokenizer

        model = self._model
        multilingual = model.model.is_multilingual
        try:
            return Tokenizer(model.hf_tokenizer, multilingual, task="transcribe", language=language)
        except ValueError as error:
            raise SettingsError(f"Whisper does not support the language: {error}.") from None

    def _short(
        self, batch: Sequence[Speech], language: str, size: int, most: int, total: int
    ) -> list[Window]:
        import ctranslate2

        model, tokenizer = self._model, self._tokenizer(language)
        encoded = self._encoded([speech.samples for speech in batch], size)
        if total > size:
            silence = np.array(self._silence(total))[:, size // POSITION :]
            joined = np.concatenate([np.array(encoded), silence.repeat(len(batch), 0)], 1)
            encoded = ctranslate2.StorageView.from_array(joined)
        prompt = [*tokenizer.sot_sequence, tokenizer.no_timestamps]
        # Sampled tokens must be the same in every run.
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

    def _encoded(self, clips: Sequence[Waveform], size: int) -> Any:
        import ctranslate2

        model = self._model
        # The model was trained on audio padded with silence before the spectrogram is taken.
        padded = [np.pad(samples, (0, size - len(samples))) for samples in clips]
        mel = np.stack([model.feature_extractor(samples, padding=0) for samples in padded])
        view = ctranslate2.StorageView.from_array(np.ascontiguousarray(mel, np.float32))
        # To join it with cached silence it is copied to main memory.
        return model.model.encode(view, to_cpu=self.options.silence == "cached")

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


def _window(result: Any, tokenizer: Any, most: int) -> Window:
    tokens = result.sequences_ids[0]
    text = tokenizer.decode(tokens).strip()
    # CTranslate2's score is the mean over the text's tokens; Whisper's counts the end token too.
    mean = result.scores[0] * len(tokens) / (len(tokens) + 1)
    cut = len(tokens) >= most
    return Window(text, mean, result.no_speech_prob, compression_ratio(text), len(tokens), cut)

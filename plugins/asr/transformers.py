"""Recognisers of transformers: Whisper, Moonshine, Parakeet-TDT, and CTC models.

Models with CTC heads are those of wav2vec 2.0 and its relatives, w2v-BERT 2.0 and Parakeet-CTC. All
decode greedily, so transcripts are deterministic: there is no temperature and no fallback.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any

from pydantic import Field

from lanser_bench import Speech, Transcript

from .._devices import Precision, dtype_on, exact_convolutions
from .._named_model import NamedModelOptions
from .._transformers import load_extractor, load_model, load_part, refuse_missing
from ..weights import usual_names
from ._ctc import ctc, transcript
from ._hf_whisper import HFWhisper
from ._sequences import DECODERS, sequence
from ._whisper import RecogniserOptions, WhisperASR, Window, summary


class Options(NamedModelOptions, RecogniserOptions):
    """Options of `transformers`."""

    kind = "recogniser"
    example = "openai/whisper-small or facebook/wav2vec2-base-960h"

    model: Annotated[str, usual_names("asr")] = ""
    """A Whisper, Moonshine, Parakeet-TDT or CTC model of transformers: a folder, a hub id, or a
    usual name such as ``small``."""
    window_s: float = Field(default=12.0, ge=1.0, le=30.0)
    """Whisper only: clips are padded to this length, or to their own if they are longer, instead of
    30 s. A clip that then loops or is unlikely is transcribed again with 30 s."""

    precision: Precision = "float32"
    """Type of weights and activations. A CPU refuses those that it has no instructions for."""


class TransformersASR(WhisperASR[Options]):
    """Whisper, Moonshine, Parakeet-TDT or CTC through transformers."""

    Options = Options
    version = "1"
    opens = "asr"
    libraries = ("torch", "transformers", "tokenizers", "numpy")

    def transcribe(self, batch: Sequence[Speech]) -> list[Transcript]:
        """Transcribes clips of any length.

        Whisper reads clips that are longer than its window in pieces, which may split words: use a
        segmenter for long recordings.
        """
        kind = self._parts[0].config.model_type
        if kind == "whisper":
            return super().transcribe(batch)
        # One by one, because padding changes the output of many of these models.
        decode = sequence if kind in DECODERS else ctc
        language = self.options.language
        return [transcript(decode(self._parts, speech), speech, language) for speech in batch]

    def _multilingual(self) -> bool:
        return self._whisper.multilingual

    def _window(self) -> int:
        return int(self._whisper.extractor.n_samples)

    def _short(
        self, batch: Sequence[Speech], language: str, size: int, most: int, total: int
    ) -> list[Window]:
        return self._whisper.windows(batch, language, size, most, total)

    def _long(self, speech: Speech, language: str) -> Transcript:
        pieces, size = self._whisper.pieces(speech), self.batch_size
        parts = [pieces[start : start + size] for start in range(0, len(pieces), size)]
        windows = [one for part in parts for one in self._whisper.windows(part, language)]
        return summary(windows, language)

    @cached_property
    def _whisper(self) -> HFWhisper:
        return HFWhisper(*self._parts)

    @cached_property
    def _parts(self) -> tuple[Any, Any, Any]:
        """The model in eval mode, its feature extractor and its tokenizer."""
        name = self.options.model
        dtype = dtype_on(self.options.device, self.options.precision)
        model, missing = load_model(
            name,
            lambda config: HEADS.get(config.model_type, "AutoModelForCTC"),
            "recogniser (Whisper, Moonshine, Parakeet or CTC)",
        )
        refuse_missing(
            name, "recogniser", missing, "Choose one that was fine-tuned for recognition."
        )
        extractor = load_extractor(name)
        tokenizer = load_part(name, "AutoTokenizer")
        model = model.to(self.options.device, dtype).eval()
        exact_convolutions(model, self.options.device, dtype)
        return model, extractor, tokenizer


HEADS = {
    "whisper": "WhisperForConditionalGeneration",
    "moonshine": "AutoModelForSpeechSeq2Seq",
    "parakeet_tdt": "AutoModelForTDT",
}
"""Classes of transformers by `model_type`; all others are CTC."""

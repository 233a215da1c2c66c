"""Recognisers of transformers: Whisper, and CTC models such as wav2vec 2.0, HuBERT and WavLM.

Both decode greedily, so a transcript is deterministic: there is no temperature and no fallback.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, model_validator

from lanser_bench import (
    ASR,
    SAMPLE_RATE,
    Language,
    MissingDependencyError,
    PluginOptions,
    SettingsError,
    Speech,
    Transcript,
)

from ..weights import Weights, resolve
from ._ctc import ctc_transcript
from ._hf_whisper import HFWhisper
from ._whisper import Window, heard, spoken_language, summary


class Options(PluginOptions):
    """Options of `transformers`."""

    model: str = ""
    """A Whisper or CTC model of transformers: a folder, or a hub id."""
    language: Language | None = None
    """Code or name such as ``de``, for utterances whose manifest does not say; never guessed. A
    CTC model knows the language it was trained on, whatever is said here."""
    window_s: float = Field(default=12.0, ge=1.0, le=30.0)
    """Whisper alone: clips are padded to this length, or to their own if they are longer, in place
    of 30 s. A clip that loops or is unlikely then is heard again with 30 s."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Part of the key, because the two give slightly different floats."""

    @model_validator(mode="after")
    def _named(self) -> Options:
        if not self.model:
            raise ValueError(
                "name a Whisper or CTC model in the option 'model', a folder or a hub id such as "
                "openai/whisper-small or facebook/wav2vec2-base-960h: none comes with lanser-bench"
            )
        return self


class TransformersASR(ASR[Options]):
    """Whisper or CTC in float32 through transformers."""

    Options = Options
    version = "1"
    libraries = ("torch", "transformers", "tokenizers", "numpy")
    batch_size = 8

    @cached_property
    def weights(self) -> Weights:
        """The model's folder."""
        return resolve(self.options.model)

    def fingerprint(self) -> str:
        """Content hash or hub revision of the weights."""
        return self.weights.revision

    def describe(self) -> dict[str, Any]:
        """Model and licence."""
        return {"model": self.weights.source, "licence": self.weights.licence}

    def transcribe(self, batch: Sequence[Speech]) -> list[Transcript]:
        """Transcribes clips of any length.

        Whisper hears clips that are longer than its window piece by piece, cut without regard to
        words: use a segmenter for long recordings.

        Raises:
            SettingsError: a multilingual Whisper and no language, or none of its own.
            DataError: an English-only Whisper and speech in another language.
        """
        model, extractor, tokenizer = self._parts
        if model.config.model_type != "whisper":
            # One by one: many of these models hear the padding.
            return [
                ctc_transcript(model, extractor, tokenizer, speech, self.options.language)
                for speech in batch
            ]
        whisper = HFWhisper(model, extractor, tokenizer)
        languages = [
            spoken_language(speech, self.options.language, whisper.multilingual) for speech in batch
        ]
        whole, size = extractor.n_samples, round(self.options.window_s * SAMPLE_RATE)
        short = [i for i, speech in enumerate(batch) if len(speech.samples) <= whole]
        texts = heard(
            [batch[i] for i in short],
            [languages[i] for i in short],
            size,
            lambda clips, language, size, most: whisper.windows(
                [clip.samples for clip in clips], language, size, most
            ),
            whole,
        )
        found = dict(zip(short, texts, strict=True))
        return [
            found[i] if i in found else self._long(whisper, speech, languages[i])
            for i, speech in enumerate(batch)
        ]

    def _long(self, whisper: HFWhisper, speech: Speech, language: str) -> Transcript:
        pieces = whisper.pieces(speech.samples)
        windows: list[Window] = []
        for start in range(0, len(pieces), self.batch_size):
            windows += whisper.windows(pieces[start : start + self.batch_size], language)
        return summary(windows, language)

    @cached_property
    def _parts(self) -> tuple[Any, Any, Any]:
        """The model in eval mode, its feature extractor and its tokenizer."""
        model = _load(self.options.model)
        import transformers

        hub: Any = transformers
        path = self.weights.path
        try:
            extractor = hub.AutoFeatureExtractor.from_pretrained(path, local_files_only=True)
            tokenizer = hub.AutoTokenizer.from_pretrained(path, local_files_only=True)
        except (OSError, ValueError, TypeError) as error:
            raise MissingDependencyError(
                f"The model '{self.options.model}' lacks its feature extractor or tokenizer: "
                f"{error}."
            ) from None
        if extractor.sampling_rate != SAMPLE_RATE:
            raise SettingsError(
                f"The model '{self.options.model}' hears {extractor.sampling_rate} Hz, and speech "
                f"comes at {SAMPLE_RATE} Hz. Choose another model."
            )
        return model.to(self.options.device).eval(), extractor, tokenizer


def _load(name: str) -> Any:
    """Loads a model from safetensors; models without a recogniser's head are refused.

    Raises:
        MissingDependencyError: it does not load as Whisper or as a CTC model.
        SettingsError: its weights lack the head, which would then be random.
    """
    import torch
    import transformers

    hub: Any = transformers
    path = resolve(name).path
    shown = hub.utils.logging.is_progress_bar_enabled()
    hub.utils.logging.disable_progress_bar()
    try:
        config = hub.AutoConfig.from_pretrained(path, local_files_only=True)
        whisper = config.model_type == "whisper"
        head = hub.WhisperForConditionalGeneration if whisper else hub.AutoModelForCTC
        model, report = head.from_pretrained(
            path,
            use_safetensors=True,
            trust_remote_code=False,
            local_files_only=True,
            dtype=torch.float32,
            output_loading_info=True,
        )
    except (OSError, ValueError) as error:
        raise MissingDependencyError(
            f"The model '{name}' does not load as a Whisper or CTC model of transformers from "
            f"safetensors: {error}."
        ) from None
    finally:
        if shown:
            hub.utils.logging.enable_progress_bar()
    # The mask of pre-training is used in training only, and often left out of checkpoints.
    missing = [key for key in sorted(report["missing_keys"]) if "masked_spec_embed" not in key]
    if missing:
        raise SettingsError(
            f"The model '{name}' is no recogniser: its weights lack {', '.join(missing[:3])}, "
            "which would be random. Choose one that was fine-tuned for recognition."
        )
    return model

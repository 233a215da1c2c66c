"""`whisper-encoder`: the encoder of a Whisper model, frozen, without Whisper's 30 s padding.

Radford et al., Robust Speech Recognition via Large-Scale Weak Supervision (ICML 2023). Whisper pads
every clip to 30 s; here the positional embedding is cut to the clip instead, which is several times
faster on short clips and keeps silence out of the mean. Whisper was trained on padded clips, but
for emotion the embeddings without padding are at least as good.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .transformers import FrozenEncoder, FrozenOptions, speech_model

if TYPE_CHECKING:
    from ._speech_model import SpeechModel


class Options(FrozenOptions):
    """Options of `whisper-encoder`."""


class WhisperEncoder(FrozenEncoder[Options]):
    """Every layer of a Whisper encoder, from the convolutions' output to the normalised last one.

    Clips are encoded one by one, also on a GPU: Whisper has no mask for padding.
    """

    Options = Options
    version = "1"
    opens = "whisper-encoder"
    libraries = ("torch", "transformers")
    licence = "MIT (OpenAI's Whisper weights)"

    def describe(self) -> dict[str, Any]:
        """The weights, the licence on their model card, and the seed if they were redrawn."""
        stated = {} if self.model_name.startswith("package:") else {"licence": self.weights.licence}
        return {"weights": self.weights.source, "random_init": self.options.random_init, **stated}

    @property
    def trained_on(self) -> frozenset[str] | None:
        """None: OpenAI does not name its data. An empty set if the weights were redrawn."""
        return None if self.options.random_init is None else frozenset()

    def _speech_model(self) -> SpeechModel:
        return speech_model(self.options.model, self.options.random_init, families=("whisper",))

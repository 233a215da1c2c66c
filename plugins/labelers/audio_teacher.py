"""Weak labels by a published emotion recogniser, which reads the recording instead of the text.

A comparison for text labelers: it separates the contribution of text from that of any teacher.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
from pydantic import Field

from lanser_bench import SAMPLE_RATE, Scores, Taxonomy, TextRecord, Waveform, compute_device

from .._transformers import load_extractor, load_model, refuse_missing
from ._mapped import MappedLabeler, MappedOptions
from ._wording import Floats

HEAD = "AutoModelForAudioClassification"
SHORTEST = SAMPLE_RATE // 10
"""Samples of the shortest input; shorter clips get silence at their end, because convolutions on
the waveform need several hundred samples."""


class AudioTeacherOptions(MappedOptions):
    """Options of `audio-teacher`."""

    kind = "speech classifier"
    example = "superb/wav2vec2-base-superb-er"

    max_seconds: float = Field(default=30.0, gt=0)
    """Longest clip. Longer clips are cut at their end and counted."""


class AudioTeacher(MappedLabeler[AudioTeacherOptions]):
    """Scores labels by a speech emotion recogniser, whose own labels are mapped."""

    Options = AudioTeacherOptions
    version = "1"
    libraries = ("torch", "transformers", "numpy")
    reads = frozenset({"audio"})
    opens = "audio-teacher"
    where = "labeler 'audio-teacher'"

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores recordings one by one; logits are scores before unmapped mass is spread.

        Empty recordings abstain, and so do those whose best label has no counterpart.
        """
        matrix, most = self._map.matrix(taxonomy), int(self.options.max_seconds * SAMPLE_RATE)
        clips = [np.zeros(0, np.float32) if r.audio is None else r.audio for r in records]
        logits = np.zeros((len(clips), len(matrix)), np.float32)
        for row, clip in enumerate(clips):
            if len(clip):
                logits[row] = self._logits(clip[:most])
        values, mapped, lost = self._mapped(logits, matrix)
        empty = np.array([not len(clip) for clip in clips], dtype=bool)
        kind = self._score_kind
        values[empty] = 1 / len(taxonomy.labels) if kind == "distribution" else 0
        truncated = np.array([len(clip) > most for clip in clips], dtype=bool)
        return Scores(values, kind, lost | empty, mapped, truncated)

    def _logits(self, clip: Waveform) -> Floats:
        """The model's outputs for one clip, shape (model's labels,)."""
        import torch

        model, extractor = self._model
        padded = np.pad(clip, (0, max(0, SHORTEST - len(clip))))
        inputs = extractor(padded, sampling_rate=SAMPLE_RATE, return_tensors="pt")
        with torch.inference_mode():
            logits = model(**inputs.to(self.options.device)).logits[0]
        return np.asarray(logits.float().cpu().numpy(), np.float32)

    @cached_property
    def _model(self) -> tuple[Any, Any]:
        """The model in eval mode and its feature extractor."""
        name, kind = self.options.model, self.options.kind
        extractor = load_extractor(name)
        model, missing = load_model(name, HEAD, kind)
        refuse_missing(name, kind, missing, "Name another model.")
        return model.to(compute_device(self.options.device)).eval(), extractor

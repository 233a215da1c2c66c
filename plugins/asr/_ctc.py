"""Greedy CTC decoding (Graves et al. 2006), with the evidence for a transcript."""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np

from lanser_bench import SAMPLE_RATE, Speech, Transcript

SHORTEST = SAMPLE_RATE // 10
"""Shorter clips (in samples) are padded with silence: strided convolutions need enough samples."""


def ctc_transcript(
    model: Any, extractor: Any, tokenizer: Any, speech: Speech, language: str | None
) -> Transcript:
    """Transcribes one clip by a CTC model of transformers, whose padding token is the blank.

    `avg_logprob` is the mean log-probability of the frames that are not blank, NaN if all are.
    `language` is recorded if the manifest names none.
    """
    import torch

    samples = np.pad(speech.samples, (0, max(0, SHORTEST - len(speech.samples))))
    features = extractor(samples, sampling_rate=SAMPLE_RATE, return_tensors="pt")
    name = extractor.model_input_names[0]
    with torch.inference_mode():
        logits = model(**{name: features[name].to(model.device)}).logits[0].float()
        best, tokens = logits.log_softmax(-1).max(-1)
    spoken = (tokens != tokenizer.pad_token_id).cpu().numpy()
    # The tokenizer merges repeated tokens and drops blanks.
    text = " ".join(str(tokenizer.decode(tokens.tolist())).split())
    return Transcript(
        text=text,
        language=speech.language or language or "",
        avg_logprob=float(best.cpu().numpy()[spoken].mean()) if spoken.any() else math.nan,
        compression_ratio=compression_ratio(text),
    )


def compression_ratio(text: str) -> float:
    """Length of a text over its zlib length, as in Whisper: above about 2.4 it repeats itself."""
    encoded = text.encode()
    return len(encoded) / len(zlib.compress(encoded))

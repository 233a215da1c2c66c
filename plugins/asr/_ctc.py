"""Greedy CTC decoding (Graves et al. 2006), with the evidence for a transcript."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from lanser_bench import SAMPLE_RATE, Speech, Transcript, Waveform

SHORTEST = SAMPLE_RATE // 10
"""Shorter clips (in samples) are padded with silence: strided convolutions need enough samples."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """The text of a clip, and the log-probabilities that are its evidence."""

    text: str
    scores: list[float]
    truncated: bool = False
    """Whether the limit of tokens ended it."""


def model_inputs(model: Any, extractor: Any, samples: Waveform) -> dict[str, Any]:
    """Returns a clip's features on the model's device, and their mask if it excludes any.

    Log-mel of Parakeet and w2v-BERT may end with a frame that is partly padding.
    """
    padded = np.pad(samples, (0, max(0, SHORTEST - len(samples))))
    features = extractor(padded, sampling_rate=SAMPLE_RATE, return_tensors="pt")
    first = extractor.model_input_names[0]
    return {
        name: values.to(model.device, model.dtype if values.is_floating_point() else None)
        for name, values in features.items()
        if name == first or (name == "attention_mask" and not values.all())
    }


def ctc(parts: tuple[Any, Any, Any], speech: Speech) -> Decoded:
    """Decodes a clip; its scores are those of the frames that are not blank.

    `parts` are a CTC model of transformers, its feature extractor, and its tokenizer, whose padding
    token is the blank.
    """
    import torch

    model, extractor, tokenizer = parts
    with torch.inference_mode():
        logits = model(**model_inputs(model, extractor, speech.samples)).logits[0].float()
        best, tokens = logits.log_softmax(-1).max(-1)
    spoken = (tokens != tokenizer.pad_token_id).cpu().numpy()
    # The tokenizer merges repeated tokens and drops blanks.
    text = " ".join(str(tokenizer.decode(tokens.tolist())).split())
    return Decoded(text, best.cpu().numpy()[spoken].tolist())


def transcript(decoded: Decoded, speech: Speech, language: str | None) -> Transcript:
    """Returns a transcript whose `avg_logprob` is the mean score, NaN without any.

    `language` is recorded if the manifest names none.
    """
    return Transcript(
        text=decoded.text,
        language=speech.language or language or "",
        avg_logprob=float(np.array(decoded.scores, np.float32).mean())
        if decoded.scores
        else math.nan,
        compression_ratio=compression_ratio(decoded.text),
        truncated=decoded.truncated,
    )


def compression_ratio(text: str) -> float:
    """Length of a text over its zlib length, as in Whisper: above about 2.4 it repeats itself."""
    encoded = text.encode()
    return len(encoded) / len(zlib.compress(encoded))

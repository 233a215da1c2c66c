"""Greedy decoding of Moonshine and Parakeet-TDT with transformers' weights, one clip at a time.

``generate`` is not used: it returns no log-probabilities for Parakeet, and its limits come from
files that models may lack.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from lanser_bench import Speech

from ._ctc import Decoded, model_inputs
from ._whisper import MAX_TOKENS

Tokens = tuple[list[int], list[float], bool]
"""Tokens, their log-probabilities, and whether the limit of tokens ended them."""
LONGEST_S = {"moonshine": 30, "parakeet_tdt": 300}
"""Longer clips are read in equal pieces: Moonshine was trained on at most 30 s, and Parakeet's
memory grows with the square of the length."""


def moonshine(model: Any, inputs: dict[str, Any]) -> Tokens:
    """Decodes a clip by Moonshine (Jeffries et al. 2024), up to as many tokens as Whisper's.

    The log-probability of the end counts, as in Whisper.
    """
    import torch

    config = model.config
    ends = config.eos_token_id if isinstance(config.eos_token_id, list) else [config.eos_token_id]
    states = model.get_encoder()(**inputs)
    ids = torch.tensor([[config.decoder_start_token_id]], device=model.device)
    tokens: list[int] = []
    scores: list[float] = []
    memory = None
    for _ in range(min(MAX_TOKENS, config.max_position_embeddings - 1)):
        answer = model(
            encoder_outputs=states, decoder_input_ids=ids, past_key_values=memory, use_cache=True
        )
        memory = answer.past_key_values
        best, ids = answer.logits[:, -1].float().log_softmax(-1).max(-1, keepdim=True)
        scores.append(float(best))
        if int(ids) in ends:
            return tokens, scores, False
        tokens.append(int(ids))
    return tokens, scores, True


def parakeet_tdt(model: Any, inputs: dict[str, Any]) -> Tokens:
    """Decodes a clip by Parakeet's token-and-duration transducer (Xu et al., ICML 2023).

    Each step names a token or the blank, and the number of frames to skip. As in NeMo, a frame
    yields at most `max_symbols_per_step` tokens.
    """
    import torch

    config = model.config
    encoded = model.get_audio_features(**inputs)
    mask = encoded.attention_mask
    length = encoded.pooler_output.shape[1] if mask is None else int(mask.sum())
    token, cache = config.blank_token_id, None
    tokens: list[int] = []
    scores: list[float] = []
    frame = at_frame = 0
    while frame < length:
        answer = model(
            encoder_outputs=type(encoded)(pooler_output=encoded.pooler_output[:, frame, None]),
            decoder_input_ids=torch.tensor([[token]], device=model.device),
            decoder_cache=cache,
            use_decoder_cache=True,
        )
        cache, logits = answer.decoder_cache, answer.logits.flatten().float()
        best, chosen = logits[: config.vocab_size].log_softmax(-1).max(-1)
        token, step = int(chosen), config.durations[int(logits[config.vocab_size :].argmax())]
        at_frame += 1
        blank = token == config.blank_token_id
        if not blank:
            tokens.append(token)
            scores.append(float(best))
        if step == 0 and (blank or at_frame == config.max_symbols_per_step):
            step = 1
        if step:
            frame, at_frame = frame + step, 0
    return tokens, scores, False


DECODERS = {"moonshine": moonshine, "parakeet_tdt": parakeet_tdt}


def sequence(parts: tuple[Any, Any, Any], speech: Speech) -> Decoded:
    """Decodes a clip of any length; its scores are those of its tokens.

    `parts` are a model of a type in `DECODERS`, its feature extractor and tokenizer.
    """
    import torch

    model, extractor, tokenizer = parts
    kind = model.config.model_type
    # Parakeet's tokenizer would merge repeated tokens, as for CTC.
    apart = {"group_tokens": False} if kind == "parakeet_tdt" else {}
    texts: list[str] = []
    scores: list[float] = []
    truncated, samples = False, speech.samples
    size = LONGEST_S[kind] * extractor.sampling_rate
    for piece in np.array_split(samples, max(1, -(-len(samples) // size))):
        with torch.inference_mode():
            tokens, logs, cut = DECODERS[kind](model, model_inputs(model, extractor, piece))
        texts.append(str(tokenizer.decode(tokens, skip_special_tokens=True, **apart)))
        scores, truncated = scores + logs, truncated or cut
    return Decoded(" ".join(" ".join(texts).split()), scores, truncated)

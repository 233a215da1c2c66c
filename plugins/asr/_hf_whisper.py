"""Greedy decoding of Whisper (Radford et al. 2022, arXiv 2212.04356) with transformers' weights.

``generate`` is not used: its result and defaults (fallbacks, timestamps, guessed languages) change
between versions, and it does not return the no-speech probability.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from lanser_bench import SAMPLE_RATE, SettingsError, Speech, Waveform

from .._whisper_ct2 import POSITION, cut_positions
from ._ctc import compression_ratio
from ._whisper import MAX_TOKENS, Window, before_silence

NO_SPEECH = ("<|nospeech|>", "<|nocaptions|>")


class HFWhisper:
    """A Whisper model with its feature extractor and tokenizer."""

    def __init__(self, model: Any, extractor: Any, tokenizer: Any) -> None:
        """Needs a model in eval mode that has Whisper's generation_config.json."""
        self.model, self.extractor, self.tokenizer = model, extractor, tokenizer
        self.settings = model.generation_config
        self._silence = cache(lambda total: self._encoded([before_silence(total)], total))
        if not hasattr(self.settings, "no_timestamps_token_id"):
            raise SettingsError(
                "The Whisper model's generation_config.json is missing, or does not name "
                "no_timestamps_token_id. Get a newer copy of the model."
            )

    @property
    def multilingual(self) -> bool:
        """Whether the model has language tokens."""
        return bool(getattr(self.settings, "lang_to_id", None))

    def pieces(self, speech: Speech) -> list[Speech]:
        """Cuts a clip into pieces that fit the model's window."""
        size, samples = self.extractor.n_samples, speech.samples
        starts = range(0, len(samples), size)
        return [replace(speech, samples=samples[start : start + size]) for start in starts]

    def windows(
        self,
        clips: Sequence[Speech],
        language: str,
        size: int | None = None,
        most: int = MAX_TOKENS,
        total: int = 0,
    ) -> list[Window]:
        """Transcribes clips of one language in a window of `size` samples, by default the model's.

        A clip is stopped after `most` tokens. Up to `total` samples, cached silence follows.
        """
        import torch

        size = size or self.extractor.n_samples
        with torch.inference_mode():
            states = self._encoded([clip.samples for clip in clips], size)
            if total > size:
                silence = self._silence(total)[:, size // POSITION :]
                states = torch.cat([states, silence.expand(len(clips), -1, -1)], 1)
            return self._decoded(states, self._prompt(language), most)

    def _encoded(self, clips: Sequence[Waveform], size: int) -> Any:
        """The encoder's output, shape (clips, positions, dim)."""
        features = self.extractor(
            [np.pad(samples, (0, size - len(samples))) for samples in clips],
            sampling_rate=SAMPLE_RATE,
            padding=False,
            return_tensors="pt",
        )["input_features"].to(self.model.device, self.model.dtype)
        encoder = self.model.get_encoder()
        with cut_positions(encoder, size // POSITION):
            return encoder(features).last_hidden_state

    def _prompt(self, language: str) -> list[int]:
        """Tokens before the first word: start, language and task, no timestamps."""
        start = self.settings.decoder_start_token_id or self.model.config.decoder_start_token_id
        prompt = [int(start)]
        if self.multilingual:
            languages = self.settings.lang_to_id
            if f"<|{language}|>" not in languages:
                raise SettingsError(
                    f"The Whisper model does not support the language '{language}'."
                )
            prompt += [languages[f"<|{language}|>"], self.settings.task_to_id["transcribe"]]
        return [*prompt, self.settings.no_timestamps_token_id]

    def _decoded(self, states: Any, prompt: list[int], most: int) -> list[Window]:
        """Decodes all rows together until each has ended."""
        import torch

        n, end = len(states), self.model.config.eos_token_id
        most = min(most, self.model.config.max_target_positions - len(prompt))
        ids = torch.tensor([prompt] * n, device=states.device)
        memory = None
        tokens: list[Any] = []
        scores: list[Any] = []
        open_rows = torch.ones(n, dtype=torch.bool, device=states.device)
        silence = [math.nan] * n
        for step in range(most):
            inputs = {"encoder_outputs": (states,), "decoder_input_ids": ids}
            answer = self.model(**inputs, past_key_values=memory, use_cache=True)
            memory = answer.past_key_values
            if step == 0:
                silence = self._no_speech(answer.logits[:, 0])
            logs = self._allowed(answer.logits[:, -1].float(), first=step == 0).log_softmax(-1)
            # Timestamps are not words, but take their share of probability, as in OpenAI's decoder.
            best, chosen = logs[:, : self.settings.no_timestamps_token_id].max(-1)
            scores.append(best.where(open_rows, 0))
            open_rows = open_rows & (chosen != end)
            tokens.append(chosen.where(open_rows, end))
            if not open_rows.any():
                break
            ids = chosen[:, None]
        rows = torch.stack(tokens, 1).tolist()
        texts = [[token for token in row if token != end] for row in rows]
        total = torch.stack(scores).cpu().numpy().sum(0, dtype=np.float64)
        columns = zip(texts, total, silence, open_rows.tolist(), strict=True)
        return [self._window(*column) for column in columns]

    def _window(self, tokens: list[int], total: float, silence: float, cut: bool) -> Window:
        text = str(self.tokenizer.decode(tokens, skip_special_tokens=True))
        # OpenAI's decoder counts the end as a token too.
        mean = float(total) / (len(tokens) + 1)
        ratio = compression_ratio(text.strip())
        return Window(text, mean, silence, ratio, max(1, len(tokens)), cut)

    def _no_speech(self, logits: Any) -> list[float]:
        """Probability of silence, read at the start of the transcript."""
        vocabulary = self.tokenizer.get_vocab()
        token = next((vocabulary[name] for name in NO_SPEECH if name in vocabulary), None)
        if token is None:
            return [math.nan] * len(logits)
        return [float(p) for p in logits.float().softmax(-1)[:, token].cpu()]

    def _allowed(self, logits: Any, *, first: bool) -> Any:
        """Excludes the tokens that the model's own settings suppress."""
        banned = [*(getattr(self.settings, "suppress_tokens", None) or ())]
        if first:
            banned += getattr(self.settings, "begin_suppress_tokens", None) or ()
        logits[:, [token for token in banned if 0 <= token < logits.shape[1]]] = -math.inf
        logits[:, self.settings.no_timestamps_token_id] = -math.inf
        return logits

"""Weak labels by a causal language model: which label's wording is likeliest after the text?

Two ways, both always inside the taxonomy:

- by default a model of transformers on this machine: the log-likelihood of each label's wording
  after a prompt, divided by its number of tokens (Brown et al. 2020, arXiv 2005.14165);
- with `base_url`, any OpenAI-compatible server (vLLM, llama.cpp, Ollama …), which is asked to
  choose one label; it gives no scores, so the chosen label scores 1.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field, field_validator, model_validator

from lanser_bench import Labeler, Scores, Taxonomy, TextRecord

from ..weights import resolve
from ._causal import log_likelihoods
from ._language_models import (
    LanguageModelOptions,
    likelihood_scores,
    load,
    longest_input,
    wording,
)
from ._server import MalformedAnswerError, Server, from_environment
from ._wording import score_distinct

Floats = npt.NDArray[np.float32]


class LLMOptions(LanguageModelOptions):
    """Options of `llm`."""

    prompt: str = 'Someone says: "{text}" In other words:'
    """What stands before the filled template, with one ``{text}``. For a server: before the list
    of labels."""
    base_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    """An OpenAI-compatible server, such as ``http://localhost:8000/v1``; `model` is then the
    model's name there. It is known to the key by these names alone: no hash of served weights can
    be had, so note what you serve. It is sent whole texts; those of which it says that it
    read fewer tokens than they have words count as truncated. Its key is read from the environment
    variable ``LANSER_LLM_API_KEY``; patience is set by ``LANSER_LLM_TIMEOUT_S`` (seconds for an
    answer, 60) and ``LANSER_LLM_RETRIES`` (further attempts, 3), which change no label and so are
    no options."""
    malformed: Literal["stop", "abstain"] = "stop"
    """What becomes of a text to which no attempt gets one of the labels."""

    @field_validator("prompt")
    @classmethod
    def _one_text(cls, prompt: str) -> str:
        if prompt.count("{text}") != 1:
            raise ValueError("the prompt needs exactly one '{text}'")
        return prompt

    @model_validator(mode="after")
    def _named(self) -> LLMOptions:
        if not self.model:
            raise ValueError(
                "name a causal language model in the option 'model', a folder or a hub id such as "
                "Qwen/Qwen2.5-0.5B-Instruct, or a server's with 'base_url': none comes with "
                "lanser-bench"
            )
        return self


class LLM(Labeler[LLMOptions]):
    """Scores each label by the likelihood of its wording, or asks a server to choose."""

    Options = LLMOptions
    version = "1"
    libraries = ("torch", "transformers", "tokenizers")

    def fingerprint(self) -> str:
        """Revision of the weights; of a served model the name, the only identity it has."""
        if self.options.base_url is not None:
            return f"served:{self.options.model}"
        return resolve(self.options.model).revision

    def describe(self) -> dict[str, Any]:
        """The model's name, whether a server answers for it, and if not its weights' licence."""
        if self.options.base_url is not None:
            return {"model": self.options.model, "served": True}
        licence = resolve(self.options.model).licence
        return {"model": self.options.model, "served": False, "licence": licence}

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores distinct texts; logits of shape (n, K) are log-likelihoods, less the prior.

        Raises:
            LanserError: the server gives no answer, or none that is a label.
        """
        if self.options.base_url is not None:
            return self._served(records, taxonomy)
        return likelihood_scores(
            records, taxonomy, self.options, self._likelihoods, self._room, lambda: self._model[1]
        )

    @cached_property
    def _model(self) -> tuple[Any, Any]:
        name = self.options.model
        return load(name, "AutoModelForCausalLM", "causal language model", self.options.device)

    def _likelihoods(self, texts: list[str], templates: Sequence[str], words: list[str]) -> Floats:
        """Mean log-probability per token of each word, mean over templates: (texts, words)."""
        model, tokenizer = self._model
        found = np.zeros((len(texts), len(words)), dtype=np.float32)
        for template in templates:
            wordings = [wording(tokenizer, template, word) for word in words]
            ends = [one.word for one in wordings]
            # What stands before the word is the same for all words, but for tokens that join both.
            for left in sorted({one.left for one in wordings}):
                mine = [i for i, one in enumerate(wordings) if one.left == left]
                room = longest_input(model, tokenizer) - len(left) - max(map(len, ends))
                prompts = [[*self._prompt(text, room), *left] for text in texts]
                asked = [ends[i] for i in mine]
                logs = log_likelihoods(model, prompts, asked, self.options.batch_tokens)
                found[:, mine] += logs / np.float32(len(templates))
        return found

    def _room(self, templates: Sequence[str], words: list[str]) -> int:
        """Tokens of a text that are read beside the prompt and every wording."""
        model, tokenizer = self._model
        taken = []
        for template in templates:
            filled = [wording(tokenizer, template, word) for word in words]
            taken.append(max(len(one.left) for one in filled) + max(len(o.word) for o in filled))
        return self._most(longest_input(model, tokenizer) - max(taken))

    def _most(self, room: int) -> int:
        """Tokens of a text that fit into `room` tokens beside the prompt."""
        frame = self._ids(self.options.prompt.replace("{text}", ""))
        return max(1, min(self.options.max_tokens, room - len(frame)))

    def _prompt(self, text: str, room: int) -> list[int]:
        """Tokens of the prompt, the text in it cut to the option `max_tokens` and to `room`."""
        _, tokenizer = self._model
        inside = tokenizer(
            text,
            add_special_tokens=False,
            split_special_tokens=True,
            truncation=True,
            max_length=self._most(room),
            return_offsets_mapping=True,
        )["offset_mapping"]
        cut = text[: max((last for _, last in inside), default=0)]
        return self._ids(self.options.prompt.replace("{text}", cut))

    def _ids(self, prompt: str) -> list[int]:
        _, tokenizer = self._model
        ids = list(tokenizer(prompt, split_special_tokens=True)["input_ids"])
        # A sequence that has ended has no likely continuation.
        if len(ids) > 1 and ids[-1] == tokenizer.eos_token_id:
            ids.pop()
        return ids

    def _served(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        labels = [f"{label.name}: {label.hypothesis}" for label in taxonomy.labels]
        server, k = self._server, len(taxonomy.labels)
        listed = "\n".join(f"- {label}" for label in labels)
        undecided, cut = set[str](), set[str]()

        def choose(text: str) -> Floats:
            question = (
                f"{self.options.prompt.replace('{text}', text)}\n\nWhich of these labels does the "
                f"speaker show?\n{listed}\n"
                'Answer with JSON: {"label": "the name before the colon"}'
            )
            row = np.zeros(k, dtype=np.float32)
            try:
                chosen, tokens = server.choose(question, taxonomy.names)
                row[taxonomy.index(chosen)] = 1
                # A word has one token or more.
                if tokens is not None and tokens < len(question.split()):
                    cut.add(text)
            except MalformedAnswerError as error:
                if self.options.malformed == "stop":
                    raise MalformedAnswerError(
                        f"{error} Choose a model or server that keeps to a JSON schema, or set the "
                        "option malformed: abstain; finished shards are kept."
                    ) from None
                undecided.add(text)
                row[:] = 1 / k
            return row

        def score(texts: list[str]) -> tuple[Floats, Floats]:
            values = np.stack([choose(text) for text in texts])
            return values, values

        found = score_distinct(
            records, k, score, "distribution", truncated=lambda texts: [t in cut for t in texts]
        )
        lost = np.array([record.text.strip() in undecided for record in records], dtype=bool)
        return replace(found, abstained=found.abstained | lost, logits=None)

    @cached_property
    def _server(self) -> Server:
        return Server(
            base_url=self.options.base_url or "",
            model=self.options.model,
            timeout_s=from_environment("LANSER_LLM_TIMEOUT_S", 60.0, least=0.01),
            retries=int(from_environment("LANSER_LLM_RETRIES", 3, least=0)),
            key=os.environ.get("LANSER_LLM_API_KEY", ""),
        )

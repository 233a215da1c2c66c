"""Weak labels by a causal language model: which label's wording is likeliest after the text?

There are two modes, and both choose only labels of the taxonomy:

- By default a model of transformers on this machine: the log-likelihood of each label's wording
  after a prompt, divided by its number of tokens (Brown et al. 2020, arXiv 2005.14165). With a chat
  template, the prompt is the user's turn, and the wording begins the answer.
- With `base_url`, an OpenAI-compatible server (vLLM, llama.cpp, Ollama …), which is asked to choose
  one label. Scores are the probabilities of the labels' tokens, or the shares of several answers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product
from typing import Annotated, Any, Literal, Self

import numpy as np
from pydantic import AfterValidator, BeforeValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from lanser_bench import Scores, Taxonomy, TextRecord

from .._file_hashes import cache_folder
from ..weights import Weights, resolve
from ._causal import log_likelihoods
from ._gguf import converted, gguf_weights
from ._language_models import (
    LanguageModelLabeler,
    LanguageModelOptions,
    Wording,
    longest_input,
    wording,
)
from ._served import Answer, Journal, ServedModel, answered
from ._server import MalformedAnswerError, Server, from_environment, key_from_environment
from ._wording import Floats, as_tuple, score_distinct

TURN = "lanser-bench-turn"
"""Stands for the user's turn while a chat template is filled."""
TODAY = "{% macro strftime_now(format) %}01 January 2025{% endmacro %}"
"""The date for chat templates that state one, so that scores do not depend on the day."""


def _one_text(prompts: str | tuple[str, ...]) -> str | tuple[str, ...]:
    each = (prompts,) if isinstance(prompts, str) else prompts
    if not each or any(prompt.count("{text}") != 1 for prompt in each):
        raise ValueError("the prompt needs exactly one '{text}'")
    return prompts


Prompts = Annotated[str | tuple[str, ...], BeforeValidator(as_tuple), AfterValidator(_one_text)]


class LLMOptions(LanguageModelOptions):
    """Options of `llm`."""

    kind = "causal language model"
    example = (
        "Qwen/Qwen2.5-0.5B-Instruct, package:smollm2-135m-instruct, or a server's with 'base_url'"
    )

    prompt: Prompts = 'Someone says: "{text}" In other words:'
    """Text before the filled template, with one ``{text}``. Log-likelihoods of several prompts (a
    list) are averaged. For a server: one text, before the list of labels."""
    chat_template: Literal["auto", "none"] = "auto"
    """``auto`` uses the chat template of the model's tokenizer, if it has one: the prompt is the
    user's turn, and the filled template begins the answer. ``none`` continues the prompt as plain
    text. A server uses its own."""
    base_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    """An OpenAI-compatible server, such as ``http://localhost:8000/v1``; `model` is then the
    model's name there. The key contains only these two names, because served weights have no hash:
    note what you serve. The server gets whole texts; a text counts as truncated if the server
    reports fewer tokens than it has words. Environment variables set its key
    (``LANSER_LLM_API_KEY``), the number of requests at once (``LANSER_LLM_CONCURRENCY``, 8), the
    seconds to wait for an answer (``LANSER_LLM_TIMEOUT_S``, 60) and the number of further attempts
    (``LANSER_LLM_RETRIES``, 5). They change no label, so they are not options."""
    logprobs: bool = True
    """For a server: scores are the probabilities of the tokens that spell the labels, if the server
    returns them (20 alternatives per token; labels beyond them score 0). ``false`` uses `samples`
    in any case."""
    samples: int = Field(default=5, ge=1, le=100)
    """For a server without log-probabilities: answers per text, drawn at temperature 1. A label
    scores its share of them. ``1`` takes the likeliest answer, which scores 1."""
    malformed: Literal["stop", "abstain"] = "stop"
    """What to do with a text if no attempt returns one of the labels."""

    @field_validator("base_url")
    @classmethod
    def _no_secrets(cls, url: str | None) -> str | None:
        if url is not None and not re.fullmatch(r"[^@?#]+", url):
            raise PydanticCustomError(
                "secret",
                "the address must have no user, password or query, because it is part of records; "
                "put the key into LANSER_LLM_API_KEY",
            )
        return url

    @model_validator(mode="after")
    def _one_prompt(self) -> Self:
        if self.base_url is not None and len(self.prompts) > 1:
            raise ValueError("a server takes one prompt, not a list of several")
        return self

    @property
    def prompts(self) -> tuple[str, ...]:
        """All prompts."""
        return (self.prompt,) if isinstance(self.prompt, str) else self.prompt


class LLM(LanguageModelLabeler[LLMOptions]):
    """Scores each label by the likelihood of its wording, or asks a server to choose."""

    Options = LLMOptions
    version = "3"
    opens = "llm"
    head = "AutoModelForCausalLM"
    _returns_logprobs = True
    """False once the server has answered without log-probabilities."""

    def check(self) -> None:
        """Refuses a model that is not a causal one; a server's is not known before it is asked."""
        if self.options.base_url is None:
            super().check()

    def fingerprint(self) -> str:
        """Revision of the weights; for a served model its name, the only identity it has."""
        served = self.options.base_url is not None
        return f"served:{self.options.model}" if served else super().fingerprint()

    def describe(self) -> dict[str, Any]:
        """The model's name, whether a server runs it, and otherwise its weights' licence."""
        if self.options.base_url is not None:
            return {"model": self.options.model, "served": True}
        licence, precision = self.weights.licence, self.options.precision
        facts = {"model": self.options.model, "served": False, "licence": licence}
        return facts | {"precision": precision}

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores distinct texts; logits of shape (n, K) are log-likelihoods, less the prior."""
        if self.options.base_url is not None:
            return self._served(records, taxonomy)
        return super().score(records, taxonomy)

    @cached_property
    def weights(self) -> Weights:
        """The model's files."""
        return gguf_weights(self.options.model) or resolve(self.options.model)

    @property
    def _loaded_name(self) -> str:
        gguf = gguf_weights(self.options.model)
        return self.options.model if gguf is None else str(converted(gguf))

    @cached_property
    def _chat(self) -> tuple[list[int], list[int]] | None:
        """Tokens of the chat template before and after the user's turn; None without a template."""
        _, tokenizer = self._model
        if self.options.chat_template == "none" or not tokenizer.chat_template:
            return None
        # `apply_chat_template` cannot fix the date.
        filled = tokenizer.apply_chat_template(
            [{"role": "user", "content": TURN}],
            chat_template=TODAY + tokenizer.get_chat_template(),
            tokenize=False,
            add_generation_prompt=True,
            enable_thinking=False,
        )
        before, after = (
            list(tokenizer(part, add_special_tokens=False)["input_ids"])
            for part in filled.split(TURN, maxsplit=1)
        )
        return before, after

    def _wording(self, template: str, word: str) -> Wording:
        return wording(self._model[1], template, word, "" if self._chat else " ")

    def _likelihoods(self, texts: list[str], templates: Sequence[str], words: list[str]) -> Floats:
        """Mean log-probability per token of each word, mean over templates and prompts."""
        model, tokenizer = self._model
        means = np.zeros((len(texts), len(words)), dtype=np.float32)
        share = np.float32(len(templates) * len(self.options.prompts))
        for template, prompt in product(templates, self.options.prompts):
            wordings = [self._wording(template, word) for word in words]
            ends = [one.word for one in wordings]
            # Words share the tokens before them, except where a token spans both.
            for left in sorted({one.left for one in wordings}):
                mine = [i for i, one in enumerate(wordings) if one.left == left]
                room = longest_input(model, tokenizer) - len(left) - max(map(len, ends))
                prompts = [[*self._filled(prompt, text, room), *left] for text in texts]
                asked = [ends[i] for i in mine]
                logs = log_likelihoods(model, prompts, asked, self.options.batch_tokens)
                means[:, mine] += logs / share
        return means

    def _room(self, templates: Sequence[str], words: list[str]) -> int:
        """Tokens of a text that fit beside the longest prompt and the longest wording."""
        taken = []
        for template in templates:
            filled = [self._wording(template, word) for word in words]
            taken.append(max(len(one.left) for one in filled) + max(len(o.word) for o in filled))
        room = longest_input(*self._model) - max(taken)
        return min(self._most(prompt, room) for prompt in self.options.prompts)

    def _most(self, prompt: str, room: int) -> int:
        """Tokens of a text that fit into `room` tokens beside a prompt."""
        frame = self._ids(prompt.replace("{text}", ""))
        return max(1, min(self.options.max_tokens, room - len(frame)))

    def _filled(self, prompt: str, text: str, room: int) -> list[int]:
        """Tokens of a prompt, with the text cut to the option `max_tokens` and to `room`."""
        inside = self._cut(text, self._most(prompt, room))["offset_mapping"]
        cut = text[: max((last for _, last in inside), default=0)]
        return self._ids(prompt.replace("{text}", cut))

    def _ids(self, prompt: str) -> list[int]:
        """Tokens of a filled prompt; special tokens within it count as plain text."""
        _, tokenizer = self._model
        if self._chat is not None:
            before, after = self._chat
            turn = tokenizer(prompt, add_special_tokens=False, split_special_tokens=True)
            return [*before, *turn["input_ids"], *after]
        ids = list(tokenizer(prompt, split_special_tokens=True)["input_ids"])
        # After an end token no continuation is likely.
        if len(ids) > 1 and ids[-1] == tokenizer.eos_token_id:
            ids.pop()
        return ids

    def _served(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        k = len(taxonomy.labels)
        listed = "\n".join(f"- {label.name}: {label.hypothesis}" for label in taxonomy.labels)
        answers: dict[str, Answer] = {}
        [prompt] = self.options.prompts

        def question(text: str) -> str:
            return (
                f"{prompt.replace('{text}', text)}\n\nWhich of these labels does the "
                f"speaker show?\n{listed}\n"
                'Answer with JSON: {"label": "the name before the colon"}'
            )

        def score(texts: list[str]) -> tuple[Floats, Floats]:
            asked = self._answers([question(text) for text in texts], taxonomy.names)
            answers.update(zip(texts, asked, strict=True))
            values = np.array([one.shares or [1 / k] * k for one in asked], dtype=np.float32)
            return values, values

        def truncated(texts: list[str]) -> list[bool]:
            return [answers[text].truncated for text in texts]

        scores = score_distinct(records, k, score, "distribution", truncated=truncated)
        undecided = {text for text, answer in answers.items() if answer.shares is None}
        lost = np.array([record.text.strip() in undecided for record in records], dtype=bool)
        return replace(scores, abstained=scores.abstained | lost, logits=None)

    def _answers(self, questions: list[str], labels: list[str]) -> list[Answer]:
        options = self.options
        server = Server(
            base_url=options.base_url or "",
            timeout_s=from_environment("LANSER_LLM_TIMEOUT_S", 60.0, least=0.01),
            retries=int(from_environment("LANSER_LLM_RETRIES", 5, least=0)),
            key=key_from_environment("LANSER_LLM_API_KEY"),
        )
        concurrency = int(from_environment("LANSER_LLM_CONCURRENCY", 8, least=1))
        logprobs = options.logprobs and self._returns_logprobs
        model = ServedModel(server, options.model, labels, options.samples, logprobs)
        identity = [options.model_dump(mode="json"), labels, questions]
        journal = Journal(cache_folder() / "answers", identity)
        answers = answered(questions, model, journal, concurrency, self._check)
        self._returns_logprobs = model.logprobs
        journal.remove()
        return answers

    def _check(self, answer: Answer) -> None:
        if answer.shares is None and self.options.malformed == "stop":
            raise MalformedAnswerError(
                f"{answer.problem} Choose a model or server that follows a JSON schema, or set the "
                "option malformed: abstain; finished answers are kept."
            )

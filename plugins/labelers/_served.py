"""Label probabilities of texts from a served language model: many requests at once."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lanser_bench import tally

from ._label_tokens import label_shares
from ._server import MalformedAnswerError, RefusedError, Server

TOP = 20
"""Alternatives asked for at each token: the most that common servers return."""
GREEDY: dict[str, Any] = {"temperature": 0, "seed": 0}
TOKENS = ("prompt_tokens", "completion_tokens")


@dataclass(frozen=True)
class Answer:
    """A model's answer about one text, which a file can keep."""

    shares: list[float] | None
    """Each label's probability; None if the model named no label."""
    problem: str = ""
    """Why it named none."""
    truncated: bool = False
    """Whether the server read fewer tokens than the question has words."""
    counts: dict[str, int] = field(default_factory=dict)
    """Requests, tokens, and whether log-probabilities or samples gave the shares."""


@dataclass
class ServedModel:
    """A model on a server that chooses among labels."""

    server: Server
    model: str
    labels: Sequence[str]
    samples: int
    """Answers per text if the server returns no log-probabilities."""
    logprobs: bool
    """Whether to ask for log-probabilities; set to False once the server does not return them."""

    def answer(self, question: str) -> Answer:
        """Asks about one text; raises `ServerError` if all attempts fail, or if it is refused."""
        counts = Counter[str]()
        try:
            shares = self._shares(question, counts)
        except MalformedAnswerError as error:
            return Answer(None, problem=str(error), counts=dict(counts))
        # A word has at least one token.
        each = counts["prompt_tokens"] / counts["requests"]
        return Answer(shares, truncated=0 < each < len(question.split()), counts=dict(counts))

    def _shares(self, question: str, counts: Counter[str]) -> list[float]:
        chosen = None
        if self.logprobs:
            chosen, shares = self._by_logprobs(question, counts)
            if shares is not None:
                counts["texts_by_logprobs"] = 1
                return shares
        counts["texts_by_samples"] = 1
        if self.samples == 1:
            drawn = [chosen or self._ask(question, GREEDY, counts)[0]]
        else:
            seeds = range(self.samples)
            settings = [{"temperature": 1, "seed": seed} for seed in seeds]
            drawn = [self._ask(question, each, counts)[0] for each in settings]
        return [drawn.count(label) / self.samples for label in self.labels]

    def _by_logprobs(
        self, question: str, counts: Counter[str]
    ) -> tuple[str | None, list[float] | None]:
        """The likeliest label and all probabilities, each None if the server returns none."""
        try:
            wanted = GREEDY | {"logprobs": True, "top_logprobs": TOP}
            chosen, content, tokens = self._ask(question, wanted, counts)
        except RefusedError as error:
            if "logprob" not in str(error):
                raise
            self.logprobs = False
            return None, None
        if tokens is None:
            self.logprobs = False
        return chosen, label_shares(content, tokens, self.labels)

    def _ask(
        self, question: str, sampling: dict[str, Any], counts: Counter[str]
    ) -> tuple[str, str, Any]:
        """One answer: the label, its JSON, and its tokens if the server returns them."""

        def read(body: bytes) -> tuple[str, str, Any]:
            counts["requests"] += 1
            return parsed(body, self.labels, counts, self.server.quoted)

        schema = {
            "type": "object",
            "properties": {"label": {"type": "string", "enum": list(self.labels)}},
            "required": ["label"],
            "additionalProperties": False,
        }
        request = {
            "model": self.model,
            "messages": [{"role": "user", "content": question}],
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "label", "strict": True, "schema": schema},
            },
        }
        return self.server.ask(request | sampling, read)


def parsed(
    body: bytes, labels: Sequence[str], counts: Counter[str], quoted: Callable[[str, int], str]
) -> tuple[str, str, Any]:
    """Reads a chat completion whose content is ``{"label": one of the labels}``.

    Returns the label, the content, and ``logprobs.content`` or None; adds the usage to `counts`.
    Raises `MalformedAnswerError` for anything else.
    """
    try:
        whole = json.loads(body)
        usage = whole.get("usage")
        for name in TOKENS if isinstance(usage, dict) else ():
            used = usage.get(name)
            counts[name] += used if type(used) is int and used > 0 else 0
        choice = whole["choices"][0]
        content = choice["message"]["content"]
        chosen = json.loads(content)
    except (ValueError, LookupError, TypeError, AttributeError):
        shown = quoted(body.decode("utf-8", "replace"), 120)
        raise MalformedAnswerError(f"no JSON with a label in {shown!r}.") from None
    if not isinstance(chosen, dict) or set(chosen) != {"label"} or chosen["label"] not in labels:
        raise MalformedAnswerError(f"{quoted(str(content), 120)!r} is not one of the labels.")
    logprobs = choice.get("logprobs")
    tokens = logprobs.get("content") if isinstance(logprobs, dict) else None
    return str(chosen["label"]), content, tokens or None


class Journal:
    """Answers of an unfinished batch, so that a second run does not pay for them again."""

    def __init__(self, folder: Path, identity: Any) -> None:
        """Reads the answers of earlier runs to the same questions, given by `identity`."""
        self._path = folder / f"{_digest(json.dumps(identity))}.jsonl"
        self._lock = threading.Lock()
        self._answers: dict[str, Answer] = {}
        lines = self._path.read_text(encoding="utf-8") if self._path.is_file() else ""
        for line in lines.splitlines():
            try:
                stored = json.loads(line)
                question = stored.pop("question")
                self._answers[question] = Answer(**stored)
            except (ValueError, LookupError, TypeError):
                continue  # a line that a killed process did not finish

    def get(self, question: str) -> Answer | None:
        """Returns the answer of an earlier run."""
        return self._answers.get(_digest(question))

    def add(self, question: str, answer: Answer) -> None:
        """Appends an answer; the text itself is not stored."""
        line = json.dumps({"question": _digest(question)} | asdict(answer))
        with self._lock:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")

    def remove(self) -> None:
        """Removes the file, because the batch is finished."""
        self._path.unlink(missing_ok=True)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def answered(
    questions: Sequence[str],
    model: ServedModel,
    journal: Journal,
    concurrency: int,
    check: Callable[[Answer], None],
) -> list[Answer]:
    """Asks all questions, `concurrency` at once; counts requests and tokens for the stage.

    `check` may refuse an answer by an exception, before it is kept. After a failure no further
    question is asked, and the answers that arrived are in the journal.
    """
    answers = {question: journal.get(question) for question in questions}

    def ask(question: str) -> Answer:
        answer = model.answer(question)
        check(answer)
        journal.add(question, answer)
        return answer

    with ThreadPoolExecutor(concurrency, thread_name_prefix="llm") as pool:
        futures = {pool.submit(ask, q): q for q, kept in answers.items() if kept is None}
        try:
            for future in as_completed(futures):
                answers[futures[future]] = future.result()
        except BaseException:
            model.server.stopped.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    finished = [answer for answer in answers.values() if answer is not None]
    for answer in finished:
        for name, amount in answer.counts.items():
            tally(name, amount)
    return finished

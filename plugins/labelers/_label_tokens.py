"""Probabilities of labels from the log-probabilities of an answer's tokens."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

VALUE = re.compile(r'"label"\s*:\s*"')


def label_shares(content: str, tokens: Any, labels: Sequence[str]) -> list[float] | None:
    """Returns each label's probability, from the alternatives of the tokens that spell the label.

    A token that begins a single label adds its probability to it. Labels that begin with the same
    token are separated by the next tokens if the model wrote this token, and share its probability
    equally if not. Alternatives that begin no label are ignored, and the rest adds up to 1.

    Args:
        content: the answer, JSON with the key ``label``.
        tokens: ``logprobs.content`` of a chat completion: for each token its ``token``, its
            ``logprob`` and the likeliest alternatives, ``top_logprobs``.
        labels: the labels that the model may write.

    Returns:
        One number per label; None if the tokens do not show the alternatives.
    """
    try:
        shares = _shares(content, tokens, labels)
    except (LookupError, TypeError, ValueError, OverflowError):
        return None
    total = sum(shares)
    return [share / total for share in shares] if 0 < total < math.inf else None


def _shares(content: str, tokens: Any, labels: Sequence[str]) -> list[float]:
    whole = "".join(token["token"] for token in tokens)
    value = VALUE.search(content)
    if value is None:
        raise ValueError("no label")
    # The model may have written or thought something else before its answer.
    start = whole.rindex(content) + value.end()
    answers = [whole[:start] + json.dumps(name, ensure_ascii=False)[1:] for name in labels]
    shares, path = [0.0] * len(labels), 1.0
    alive, written = list(range(len(labels))), ""
    for token in tokens:
        before, written = written, written + token["token"]
        if len(written) <= start:
            continue
        likely = _alternatives(token)
        if len(likely) < 2:
            raise ValueError("no alternatives")
        chosen = _spelled(written, answers, alive)
        for text, probability in likely.items():
            reached = _spelled(before + text, answers, alive)
            if text != token["token"] and len(reached) < len(alive):
                for label in reached:
                    shares[label] += path * probability / len(reached)
        path *= likely[token["token"]]
        alive = chosen
        if len(alive) < 2:
            break
    for label in alive:
        shares[label] += path / len(alive)
    return shares


def _alternatives(token: Mapping[str, Any]) -> dict[str, float]:
    """Probabilities of a token and of its likeliest alternatives."""
    entries = [*token["top_logprobs"], token]
    return {entry["token"]: math.exp(min(0.0, entry["logprob"])) for entry in entries}


def _spelled(text: str, answers: Sequence[str], among: Sequence[int]) -> list[int]:
    """Positions of the answers that begin with `text`, or that `text` begins with."""
    return [i for i in among if answers[i].startswith(text) or text.startswith(answers[i])]

"""What `fill-mask` and `llm` share: how labels are worded in tokens, and how likelihoods add up."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lanser_bench import (
    MissingDependencyError,
    PluginError,
    PluginOptions,
    Scores,
    Taxonomy,
    TextRecord,
)

from ..weights import resolve
from ._wording import (
    Templates,
    chosen_templates,
    score_distinct,
    softmax,
    token_counts,
    without_bars,
)

Floats = npt.NDArray[np.float32]


class LanguageModelOptions(PluginOptions):
    """Options of labelers that ask a language model for the likelihood of the labels' wordings."""

    model: str = ""
    """A transformers model: a folder, or a hub id such as ``org/name`` (``org/name@revision``)."""
    templates: Templates = None
    """Templates: null (the taxonomy's first), ``all`` of the taxonomy's, or a list of your own.
    Log-likelihoods of several are averaged."""
    synonyms: bool = False
    """A label's likelihood is the mean over its wording and its synonyms."""
    prior: Literal["empty-text", "none"] = "empty-text"
    """``empty-text`` divides by the wording's likelihood where there is no text to speak of, so
    that frequent words do not win by being frequent: pointwise mutual information (Holtzman et al.
    2021, arXiv 2104.08315). ``none`` leaves likelihoods as they are."""
    max_tokens: int = Field(default=256, ge=16)
    """Longest text; the rest of a longer one is cut off, and it is counted."""
    batch_tokens: int = Field(default=2048, ge=256)
    """Most tokens of a batch, padding included. Moves floats in their last digits."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Part of the key, because the two give slightly different floats."""


@dataclass(frozen=True, slots=True)
class Wording:
    """A label's word in a template, in tokens."""

    left: tuple[int, ...]
    word: tuple[int, ...]
    right: tuple[int, ...]


def verbalisations(taxonomy: Taxonomy, synonyms: bool) -> tuple[list[str], list[int]]:
    """Returns wordings and the column of the label that each stands for."""
    pairs = [
        (word, column)
        for column, label in enumerate(taxonomy.labels)
        for word in (label.hypothesis, *(label.synonyms if synonyms else ()))
    ]
    return [word for word, _ in pairs], [column for _, column in pairs]


def likelihood_scores(
    records: Sequence[TextRecord],
    taxonomy: Taxonomy,
    options: LanguageModelOptions,
    likelihoods: Callable[[list[str], Sequence[str], list[str]], Floats],
    room: Callable[[Sequence[str], list[str]], int],
    tokenizer: Callable[[], Any],
) -> Scores:
    """Scores distinct texts by the likelihood of the labels' wordings.

    Args:
        records: the texts.
        taxonomy: the labels.
        options: templates, synonyms and prior.
        likelihoods: texts, templates and wordings → mean log-probability per token, shape
            (texts, wordings).
        room: templates and wordings → how many tokens of a text are read.
        tokenizer: returns the model's tokenizer.
    """
    words, columns = verbalisations(taxonomy, options.synonyms)
    templates = chosen_templates(options.templates, taxonomy)
    k = len(taxonomy.labels)

    def score(texts: list[str]) -> tuple[Floats, Floats]:
        # The text that says nothing comes along as the prior.
        found = likelihoods([*texts, ""], templates, words)
        prior = found[-1:] if options.prior == "empty-text" else np.float32(0)
        logits = by_label(found[:-1] - prior, columns, k)
        return softmax(logits), logits

    def truncated(texts: list[str]) -> list[bool]:
        most = room(templates, words)
        counts = token_counts(tokenizer(), texts, split_special_tokens=True)
        return [count > most for count in counts]

    return score_distinct(records, k, score, "distribution", truncated=truncated)


def by_label(log_scores: Floats, columns: Sequence[int], k: int) -> Floats:
    """Adds wordings up to labels: the log of the mean likelihood over each label's wordings.

    Args:
        log_scores: shape (n, wordings).
        columns: the label of each wording.
        k: number of labels.

    Returns:
        Shape (n, K).
    """
    owner = np.asarray(columns)
    groups = [log_scores[:, owner == column].astype(np.float64) for column in range(k)]
    means = [np.logaddexp.reduce(g, axis=1) - np.log(g.shape[1]) for g in groups]
    return np.stack(means, axis=1).astype(np.float32)


def wording(tokenizer: Any, template: str, word: str) -> Wording:
    """Splits a filled template into tokens before, of and after the word.

    The template is read whole and with a space before it, so that a word gets the tokens that it
    has in running text; tokens are told apart by the characters that they cover. The space before
    the word is the word's, as in " angry", so that all words follow the same tokens.
    """
    sentence = " " + template.replace("{}", word)
    start = 1 + template.index("{}")
    end = start + len(word)
    start -= sentence[start - 1] == " "
    encoded = tokenizer(
        sentence, add_special_tokens=False, split_special_tokens=True, return_offsets_mapping=True
    )
    pairs = list(zip(encoded["input_ids"], encoded["offset_mapping"], strict=True))
    found = Wording(
        left=tuple(i for i, (_, last) in pairs if last <= start),
        word=tuple(i for i, (first, last) in pairs if last > start and first < end),
        right=tuple(i for i, (first, last) in pairs if last > start and first >= end),
    )
    if not found.word:
        raise PluginError(f"The model's tokenizer has no tokens for '{word}' in '{template}'.")
    return found


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yields positions, longest first, so that rows × longest stays within `budget` tokens."""
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    while order:
        size = max(1, budget // lengths[order[0]])
        yield order[:size]
        order = order[size:]


def load(name: str, head: str, what: str, device: str) -> tuple[Any, Any]:
    """Loads a model in float32 with its tokenizer, from safetensors, never code.

    Args:
        name: the model's name, as `resolve` takes it.
        head: the auto class of transformers, such as ``AutoModelForMaskedLM``.
        what: what such a model is called, for messages.
        device: ``cpu`` or ``cuda``.

    Raises:
        MissingDependencyError: it does not load.
        PluginError: its weights lack the head, which would then be random, or its tokenizer cannot
            say which characters a token covers.
    """
    import torch
    import transformers

    path = resolve(name).path
    try:
        with without_bars():
            model, report = getattr(transformers, head).from_pretrained(
                path,
                use_safetensors=True,
                trust_remote_code=False,
                local_files_only=True,
                dtype=torch.float32,
                output_loading_info=True,
            )
        tokenizer: Any = transformers.AutoTokenizer.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError) as error:
        raise MissingDependencyError(
            f"The model '{name}' does not load as a {what} of transformers from safetensors: "
            f"{error}."
        ) from None
    missing = sorted(report["missing_keys"])
    if missing:
        raise PluginError(
            f"The model '{name}' is no {what}: its weights lack {', '.join(missing[:3])}"
            f"{' …' if len(missing) > 3 else ''}, which would be random. Name another model."
        )
    if not tokenizer.is_fast:
        raise PluginError(
            f"The model '{name}' has no tokenizer.json, without which words cannot be told apart "
            "in tokens. Name a model with a fast tokenizer."
        )
    return model.to(device).eval(), tokenizer


def longest_input(model: Any, tokenizer: Any) -> int:
    """Most tokens that a model takes at once."""
    places = getattr(model.config, "max_position_embeddings", None) or tokenizer.model_max_length
    # RoBERTa and its kin keep two places for themselves.
    return int(min(tokenizer.model_max_length, places - 2))

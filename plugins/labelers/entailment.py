"""Weak labels by textual entailment: does the text entail "I am angry."?

Zero-shot classification by NLI (Yin, Hay & Roth 2019, arXiv 1909.00161), as LanSER uses it (Gong et
al. 2023, arXiv 2309.03978). Averaging several hypothesis templates is steadier than trusting one
(arXiv 2209.06701).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from lanser_bench import (
    Labeler,
    MissingDependencyError,
    PluginError,
    PluginOptions,
    Scores,
    Taxonomy,
    TextRecord,
)

from ..nli.adapter import adapter_fingerprint, load_nli
from ..nli.base import NliWeightsError
from ..weights import resolve
from ._wording import Templates, chosen_templates, score_distinct, softmax, without_bars

Floats = npt.NDArray[np.float32]
OWN_MODEL = "package:lanser-nli"


class EntailmentOptions(PluginOptions):
    """Options of `entailment`."""

    model: str = OWN_MODEL
    """Any NLI cross-encoder of transformers: ``package:lanser-nli`` (ours, needs no network), a
    folder, or a hub id such as ``FacebookAI/roberta-large-mnli``."""
    templates: Templates = None
    """Hypothesis templates: null (the taxonomy's first), ``all`` of the taxonomy's, or a list of
    your own with one ``{}`` each. Logits of several are averaged."""
    scoring: Literal["single", "independent"] = "single"
    """``single``: softmax over the labels' entailment logits, so scores add up to 1.
    ``independent``: each label by itself, entailment against contradiction, in [0, 1]."""
    max_tokens: int = Field(default=256, ge=16)
    """Longest pair; the text is cut at its end, the hypothesis never."""
    batch_tokens: int = Field(default=8192, ge=256)
    """Most tokens of a batch, padding included. Moves floats in their last digits."""
    device: Literal["cpu", "cuda"] = "cpu"
    """Part of the key, because the two give slightly different floats."""


class Entailment(Labeler[EntailmentOptions]):
    """Scores each label by how strongly an NLI model says that the text entails its hypothesis."""

    Options = EntailmentOptions
    version = "1"
    libraries = ("torch", "transformers", "tokenizers")

    def fingerprint(self) -> str:
        """Hash of adapter and base for our own model, otherwise the weights' revision."""
        if self.options.model == OWN_MODEL:
            try:
                return adapter_fingerprint()
            except NliWeightsError as error:
                raise MissingDependencyError(f"{error}.") from None
        return resolve(self.options.model).revision

    def describe(self) -> dict[str, Any]:
        """The model's name."""
        return {"model": self.options.model}

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        """Scores distinct texts against all hypotheses; logits have shape (n, K, classes)."""
        templates = chosen_templates(self.options.templates, taxonomy)
        hypotheses = [h for template in templates for h in taxonomy.hypotheses(template)]
        k = len(taxonomy.labels)

        def score(texts: list[str]) -> tuple[Floats, Floats]:
            logits = self._logits(texts, hypotheses)
            mean = logits.reshape(len(texts), len(templates), k, -1).mean(axis=1)
            return self._values(mean), mean

        kind: Literal["distribution", "independent"] = (
            "distribution" if self.options.scoring == "single" else "independent"
        )
        return score_distinct(records, k, score, kind)

    def _values(self, logits: Floats) -> Floats:
        model, _ = self._model
        yes, no = nli_columns(model.config.id2label, self.options.model)
        if self.options.scoring == "single":
            return softmax(logits[:, :, yes])
        return softmax(logits[:, :, [no, yes]])[:, :, 1]

    @cached_property
    def _model(self) -> tuple[Any, Any]:
        """The classifier in eval mode, and its tokenizer."""
        model: Any
        tokenizer: Any
        if self.options.model == OWN_MODEL:
            try:
                model, tokenizer = load_nli()
            except NliWeightsError as error:
                raise MissingDependencyError(f"{error}.") from None
        else:
            model, tokenizer = _load(self.options.model)
        nli_columns(model.config.id2label, self.options.model)
        return model.to(self.options.device).eval(), tokenizer

    def _logits(self, texts: list[str], hypotheses: list[str]) -> Floats:
        """Logits of all pairs, shape (texts, hypotheses, classes)."""
        import torch

        model, tokenizer = self._model
        longest = min(self.options.max_tokens, tokenizer.model_max_length)
        encoded = tokenizer(
            [text for text in texts for _ in hypotheses],
            hypotheses * len(texts),
            truncation="only_first",
            max_length=longest,
        )
        found = np.zeros((len(texts) * len(hypotheses), len(model.config.id2label)), np.float32)
        lengths = [len(ids) for ids in encoded["input_ids"]]
        for rows in batches(lengths, self.options.batch_tokens):
            padded = _padded(encoded, rows, tokenizer.pad_token_id, self.options.device)
            with torch.inference_mode():
                found[rows] = model(**padded).logits.float().cpu().numpy()
        return found.reshape(len(texts), len(hypotheses), -1)


def batches(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yields positions, longest first, so that rows × longest stays within `budget`.

    Args:
        lengths: tokens of each pair.
        budget: most tokens of a batch; a pair that is longer comes alone.
    """
    order = sorted(range(len(lengths)), key=lambda i: (-lengths[i], i))
    while order:
        size = max(1, budget // lengths[order[0]])
        yield order[:size]
        order = order[size:]


def nli_columns(id2label: dict[int, str], model: str) -> tuple[int, int]:
    """Returns the columns of entailment and of its opposite.

    Args:
        id2label: class names of the model.
        model: its name, for the message.

    Raises:
        PluginError: no class is called entailment, so the model is no NLI model.
    """
    names = {int(column): name.lower() for column, name in id2label.items()}
    yes = [column for column, name in names.items() if name.startswith("entail")]
    if len(yes) != 1:
        raise PluginError(
            f"The model '{model}' has the classes {', '.join(map(str, id2label.values()))}, and "
            "none is called entailment, so it cannot say what a text entails. Name an NLI model "
            f"(trained on MNLI, say), or {OWN_MODEL}."
        )
    no = [column for column, name in names.items() if name.startswith("contra")]
    others = [column for column in names if column != yes[0]]
    return yes[0], (no or others)[0]


def _load(name: str) -> tuple[Any, Any]:
    """Loads a classifier from safetensors; pickled weights and code in a repository are refused."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    path = resolve(name).path
    try:
        with without_bars():
            model = AutoModelForSequenceClassification.from_pretrained(
                path, use_safetensors=True, trust_remote_code=False, local_files_only=True
            )
        tokenizer = AutoTokenizer.from_pretrained(path, local_files_only=True)
    except (OSError, ValueError) as error:
        raise MissingDependencyError(
            f"The model '{name}' does not load as a transformers sequence classifier from "
            f"safetensors: {error}."
        ) from None
    return model, tokenizer


def _padded(encoded: Any, rows: list[int], pad: int, device: str) -> dict[str, Any]:
    """One batch of token ids, padded at the end."""
    import torch

    width = max(len(encoded["input_ids"][row]) for row in rows)
    fill = {"input_ids": pad}
    return {
        name: torch.tensor(
            [list(encoded[name][r]) + [fill.get(name, 0)] * (width - len(encoded[name][r]))
             for r in rows],
            device=device,
        )
        for name in encoded
    }  # fmt: skip

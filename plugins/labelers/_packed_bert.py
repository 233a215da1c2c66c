"""BERT and RoBERTa classifiers over sentences of many lengths, without padding.

All sentences of a batch are concatenated in one matrix, so matrix products, norms and activations
process no padding (as in Zeng et al. 2022, arXiv 2208.08124). Attention runs over groups of
sentences of equal length, and the last layer only on the first token, the only one that the head
reads. The numbers equal the model's own, up to the order of sums.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

from ._products import Product, product

Precision = Literal["float32", "bf16"]


def packable(model: Any) -> bool:
    """Whether a classifier of transformers has the architecture that is supported here."""
    config = model.config
    if getattr(config, "position_embedding_type", "absolute") != "absolute":
        return False
    part = {"bert": "bert", "roberta": "roberta", "xlm-roberta": "roberta"}.get(config.model_type)
    return part is not None and hasattr(model, part) and not getattr(config, "is_decoder", False)


@dataclass(frozen=True, slots=True)
class _Layer:
    """Weights of one layer; those of matrix products in the chosen precision."""

    qkv: Product
    joined: Product
    first_norm: Callable[[Any], Any]
    wide: Product
    activation: Callable[[Any], Any]
    narrow: Product
    second_norm: Callable[[Any], Any]


class PackedBert:
    """Classifies concatenated sentences.

    With ``bf16`` matrix products use bfloat16 numbers, while sums, norms and the residual stream
    stay in float32: about twice as many digits are correct as with bfloat16 throughout.
    """

    def __init__(self, model: Any, precision: Precision) -> None:
        """Prepares a `packable` model's weights; those that need no other precision are shared."""
        import torch

        inner = model.bert if model.config.model_type == "bert" else model.roberta
        self._model, self._embeddings = model, inner.embeddings
        self._heads = model.config.num_attention_heads
        # RoBERTa's positions start after the index of its padding.
        self._offset = 0 if model.config.model_type == "bert" else inner.embeddings.padding_idx + 1
        self._pooler = getattr(inner, "pooler", None)
        kind = torch.float32 if precision == "float32" else torch.bfloat16
        with torch.inference_mode():
            self._layers = [_layer(one, kind) for one in inner.encoder.layer]

    def logits(self, ids: Sequence[Sequence[int]], types: Sequence[Sequence[int]] | None) -> Any:
        """Returns logits, shape (sentences, classes), float32.

        `ids` are tokens of each sentence, `types` their token types, if the model has any.
        Sentences of equal length should be adjacent.
        """
        import torch

        with torch.inference_mode():
            return self._head(self._firsts(self._embedded(ids, types), [len(one) for one in ids]))

    def _embedded(self, ids: Any, types: Any) -> Any:
        import torch

        device = self._embeddings.word_embeddings.weight.device

        def flat(rows: Any) -> Any:
            return torch.tensor([number for row in rows for number in row], device=device)

        tokens = flat(ids)
        places = flat([range(self._offset, self._offset + len(one)) for one in ids])
        kinds = torch.zeros_like(tokens) if types is None else flat(types)
        part = self._embeddings
        total = part.word_embeddings(tokens) + part.token_type_embeddings(kinds)
        return part.LayerNorm(total + part.position_embeddings(places))

    def _firsts(self, hidden: Any, lengths: Sequence[int]) -> Any:
        """The last layer's output for each sentence's first token, shape (sentences, width)."""
        import torch

        groups = [(len(list(same)), length) for length, same in groupby(lengths)]
        ends = torch.tensor(lengths, device=hidden.device).cumsum(0)
        starts = torch.cat([ends.new_zeros(1), ends[:-1]])
        for number, layer in enumerate(self._layers):
            last = number == len(self._layers) - 1
            seen = self._attended(layer.qkv(hidden), groups, last)
            if last:
                hidden = hidden[starts]
            hidden = layer.first_norm(layer.joined.added(seen, hidden))
            inside = layer.wide.activated(hidden, layer.activation)
            hidden = layer.second_norm(layer.narrow.added(inside, hidden))
        return hidden

    def _attended(self, qkv: Any, groups: Sequence[tuple[int, int]], last: bool) -> Any:
        import torch
        from torch.nn import functional

        width = qkv.shape[1] // 3
        found, begin = [], 0
        for count, length in groups:
            part = qkv[begin : begin + count * length]
            begin += count * length
            shaped = part.view(count, length, 3, self._heads, width // self._heads)
            query, key, value = shaped.permute(2, 0, 3, 1, 4)
            asked = query[:, :, :1] if last else query
            answer = functional.scaled_dot_product_attention(asked, key, value)
            found.append(answer.transpose(1, 2).reshape(-1, width))
        return torch.cat(found)

    def _head(self, firsts: Any) -> Any:
        firsts = firsts.float()
        if self._pooler is not None:
            return self._model.classifier(self._pooler.activation(self._pooler.dense(firsts)))
        return self._model.classifier(firsts[:, None])


def _layer(layer: Any, kind: Any) -> _Layer:
    import torch

    own, out = layer.attention.self, layer.attention.output
    three = (own.query, own.key, own.value)
    qkv = (torch.cat([one.weight for one in three]), torch.cat([one.bias for one in three]))

    def prepared(linear: Any) -> Product:
        return product(linear.weight, linear.bias, kind)

    return _Layer(
        qkv=product(*qkv, kind),
        joined=prepared(out.dense),
        first_norm=out.LayerNorm,
        wide=prepared(layer.intermediate.dense),
        activation=layer.intermediate.intermediate_act_fn,
        narrow=prepared(layer.output.dense),
        second_norm=layer.output.LayerNorm,
    )

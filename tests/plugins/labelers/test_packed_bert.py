"""Packed classifiers give the numbers of transformers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from lanser_bench_plugins.labelers._packed_bert import PackedBert, packable

SIZE: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 40,
    "initializer_range": 0.4,
    "num_labels": 3,
}
SENTENCES = [[2, 9, 8, 7, 6, 5, 4, 3], [2, 30, 31, 32, 33, 34, 35, 3], [2, 5, 3], [2, 3]]


def model(kind: str) -> Any:
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        RobertaConfig,
        RobertaForSequenceClassification,
    )

    torch.manual_seed(0)
    if kind == "bert":
        return BertForSequenceClassification(BertConfig(**SIZE)).eval()
    if kind == "bert with relu":
        return BertForSequenceClassification(BertConfig(hidden_act="relu", **SIZE)).eval()
    return RobertaForSequenceClassification(RobertaConfig(type_vocab_size=1, **SIZE)).eval()


@pytest.mark.parametrize("kind", ["bert", "bert with relu", "roberta"])
def test_logits_are_those_of_transformers(kind: str) -> None:
    whole = model(kind)
    assert packable(whole)
    types = [[0] * (len(s) // 2) + [1] * (len(s) - len(s) // 2) for s in SENTENCES]
    with_types = kind != "roberta"
    found = PackedBert(whole, "float32").logits(SENTENCES, types if with_types else None)
    for row, (ids, kinds) in enumerate(zip(SENTENCES, types, strict=True)):
        given = {"input_ids": torch.tensor([ids])}
        if with_types:
            given["token_type_ids"] = torch.tensor([kinds])
        with torch.inference_mode():
            expected = whole(**given).logits[0]
        np.testing.assert_allclose(found[row], expected, atol=1e-5)


def test_bfloat16_products_move_logits_a_little() -> None:
    whole = model("bert")
    exact = PackedBert(whole, "float32").logits(SENTENCES, None)
    rough = PackedBert(whole, "bf16").logits(SENTENCES, None)
    assert rough.dtype == torch.float32
    assert 0 < float((exact - rough).abs().max()) < 0.1


def test_other_architectures_are_left_to_transformers() -> None:
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    other = DistilBertConfig(vocab_size=50, dim=32, n_layers=1, n_heads=2, hidden_dim=32)
    assert not packable(DistilBertForSequenceClassification(other))

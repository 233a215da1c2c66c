"""Likelihoods of tiny random models with the true classes of many families, word by word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

LINEAR = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}
EXPERTS = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 16,
    "shared_expert_intermediate_size": 16,
}
MAMBA = {"mamba_n_heads": 4, "mamba_d_head": 16, "mamba_d_state": 8, "mamba_n_groups": 1}
FAMILIES: dict[str, tuple[bool, dict[str, Any]]] = {
    "llama": (True, {}),
    "mistral": (True, {"sliding_window": 8}),
    "gemma3_text": (
        True,
        {
            "sliding_window": 8,
            "head_dim": 8,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ),
    "mamba": (False, {"state_size": 8}),
    "falcon_mamba": (False, {"state_size": 8}),
    "mamba2": (False, {"state_size": 8, "num_heads": 4, "head_dim": 16, "n_groups": 1}),
    "lfm2": (False, {"layer_types": ["conv", "full_attention"]}),
    "qwen3_next": (False, LINEAR | EXPERTS),
    "qwen3_5_text": (False, LINEAR),
    "granitemoehybrid": (
        False,
        MAMBA
        | {
            "layer_types": ["mamba", "attention"],
            "num_local_experts": 0,
            "shared_intermediate_size": 48,
        },
    ),
    "falcon_h1": (False, MAMBA | {"mamba_d_ssm": 64, "head_dim": 8}),
    "bamba": (False, MAMBA | {"attn_layer_indices": [1]}),
    "olmo_hybrid": (False, {}),
    "recurrent_gemma": (
        False,
        {"lru_width": 32, "block_types": ["recurrent", "attention"], "attention_window_size": 16},
    ),
}
"""Type in config.json → whether words share the prompt's cache, and sizes of its layers."""
SIZES = {
    "vocab_size": 64,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 48,
    "pad_token_id": 0,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
WORDS = [[3], [4, 5, 6], [7, 8], [9, 10, 11, 12]]


def tiny(family: str) -> Any:
    """A random model of a family whose likelihoods depend on every token."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    config = AutoConfig.for_model(family, **SIZES | FAMILIES[family][1])
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() > 1:
                weights.normal_(0, 0.2)
    return model


def one_by_one(model: Any, prompts: list[list[int]]) -> list[list[float]]:
    """Mean log-probability of each word's tokens, each from a pass over prompt and word."""
    import torch

    rows = []
    for prompt in prompts:
        row = []
        for word in WORDS:
            with torch.inference_mode():
                logits = model(input_ids=torch.tensor([prompt + word]), use_cache=False).logits
            logs = logits[0].log_softmax(-1)
            places = range(len(prompt) - 1, len(prompt) + len(word) - 1)
            row.append(np.mean([float(logs[i, t]) for i, t in zip(places, word, strict=True)]))
        rows.append(row)
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_likelihoods_equal_those_of_single_passes(family: str) -> None:
    from lanser_bench_plugins.labelers._causal import _shares_cache, log_likelihoods

    model = tiny(family)
    assert _shares_cache(model, [1]) == FAMILIES[family][0]
    draw = np.random.default_rng(0)
    prompts = [draw.integers(1, 64, size).tolist() for size in (20, 20, 5, 33)]
    expected = one_by_one(model, prompts)
    assert np.std(expected, axis=1).min() > 0.1, "words differ"
    for budget in (256, 30):
        likelihoods = log_likelihoods(model, prompts, WORDS, budget)
        np.testing.assert_allclose(likelihoods, expected, atol=1e-4)

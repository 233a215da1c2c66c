"""Products with weights laid out beforehand are the plain ones."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lanser_bench_plugins.labelers._products import product
from torch.nn import functional


@pytest.fixture(params=["oneDNN", "plain"])
def numbers(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    if request.param == "plain":
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    draws = torch.Generator().manual_seed(0)
    shapes = {"weight": (48, 32), "bias": (48,), "rows": (7, 32), "others": (7, 48)}
    return {name: torch.randn(*shape, generator=draws) for name, shape in shapes.items()}


@pytest.mark.parametrize("name", ["gelu", "gelu_new", "relu"])
@torch.inference_mode()
def test_results_are_those_of_the_plain_layers(numbers: dict[str, Any], name: str) -> None:
    from transformers.activations import ACT2FN

    activation: Callable[[Any], Any] = ACT2FN[name]
    rows = numbers["rows"]
    plain = functional.linear(rows, numbers["weight"], numbers["bias"])
    found = product(numbers["weight"], numbers["bias"], torch.float32)
    close = {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(found(rows), plain, **close)
    torch.testing.assert_close(found.activated(rows, activation), activation(plain), **close)
    others = numbers["others"]
    torch.testing.assert_close(found.added(rows, others), plain + others, **close)


@torch.inference_mode()
def test_sums_stay_in_the_precision_of_the_other_rows(numbers: dict[str, Any]) -> None:
    rough = product(numbers["weight"], numbers["bias"], torch.bfloat16)
    found = rough.added(numbers["rows"], numbers["others"])
    assert found.dtype == torch.float32
    exact = functional.linear(numbers["rows"], numbers["weight"], numbers["bias"])
    assert 0 < float((found - exact - numbers["others"]).abs().max()) < 0.2


@torch.inference_mode()
def test_numbers_of_rows_other_than_the_layout_s_fit_too(numbers: dict[str, Any]) -> None:
    found = product(numbers["weight"], numbers["bias"], torch.float32)
    many = numbers["rows"].repeat(300, 1)
    torch.testing.assert_close(found(many)[:7], found(numbers["rows"]), atol=1e-5, rtol=1e-5)
    assert found(many[:0]).shape == (0, 48)


@pytest.fixture
def old_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """A CPU whose oneDNN has no bfloat16, as with AVX2 and no AVX-512."""
    pack = torch.ops.mkldnn._reorder_linear_weight

    def refusing(weight: Any, rows: int) -> Any:
        if weight.dtype == torch.bfloat16:
            raise RuntimeError("bf16 path needs the cpu support")
        return pack(weight, rows)

    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    monkeypatch.setattr(torch.ops.mkldnn, "_reorder_linear_weight", refusing)


@pytest.mark.usefixtures("old_cpu")
@torch.inference_mode()
def test_a_cpu_without_bfloat16_gives_its_numbers(numbers: dict[str, Any]) -> None:
    from transformers.activations import ACT2FN

    rough = {name: value.to(torch.bfloat16) for name, value in numbers.items()}
    plain = functional.linear(rough["rows"], rough["weight"], rough["bias"])
    found = product(numbers["weight"], numbers["bias"], torch.bfloat16)
    one_digit = {"atol": 2**-8, "rtol": 2**-7}  # of bfloat16
    torch.testing.assert_close(found(numbers["rows"]), plain, **one_digit)
    gelu: Callable[[Any], Any] = ACT2FN["gelu"]
    torch.testing.assert_close(found.activated(numbers["rows"], gelu), gelu(plain), **one_digit)
    both = plain + rough["others"]
    torch.testing.assert_close(found.added(numbers["rows"], rough["others"]), both, **one_digit)

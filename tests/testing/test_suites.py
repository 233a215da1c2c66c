"""The inheritable suites: they pass good plugins, and catch each way of breaking the contract."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from lanser_bench import (
    ASR,
    FeatureExtractor,
    Labeler,
    Layers,
    PluginOptions,
    Scores,
    Segmenter,
    Span,
    Speech,
    Taxonomy,
    TextRecord,
    Transcript,
    Waveform,
)
from lanser_bench.testing import ASRSuite, EncoderSuite, LabelerSuite, SegmenterSuite, check
from lanser_bench.testing._base import PluginSuite


class Lengths(Labeler[PluginOptions]):
    """A well-behaved labeler: label scores by letters shared with the text."""

    version = "1"

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        rows = [[r.text.count(n[0]) + 1.0 for n in taxonomy.names] for r in records]
        values = np.array(rows, np.float32).reshape(len(records), len(taxonomy.labels))
        values /= values.sum(axis=1, keepdims=True)
        return Scores(values, "distribution", np.array([not r.text.strip() for r in records], bool))


class TestLengths(LabelerSuite):
    def make(self) -> Lengths:
        return Lengths(PluginOptions())


class Columns(Lengths):
    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        found = super().score(records, taxonomy)
        return Scores(found.values[:, :-1], found.kind, found.abstained)


class Company(Lengths):
    """Scores depend on the batch."""

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        found = super().score(records, taxonomy)
        values = found.values + np.float32(len(records) * 1e-3)
        return Scores(values / values.sum(1, keepdims=True), found.kind, found.abstained)


class Fixed(Lengths):
    """Sorts the columns."""

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        found = super().score(records, taxonomy)
        return Scores(found.values[:, np.argsort(taxonomy.names)], found.kind, found.abstained)


class Eager(Lengths):
    """Labels even empty text."""

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        found = super().score(records, taxonomy)
        return Scores(found.values, found.kind, np.zeros(len(records), bool))


class Restless(Lengths):
    """Returns other scores each time."""

    calls = 0

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        Restless.calls += 1
        found = super().score(records, taxonomy)
        values = found.values + np.float32(Restless.calls)
        return Scores(values / values.sum(1, keepdims=True), found.kind, found.abstained)


class Delicate(Lengths):
    """Fails on text that is not ASCII."""

    def score(self, records: Sequence[TextRecord], taxonomy: Taxonomy) -> Scores:
        for record in records:
            record.text.encode("ascii")
        return super().score(records, taxonomy)


class Wandering(Lengths):
    prints = 0

    def fingerprint(self) -> str:
        Wandering.prints += 1
        return str(Wandering.prints)


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Columns, "test_scores_are_finite_with_a_column_per_label"),
        (Company, "test_a_record_is_scored_alike_alone_and_among_32"),
        (Fixed, "test_the_columns_follow_the_taxonomy"),
        (Eager, "test_empty_text_abstains"),
        (Restless, "test_it_is_deterministic"),
        (Delicate, "test_odd_texts_survive"),
        (Wandering, "test_its_fingerprint_is_stable"),
    ],
)
def test_each_breach_of_a_labeler_s_contract_is_caught(broken: type[Lengths], test: str) -> None:
    suite = type("Suite", (LabelerSuite,), {"make": lambda self: broken(PluginOptions())})()
    with pytest.raises((AssertionError, UnicodeEncodeError)):
        getattr(suite, test)()


def test_a_suite_without_make_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Unfinished .*abstract method.*make"):
        type("Unfinished", (PluginSuite,), {})()


class Echo(ASR[PluginOptions]):
    """Repeats the manifest."""

    version = "1"

    def transcribe(self, batch: Sequence[Speech]) -> list[Transcript]:
        return [Transcript(speech.transcript or "") for speech in batch]


class TestEcho(ASRSuite):
    def make(self) -> Echo:
        return Echo(PluginOptions())


def test_an_asr_that_sorts_its_answers_is_caught() -> None:
    class Sorting(Echo):
        def transcribe(self, batch: Sequence[Speech]) -> list[Transcript]:
            return sorted(super().transcribe(batch), key=lambda t: t.text)

    suite: Any = type("S", (ASRSuite,), {"make": lambda self: Sorting(PluginOptions())})()
    with pytest.raises(AssertionError):
        suite.test_it_keeps_the_order()


class Energy(FeatureExtractor[PluginOptions]):
    """Mean square of windows of 10 ms."""

    version = "1"

    def extract(self, batch: Sequence[Waveform]) -> list[Layers]:
        return [[np.square(w[: len(w) // 160 * 160].reshape(-1, 160))] for w in batch]


class TestEnergy(EncoderSuite):
    def make(self) -> Energy:
        return Energy(PluginOptions())


def test_an_encoder_that_normalises_over_the_batch_is_caught() -> None:
    class Leaking(Energy):
        def extract(self, batch: Sequence[Waveform]) -> list[Layers]:
            top = max(float(np.abs(w).max()) for w in batch[:1])
            return [[layer / top for layer in layers] for layers in super().extract(batch)]

    suite: Any = type("S", (EncoderSuite,), {"make": lambda self: Leaking(PluginOptions())})()
    with pytest.raises(AssertionError):
        suite.test_company_changes_little()


class Halves(Segmenter[PluginOptions]):
    """Cuts every recording in two."""

    version = "1"

    def segment(self, recording: Speech) -> list[Span]:
        half, end = recording.seconds / 2, recording.seconds
        return [Span(0.0, half), Span(half, end)] if end else []


class TestHalves(SegmenterSuite):
    def make(self) -> Halves:
        return Halves(PluginOptions())


class Overlapping(Halves):
    def segment(self, recording: Speech) -> list[Span]:
        return [Span(0.0, recording.seconds), Span(0.5, recording.seconds)]


class Empty(Halves):
    def segment(self, recording: Speech) -> list[Span]:
        return [Span(0.0, recording.seconds)]


class Remembering(Halves):
    seen = 0

    def segment(self, recording: Speech) -> list[Span]:
        Remembering.seen += 1
        return [Span(0.0, recording.seconds / Remembering.seen)]


class Trivial(Halves):
    trivial = True


@pytest.mark.parametrize(
    ("broken", "test"),
    [
        (Overlapping, "test_spans_are_in_order_inside_and_apart"),
        (Empty, "test_silence_and_shortness_survive"),
        (Remembering, "test_it_is_deterministic"),
        (Trivial, "test_one_that_is_trivial_returns_the_whole"),
    ],
)
def test_each_breach_of_a_segmenter_s_contract_is_caught(broken: type[Halves], test: str) -> None:
    suite = type("Suite", (SegmenterSuite,), {"make": lambda self: broken(PluginOptions())})()
    with pytest.raises(AssertionError):
        getattr(suite, test)()


def test_check_names_the_check_the_fault_the_contract_and_the_remedy() -> None:
    assert check("labeler", lambda: Lengths(PluginOptions())) == []
    (failure,) = check("labeler", lambda: Wandering(PluginOptions()))
    assert failure.check == "its fingerprint is stable"
    assert re.search(r"gave '\d+', then '\d+'", failure.problem)
    assert failure.contract.startswith("Two plugins with the same options")
    assert failure.anchor in str(failure)
    assert "no object address" in failure.remedy

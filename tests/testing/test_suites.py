"""How suites are used: inherited under pytest, or run by `check`."""

from __future__ import annotations

import re
from typing import Any

import pytest
from museum.asr import Level
from museum.encoders import Trained
from museum.labelers import AddressAsFingerprint, LabelsEmptyText, Letters
from museum.segmenters import Halves

from lanser_bench import PluginOptions
from lanser_bench.testing import (
    ASRSuite,
    ContractError,
    EncoderSuite,
    LabelerSuite,
    PluginSuite,
    SegmenterSuite,
    check,
)


class TestLetters(LabelerSuite):
    def make(self) -> Letters:
        return Letters(PluginOptions())


class TestLevel(ASRSuite):
    def make(self) -> Level:
        return Level(PluginOptions())


class TestTrained(EncoderSuite):
    def make(self) -> Trained:
        return Trained(PluginOptions())


class TestHalves(SegmenterSuite):
    def make(self) -> Halves:
        return Halves(PluginOptions())


def test_an_inherited_check_says_what_happened_and_what_to_do() -> None:
    suite: Any = type("S", (LabelerSuite,), {"make": lambda _: LabelsEmptyText(PluginOptions())})()
    with pytest.raises(ContractError, match=r"gave a label to empty text\. Set `abstained` .*See "):
        suite.test_empty_text_abstains()


def test_a_suite_without_make_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Unfinished .*abstract method.*make"):
        type("Unfinished", (PluginSuite,), {})()


def test_check_names_the_check_the_fault_the_contract_and_the_remedy() -> None:
    (failure,) = check("labeler", lambda: AddressAsFingerprint(PluginOptions()))
    assert failure.check == "its fingerprint is stable"
    assert re.search(r"gave .*, then .*", failure.problem)
    assert failure.contract.startswith("Two plugins with the same options")
    assert "no object address" in failure.remedy
    for part in (failure.check, failure.problem, failure.contract, failure.anchor, failure.remedy):
        assert part in str(failure)

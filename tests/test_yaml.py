"""Values of files and of the command line: numbers are numbers, and text stays text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from lanser_bench._yaml import read_value, read_yaml, write_yaml
from lanser_bench.errors import SettingsError
from lanser_bench.kinds import PluginOptions
from lanser_bench.validation import validated

ROOT = Path(__file__).parent.parent
LITERAL = (
    "set #2",
    "a: b",
    "*x",
    "&x y",
    "@x",
    "%x",
    "`x",
    "!x",
    "| x",
    "> x",
    "? x",
    "- a",
    "=",
    "<<",
    "C:\\data\\set",
    "~",
    "~/data",
    "a\nb",
    "no",
    "yes",
    "on",
    "off",
    "Y",
    "1_000",
    "012",
    "0x1f",
    "1:30",
    "12:30:45",
    "2024-01-01",
    "2024-13-99",
    "1.2.3",
    "é",
    "+",
    "e3",
)


@pytest.mark.parametrize("text", LITERAL)
def test_a_plain_text_of_the_command_line_is_read_as_typed(text: str) -> None:
    assert read_value(text, "x", SettingsError) == text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("-3", -3),
        ("1e3", 1000.0),
        ("1e-4", 1e-4),
        (".5", 0.5),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("", None),
        ("'null'", "null"),
        ('"a #b"', "a #b"),
        ("[a, no, 012, 1:30]", ["a", "no", "012", "1:30"]),
        ("{b: 2024-01-01}", {"b": "2024-01-01"}),
    ],
)
def test_numbers_truth_null_quotes_and_collections_are_yaml(text: str, value: Any) -> None:
    found = read_value(text, "x", SettingsError)
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "[1",
        "[a] b",
        "[a #b]",
        '"set" #2',
        '"a',
        "{a: 1, a: 2}",
        "[&a [*a]]",
        "[" * 3000,
        "{a: " * 90_000,
        "[" * 201 + "]" * 201,
        "9" * 5000,
        "[!!timestamp x]",
        "[!!bool x]",
    ],
)
def test_what_begins_as_yaml_and_is_none_gets_a_sentence(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^Override .x."):
        read_value(text, "Override 'x'", SettingsError)


def test_files_keep_words_and_codes_that_yaml_1_1_would_change(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_text("language: no\non: off\nid: 012\nat: 1:30\nday: 2024-01-01\nrate: 1e-3\n")
    found = read_yaml(path, "File", SettingsError).content
    assert found == {
        "language": "no",
        "on": "off",
        "id": "012",
        "at": "1:30",
        "day": "2024-01-01",
        "rate": 1e-3,
    }


def test_all_shipped_files_are_read_as_before() -> None:
    folders = ("lanser_bench/experiments", "taxonomies", "results")
    files = [path for folder in folders for path in (ROOT / folder).rglob("*.yaml")]
    assert len(files) > 20
    for path in files:
        before = yaml.safe_load(path.read_text(encoding="utf-8"))
        assert read_yaml(path, "File", SettingsError).content == before, path


def test_written_yaml_reads_back_in_both_versions(tmp_path: Path) -> None:
    content = {text: text for text in (*LITERAL, "1e3", "3", "true", "null", ".5")} | {"n": 1e-5}
    path = tmp_path / "w.yaml"
    path.write_text(write_yaml(content), encoding="utf-8")
    assert read_yaml(path, "File", SettingsError).content == content
    assert yaml.safe_load(path.read_text(encoding="utf-8")) == content


def test_a_number_is_its_digits_where_text_or_a_path_is_wanted() -> None:
    class Options(PluginOptions):
        root: Path | None = None
        names: tuple[str, ...] = ()
        labels: dict[str, str] = {}  # noqa: RUF012

    found = validated(Options, {"root": 2024, "names": [1, "b"], "labels": {1: "joy"}}, "x")
    assert found == Options(root=Path("2024"), names=("1", "b"), labels={"1": "joy"})
    with pytest.raises(SettingsError, match=r"names.0' is 1.5: input should be text"):
        validated(Options, {"names": [1.5]}, "x")

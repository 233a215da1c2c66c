"""A language by name, code or tag is one code, through every door."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lanser_bench import DataError, SettingsError, language_code
from lanser_bench.data.manifest import build_manifest
from lanser_bench.data.utterances import read_utterances
from lanser_bench.plugins.discovery import registry
from lanser_bench.store import Store

CODES = {
    "en": ("English", "english ", "eng", "EN", "en-US", "en_GB.UTF-8", "English (US)"),
    "de": ("German", "Deutsch", "ger", "deu", "de-CH", "Deutsch (Schweiz)"),
    "fr": ("Français", "Franc\u0327ais", "fra", "fre"),
    "zh": ("Chinese", "cmn_hans_cn", "zh-Hant-TW", "Mandarin"),
    "no": ("Norwegian", "no"),
    "nb": ("nb-NO",),
    "el": ("Greek", "gre"),
    "yue": ("Cantonese",),
    "he": ("Hebrew", "iw"),
    "mo": ("mo",),
    "jw": ("jw",),
    "mul": ("mul",),
    None: ("", "  ", "und"),
}


@pytest.mark.parametrize(
    ("written", "code"), [(text, code) for code, texts in CODES.items() for text in texts]
)
def test_names_codes_and_tags_are_one_code(written: str, code: str | None) -> None:
    assert language_code(written) == code


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("Englsh", "en (English)"),
        ("American English", "en (English)"),
        ("jp", ""),
        ("en/de", ""),
        ("12", ""),
    ],
)
def test_what_is_no_language_is_refused_with_the_code_to_write(written: str, hint: str) -> None:
    with pytest.raises(ValueError, match="write its code") as refusal:
        language_code(written)
    assert hint in str(refusal.value)


def languages(root: Path, column: list[str], **options: Any) -> list[str | None]:
    root.mkdir(exist_ok=True)
    rows = [f"u{i},hello {i},{language}" for i, language in enumerate(column)]
    (root / "t.csv").write_text("\n".join(["id,text,language", *rows]) + "\n", encoding="utf-8")
    store = Store(root.parent / "store")
    built = build_manifest(registry(), store, "text", {"tables": ["t.csv"], **options}, root)
    return read_utterances(store.checked(built.key)).languages


def test_rows_and_the_option_for_the_others_are_folded(tmp_path: Path) -> None:
    found = languages(tmp_path / "set", ["English", "eng", "EN", "de-AT", ""], language="French")
    assert found == ["en", "en", "en", "de", "fr"]


def test_a_row_whose_language_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"t\.csv, line 3\): 'Englsh' is not a language"):
        languages(tmp_path / "set", ["en", "Englsh"])


@pytest.mark.parametrize("name", ["faster-whisper", "openai-whisper", "transformers"])
def test_recognisers_take_a_name_for_the_code(name: str) -> None:
    model = {"model": "m"}
    assert registry().create("asr", name, model | {"language": "English"}).options.language == "en"
    with pytest.raises(SettingsError, match="'language' is 'Englsh'"):
        registry().create("asr", name, model | {"language": "Englsh"})

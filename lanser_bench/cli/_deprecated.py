"""Spellings of the previous version: still understood, with a note, until the next one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..errors import SettingsError
from ..printing import echo
from ._options import is_path
from ._shared import DATASET

LABEL = {"text", "table", "corpus", "-h", "--help"}
"""Words after `label` in the current spelling; `text FOLDER` was the dataset `text`."""
COMPARE = {"records", "labels", "asr", "-h", "--help"}
"""Words after `compare` that are not the first side of a comparison of records."""
IGNORED = {
    "text": "--column --gold --gold-taxonomy --asr --set --compare-in --out --store",
    "table": "--asr",
    "corpus": "--column --gold --gold-taxonomy",
}
"""Form of `label` → options that had no effect on it, and that it no longer has."""


def current_spelling(argv: Sequence[str]) -> list[str]:
    """Returns the arguments in the spelling of this version, and notes on stderr what changed."""
    words = list(argv)
    if words[:1] == ["label"] and words[1:]:
        return _label(words[1:])
    if words[:1] == ["compare"] and words[1:] and words[1] not in COMPARE:
        return ["compare", "records", *words[1:]]  # short for it, not deprecated
    if words[:2] == ["gate", "--labels"]:
        return ["gate", "labels", *words[2:]]  # another spelling of it, not deprecated
    if words[:1] == ["power"]:
        return _dataset(words, ("--dataset", "--root", "--option"), f"power {DATASET}")
    if words[:2] == ["taxonomy", "compare"]:
        old = ("--corpus", "--root", "--dataset-option")
        return _dataset(words, old, f"taxonomy compare A B {DATASET}")
    return words


def _label(words: list[str]) -> list[str]:
    texts, others = _taken(words, "--text")
    files, others = _taken(others, "--texts")
    is_dataset = not words[0].startswith("-")
    names_dataset = words[0] == "text" and len(words) > 1 and is_path(words[1])
    if words[0] in LABEL and not (names_dataset and Path(words[1]).is_dir()):
        return ["label", *words]
    if bool(texts) + bool(files) + is_dataset != 1 or files[1:]:
        raise SettingsError(
            "Say what to label: `lanser-bench label text TEXT...`, `lanser-bench label table FILE` "
            f"or `lanser-bench label corpus {DATASET}`."
        )
    form = "text" if texts else "table" if files else "corpus"
    for option in IGNORED[form].split():
        _, others = _taken(others, option)
    if texts:
        _note("label --text TEXT", "label text TEXT...")
        return ["label", form, *others, "--", *texts]
    if files:
        _note("label --texts FILE", "label table FILE")
        return ["label", form, *files, *others]
    _note("label DATASET", f"label corpus {DATASET}")
    return ["label", form, *others]


def _dataset(words: list[str], options: Sequence[str], written: str) -> list[str]:
    """Moves the options that named a dataset to the end, where its words are expected."""
    dataset: list[str] = []
    rest = words
    for option in options:
        values, rest = _taken(rest, option)
        dataset += values
    if dataset:
        _note(f"{options[0]} NAME {options[1]} FOLDER {options[2]} KEY=VALUE", written)
    return [*rest, *dataset]


def _taken(words: Sequence[str], option: str) -> tuple[list[str], list[str]]:
    """Splits arguments into the values of an option and the other arguments."""
    values: list[str] = []
    others: list[str] = []
    rest = iter(words)
    for word in rest:
        name, equals, value = word.partition("=")
        if name != option:
            others.append(word)
        elif equals:
            values.append(value)
        else:
            values += [next(rest, "")]
    return values, others


def _note(old: str, new: str) -> None:
    echo(f"Note: `{old}` is deprecated; use `lanser-bench {new}`.", err=True)

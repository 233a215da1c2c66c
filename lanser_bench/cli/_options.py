"""Datasets and options of plugins as they are written on the command line."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .._yaml import read_value
from ..errors import SettingsError, did_you_mean
from ..printing import echo
from ._shared import DATASET

if TYPE_CHECKING:
    from ..experiment.settings.model import DatasetRef
    from ..plugins.discovery import Registry


def parsed_options(pairs: Iterable[str]) -> dict[str, Any]:
    """Reads ``key=value`` pairs, as `read_value` reads them: ``templates=all``, ``seed=3``."""
    options = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key.strip():
            raise SettingsError(f"'{pair}' is not of the form key=value.")
        read = read_value(value, f"'{pair}'", SettingsError)
        # Only the plugin's options know whether 1.10 is a number or the name of a revision.
        options[key.strip()] = value.strip() if isinstance(read, float) else read
    return options


def plugins_and_dataset(
    words: Sequence[str], kind: str, plugins: Registry, command: str
) -> tuple[dict[str, dict[str, Any]], DatasetRef]:
    """Reads ``A B [C]... DATASET [ROOT] [KEY=VALUE]...``.

    Leading words that name plugins of the kind are those to compare, such as ``random`` or
    ``"fill-mask(top=3)"``; the first other word names the dataset. Returns short name → plugin as
    in an experiment; and the dataset.
    """
    from ..experiment.settings.axis_names import names_of

    known, datasets = plugins.names(kind), plugins.names("dataset")
    count = next((i for i, w in enumerate(words) if w.partition("(")[0] not in known), len(words))
    given, rest = [plugin_words(word) for word in words[:count]], words[count:]
    if rest and rest[0].partition("(")[0] not in datasets and not is_path(rest[0]):
        raise SettingsError(
            f"'{rest[0]}' is neither a {kind} nor a dataset.{did_you_mean(rest[0], known)} Write "
            f"`lanser-bench {command} A B {DATASET}`."
        )
    if count < 2 or not rest:
        raise SettingsError(
            f"`{command}` takes at least two plugins of kind {kind}, then a dataset: "
            f"`lanser-bench {command} A B {DATASET}`."
        )
    named = dict(zip(names_of(given, f"`{command}`"), given, strict=True))
    return named, dataset_ref(rest, plugins, " ".join([command, *words[:count]]))


def plugin_words(text: str) -> dict[str, Any]:
    """Reads ``NAME`` or ``NAME(KEY=VALUE,...)``, as tables write a plugin."""
    from ..evaluation.families import filters

    name, bracket, inner = text.partition("(")
    if not bracket:
        return {"name": name}
    if not inner.endswith(")"):
        raise SettingsError(f"'{text}' has no closing bracket. Write \"{name}(KEY=VALUE,...)\".")
    pairs = filters(inner[:-1]) if inner != ")" else []
    return {"name": name, **parsed_options(f"{key}={value}" for key, value in pairs)}


def dataset_ref(words: Sequence[str], plugins: Registry, command: str) -> DatasetRef:
    """Reads ``DATASET [ROOT] [KEY=VALUE]...`` as a dataset of an experiment.

    `command` precedes these words on the command line, for messages, such as ``data check``.
    """
    from ..experiment.settings.model import DatasetRef
    from ..validation import validated

    name, *rest = words
    _refuse_path(name, plugins.names("dataset"), command)
    root = {}
    if rest and ("=" not in rest[0] or is_path(rest[0])):
        root = {"root": rest.pop(0)}
    values = {"dataset": name, **parsed_options(rest), **root}
    return validated(DatasetRef, values, f"dataset '{name}'")


def quoted_dataset(text: str, plugins: Registry, option: str) -> DatasetRef:
    """Reads the same words from one quoted value of an option.

    ``NAME=FOLDER``, the spelling of the previous version, is still accepted, with a note.
    """
    name, equals, folder = text.partition("=")
    if equals and " " not in name:
        echo(f'Note: `{option} {text}` is deprecated; use `{option} "{name} {folder}"`.', err=True)
        return dataset_ref([name, folder], plugins, option)
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise SettingsError(f"{option} is '{text}', which cannot be split: {error}.") from None
    if not words:
        raise SettingsError(f'{option} is empty. Write {option} "DATASET [ROOT]".')
    return dataset_ref(words, plugins, option)


def is_path(text: str) -> bool:
    """Returns whether a file or folder of this name exists; texts that are no path do not."""
    try:
        return Path(text).exists()
    except (OSError, ValueError):
        return False


def _refuse_path(given: str, names: Sequence[str], command: str) -> None:
    """Raises a `SettingsError` that shows what to type if a path is given in place of a name."""
    if given not in names and is_path(given):
        raise SettingsError(
            f"'{given}' is a path, but the name of a dataset comes first: `lanser-bench {command} "
            f"{DATASET}`. `lanser-bench data check {shlex.quote(given)}` proposes both."
        )

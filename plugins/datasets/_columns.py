"""Columns of tables: what their names mean and how their cells are read."""

from __future__ import annotations

import difflib
import math
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import time, timedelta
from typing import Any

from pydantic import AfterValidator

from lanser_bench import DataError, LanserError, SettingsError

TEXTS = ("speaker", "dialogue_id", "sentence_id", "language", "split", "transcript")
"""Columns whose values are names or words."""
WORDS = ("transcript", "text")
"""Columns whose cells are sentences."""
ALIASES = {"path": "audio", "file": "audio", "emotion": "label"}
"""Other names of columns, which count like the first."""
WEAK_ALIASES = {
    **dict.fromkeys(("file_name", "filename", "file_path", "filepath", "wav"), "audio"),
    **dict.fromkeys(("audio_file", "audio_path", "wav_path", "audio_filepath"), "audio"),
    **dict.fromkeys(("speaker_id", "client_id"), "speaker"),
    **dict.fromkeys(("text", "transcription"), "transcript"),
    "emo": "label",
}
"""Names that mean a column only if the table has no better name for it."""
SPLITS = {"train": "train", "test": "test"} | dict.fromkeys(
    ("dev", "val", "valid", "validation"), "dev"
)
"""Name of a part → split."""
_LIKELY = {
    "id": ("key", "utt_id", "utterance_id", "segment_id"),
    "audio": ("clip", "recording", "datei", "aufnahme", "archivo", "grabación", "fichier"),
    "start": ("start_time", "start_s", "begin", "onset", "anfang", "beginn", "inicio", "début"),
    "end": ("end_time", "end_s", "stop", "offset", "ende", "schluss", "final"),
    "speaker": (
        *("spk", "spk_id", "subject", "actor", "author", "user", "participant", "person"),
        *("sprecher", "sprecherin", "stimme", "hablante", "locutor", "locuteur", "voz"),
    ),
    "transcript": ("sentence", "utterance", "words", "asr", "satz", "texto", "frase", "phrase"),
    "label": ("class", "category", "mood", "feeling", "target", "sentiment", "gefühl", "emoción"),
    "language": ("lang", "locale", "sprache", "idioma", "langue"),
    "split": ("subset", "partition", "fold"),
    "dialogue_id": ("dialogue", "dialog", "dialog_id", "conversation", "conversation_id"),
    "turn": ("turn_id", "utterance_number"),
}
_TELLING = {"audio", "speaker", "transcript", "label", "emotion"}
_NUMBER = re.compile(r"\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*")
_DECIMAL_COMMA = re.compile(r"\d+,\d+")
_THOUSANDS = re.compile(r"[1-9]\d{0,2},\d{3}")
_CLOCK = re.compile(r"(?:(\d+) days?,? )?(?:(\d+):)?(\d+):(\d{1,2}(?:[.,]\d+)?)")
_TURNS = range(-(2**31), 2**31)


def composed(name: str) -> str:
    """Returns a name in the composed form of Unicode."""
    return unicodedata.normalize("NFC", name)


def nfc(name: str) -> str:
    """Returns a name without outer blanks, in the composed form of Unicode."""
    return composed(name.strip())


def nfc_names(value: Any) -> Any:
    """Applies `nfc` to the names in an option: a mapping or a sequence."""
    if isinstance(value, Mapping):
        return {nfc(name): nfc_names(other) for name, other in value.items()}
    return nfc(value) if isinstance(value, str) else tuple(nfc_names(one) for one in value)


def columns_among(known: Iterable[str]) -> AfterValidator:
    """Returns a validator of an option `columns` (name here → name in the table)."""

    def check(columns: dict[str, str]) -> dict[str, str]:
        unknown = sorted(columns.keys() - set(known))
        if unknown:
            raise ValueError(f"'{unknown[0]}' is not one of {', '.join(sorted(known))}")
        return {ours: nfc(theirs) for ours, theirs in columns.items()}

    return AfterValidator(check)


def closest(name: str, known: Iterable[str]) -> str:
    """Returns " Did you mean 'x'?" for the closest of `known`, or nothing."""
    close = difflib.get_close_matches(name, sorted(known), n=1, cutoff=0.5)
    return f" Did you mean '{close[0]}'?" if close else ""


def present(
    columns: Mapping[str, str],
    available: Sequence[str],
    table: str,
    fault: type[LanserError] = SettingsError,
) -> dict[str, str]:
    """Returns name here → name in the table; case, blanks and Unicode form may differ.

    Raises `fault` if the table has no such column.
    """
    folded = {_folded(column): column for column in available}
    actual: dict[str, str] = {}
    for ours, theirs in columns.items():
        match = theirs if theirs in available else folded.get(_folded(theirs))
        if match is None:
            raise fault(
                f"{table} has no column '{theirs}', which the options name for '{ours}'."
                f"{closest(theirs, available)} It has {', '.join(available)}."
            )
        actual[ours] = match
    return actual


@dataclass(frozen=True)
class Naming:
    """What the names of a table's columns mean."""

    known: frozenset[str]
    """Names of columns here."""
    columns: Mapping[str, str]
    """Field → name in the table, as the user set them."""
    weak: Mapping[str, str] = field(default_factory=lambda: WEAK_ALIASES)
    """Name in a table → name here that it means if no other column does."""
    required: str = ""
    """A column here that every row must have, though its cell may be empty."""

    def meanings(self, table: str, available: Sequence[str]) -> dict[str, str]:
        """Returns column of the table → column here; columns without a meaning are missing.

        Columns named by `columns` come first, then known names and `ALIASES`, then `weak`. Case,
        blanks and hyphens make no difference.

        Raises:
            DataError: `columns` names a column that the table lacks, or two weak names mean the
                same.
        """
        named = present(self.columns, available, table, DataError)
        meant = {theirs: ours for ours, theirs in named.items()}
        if len(meant) < len(named):
            raise DataError(f"{table}: the option `columns` uses one column for two.")
        rest = [column for column in available if column not in meant]
        for column in rest:
            ours = _folded(column)
            ours = ours if ours in self.known else ALIASES.get(ours, "")
            if ours in self.known and ours not in self.columns:
                meant[column] = ours
        aliases = dict(self.weak)
        if "client_id" in available:
            aliases.setdefault("sentence", "transcript")  # a table of Common Voice
        weak: dict[str, list[str]] = {}
        for column in rest:
            ours = aliases.get(_folded(column), "")
            if column not in meant and ours in self.known and ours not in meant.values():
                weak.setdefault(ours, []).append(column)
        for ours, (first, *others) in weak.items():
            if others:
                raise DataError(
                    f"{table}: the columns '{first}' and '{others[0]}' may both be '{ours}'. "
                    f"Choose with `columns: {{{ours}: {first}}}`."
                )
            meant[first] = ours
        return meant

    def check_required(
        self, origin: str, cells: Mapping[str, Any], meant: Mapping[str, str]
    ) -> None:
        """Raises a `DataError` if a row lacks the required column."""
        ours = self.required
        if ours and not any(meant.get(column) == ours for column in cells):
            theirs = self.columns.get(ours, ours)
            raise DataError(
                f"{origin}: there is no column '{theirs}'; there are {', '.join(cells)}."
                f"{closest(theirs, cells)} Name the right one with `columns: {{{ours}: …}}`."
            )


def likely(extras: Iterable[str], known: Iterable[str], *, by_part: bool = False) -> dict[str, str]:
    """Returns column → the absent column of `known` that it, or a part of its name, may be."""
    same = {"text": "transcript"}
    names = {n: ours for ours in known for n in (ours, *_LIKELY.get(same.get(ours, ours), ()))}
    aliases = {**ALIASES, **WEAK_ALIASES}
    names |= {name: ours for name, ours in aliases.items() if ours in names}
    found: dict[str, str] = {}
    for column in extras:
        folded = _folded(column)
        parts = re.findall("[A-Z]?[a-z]+|[A-Z]+", column) if by_part else []
        close = difflib.get_close_matches(folded, names, n=1, cutoff=0.8)
        match = folded if folded in names else next(iter(close), "")
        # Short words are too similar to others: "gender" to "ende".
        if match == folded or min(len(match), len(folded)) > 4:
            found[column] = names[match]
        elif part := next((p.lower() for p in parts if p.lower() in _TELLING & names.keys()), ""):
            found[column] = names[part]
    return found


def _folded(name: str) -> str:
    return re.sub(r"[\s\-]+", "_", nfc(name).casefold())


def _increasing(scales: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    for name, (low, high) in scales.items():
        if not low < high:
            raise ValueError(f"the scale of '{name}' must be [lowest, highest], such as [1, 5]")
    return {nfc(name): ends for name, ends in scales.items()}


Scales = Mapping[str, tuple[float, float]]
"""Column with ratings of a dimension → ends of its scale."""


def ordered() -> AfterValidator:
    """Returns a validator of an option with `Scales`."""
    return AfterValidator(_increasing)


def check_rated(table: str, rows: Sequence[Mapping[str, Any]], scales: Scales) -> None:
    """Raises a `DataError` if a dimension has no ratings, or one that is no number on its scale."""
    for name, (low, high) in scales.items():
        found = [row[name] for row in rows if name in row]
        if not found:
            columns = list(dict.fromkeys(column for row in rows for column in row))
            raise DataError(
                f"{table} has no ratings in a column '{name}', which the option `dimensions` names."
                f"{closest(name, columns)}"
            )
        for value in found:
            if not isinstance(value, (int, float)) or not low <= value <= high:
                raise DataError(
                    f"{table}: {name} is {value!r}; the option `dimensions` says that it is a "
                    f"number from {low:g} to {high:g}."
                )


def empty(value: Any) -> bool:
    """Whether a cell means nothing: None, "", NaN or NaT."""
    return value is None or (isinstance(value, str) and not value.strip()) or value != value


def as_text(value: Any, origin: str = "", column: str = "") -> str | None:
    """Reads a cell as text; empty cells, NaN and missing values are None; 7.0 becomes 7.

    Raises `DataError` for a list, an object or bytes that are not UTF-8.
    """
    if empty(value):
        return None
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            raise DataError(f"{origin}: {column} has bytes that are not UTF-8 text.") from None
    if isinstance(value, (list, tuple, Mapping)):
        raise DataError(f"{origin}: {column} has a list or an object; it must be text.")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    words = str(value).strip() if column in WORDS else nfc(str(value))
    return words or None


def text_columns(cells: Mapping[str, Any], origin: str, **defaults: str | None) -> dict[str, Any]:
    """Reads `TEXTS` and turn of a row, with its origin; `defaults` replace empty cells."""
    texts = {c: as_text(cells.get(c), origin, c) or defaults.get(c) for c in TEXTS}
    return {**texts, "turn": _as_turn(cells.get("turn"), origin), "origin": origin}


def _as_turn(value: Any, origin: str) -> int | None:
    """Reads a cell as a whole number of 32 bits; raises `DataError` for anything else."""
    if empty(value):
        return None
    number = _number(value)
    if not (math.isfinite(number) and number.is_integer() and int(number) in _TURNS):
        raise DataError(f"{origin}: turn is '{value}'; it must be a whole number.")
    return int(number)


def as_seconds(value: Any, origin: str, column: str) -> float | None:
    """Reads a cell as seconds: a number, a duration or a time such as ``0:01:02.5``.

    Raises `DataError` for anything else, such as a date, and for the ambiguous 1,250.
    """
    if empty(value):
        return None
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, time):
        value = value.isoformat()
    number = _number(value)
    if isinstance(value, str):
        clock = _CLOCK.fullmatch(value.strip())
        if clock:
            number = _clock_seconds(*clock.groups())
        elif _DECIMAL_COMMA.fullmatch(value.strip()) and not _THOUSANDS.fullmatch(value.strip()):
            number = float(value.replace(",", "."))
    if not math.isfinite(number):
        raise DataError(
            f"{origin}: {column} is '{value}'; it must be a number of seconds such as 62.5, or a "
            "time such as 0:01:02.5."
        )
    return number


def _clock_seconds(days: str | None, hours: str | None, minutes: str, seconds: str) -> float:
    """Returns NaN if minutes or seconds are 60 or more."""
    second = float(seconds.replace(",", "."))
    if second >= 60 or (hours is not None and int(minutes) >= 60) or (days and hours is None):
        return math.nan
    return (int(days or 0) * 24 + int(hours or 0)) * 3600 + int(minutes) * 60 + second


def _number(value: Any) -> float:
    """Returns NaN for a cell that is not a number."""
    if isinstance(value, bool) or (isinstance(value, str) and not _NUMBER.fullmatch(value)):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan

"""The weak labels of a page, named by what distinguishes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...evaluation.summaries import LabelSummary
from ...records.names import Value, short_values
from ...records.record import ResultRecord
from .data import RecordFile

COLOURS = 8
"""Colours of labels in the page's style."""
NONE = "–"
LISTED = 12
"""Most labels of a taxonomy that are listed with their numbers."""


@dataclass(frozen=True)
class LabelSet:
    """The weak labels of one corpus."""

    path: Path
    record: ResultRecord
    corpus: str
    """Key of the record's `labels`."""
    labeler: str
    on: str
    """The corpus, and the recogniser and rules if these vary among the label sets."""

    @property
    def summary(self) -> LabelSummary:
        """What the record says of them."""
        return self.record.labels[self.corpus]

    @property
    def name(self) -> str:
        """Its labeler, taxonomy and corpus."""
        return f"{self.labeler}, {self.summary.taxonomy}, {self.on}"

    @property
    def parts(self) -> list[tuple[str, int, int]]:
        """Label, how often it was given, and its colour, which is the same on every corpus."""
        return [(name, n, i % COLOURS) for i, (name, n) in enumerate(self.summary.labels.items())]

    @property
    def listed(self) -> list[tuple[str, int, int]]:
        """Those that are listed: all, or the most frequent."""
        parts = self.parts
        return parts if len(parts) <= LISTED else sorted(parts, key=lambda p: -p[1])[:LISTED]


def label_sets(files: Sequence[RecordFile]) -> list[LabelSet]:
    """Returns the distinct weak labels of all corpora, sorted by labeler, taxonomy and corpus."""
    found: dict[str, tuple[Path, ResultRecord, str]] = {}
    for path, record in files:
        for corpus in record.labels:
            use = record.stages.get(f"label {corpus.partition(' ')[0]}")
            key = use.key if use else f"{corpus} {id(record)}"
            if key not in found or (record.weak_labels and record.role == "main"):
                found[key] = path, record, corpus
    if not found:
        return []
    made = [_made_by(record, corpus) for _, record, corpus in found.values()]
    labelers, corpora, *others = (_short(values) for values in zip(*made, strict=True))
    varying = [texts for texts in others if len({*texts} - {NONE}) > 1]
    named = zip(found.values(), labelers, zip(corpora, *varying, strict=True), strict=True)
    sets = [
        LabelSet(*of, labeler, ", ".join(text for text in on if text not in ("", NONE)))
        for of, labeler, on in named
    ]
    return sorted(sets, key=lambda one: (one.labeler, one.summary.taxonomy, one.on))


def _made_by(record: ResultRecord, corpus: str) -> tuple[Value, ...]:
    """Returns labeler, corpus, recogniser and rules of some weak labels, with their settings."""
    settings, (place, _, name) = record.settings, corpus.partition(" ")
    number = place.rpartition(".")[2]
    own = settings.get("corpora", [])[int(number[:9]) if number.isdecimal() else 0 :]
    return (
        _plugin(record.labeler or NONE, settings.get("labeler")),
        _plugin(name or corpus, own[0] if own else None),
        _plugin(record.asr or NONE, settings.get("asr")),
        Value("", settings.get("label", {})),
    )


def _plugin(name: str, setting: Any) -> Value:
    """Returns a plugin with its options, unless the settings have another one."""
    given = setting.get("name", setting.get("dataset")) if isinstance(setting, dict) else None
    return Value(name, setting if given == name else None)


def _short(values: Sequence[Value]) -> list[str]:
    texts = short_values({value.identity: value for value in values})
    short = ((value.recorded, texts[value.identity]) for value in values)
    return [text if name else text.removeprefix("custom").strip("()") for name, text in short]

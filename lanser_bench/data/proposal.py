"""Proposes how to read undescribed data, and what it can be used for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import DataError
from ..kinds.dataset import Dataset, Proposal
from ..plugins.discovery import Registry
from .label_words import emotion_words, likely_taxonomy
from .listing import listed_utterances
from .survey import Survey

FEW_SPEAKERS = 5
"""Below this number of speakers no interval is reliable."""
LONG_S = 60
"""Mean seconds of a recording from which a segmenter should cut it."""


@dataclass(frozen=True)
class Proposed:
    """A dataset plugin and the options with which it reads the data."""

    dataset: str
    root: Path | None
    options: dict[str, Any]
    findings: list[str] = field(default_factory=list)
    """What was guessed, one sentence each."""


def propose(registry: Registry, path: Path, given: Mapping[str, Any]) -> Proposed:
    """Asks every dataset plugin how it would read a folder or file, and takes the surest answer.

    Labels are matched to the taxonomy that fits best; labels without a match are left out, unless
    most utterances have them. Options `given` by the user replace guesses.

    Raises:
        DataError: no plugin can read it.
    """
    words = emotion_words(registry)
    answers: list[tuple[str, Proposal]] = []
    faults: list[str] = []
    for name in registry.names("dataset"):
        kind: Any = registry.plugin_class("dataset", name)
        try:
            answer = kind.propose(path, words)
        except DataError as error:
            faults.append(str(error))
        else:
            answers += [(name, answer)] if answer else []
    if not answers:
        raise DataError(
            f"{path} contains neither recordings nor a table of them. {' '.join(faults)}".strip()
        )
    name, best = max(answers, key=lambda pair: pair[1].certainty)
    options, findings = {**best.options, **given}, [*best.findings, *faults]
    if "title" in registry.plugin_class("dataset", name).Options.model_fields:
        options.setdefault("title", path.resolve().stem)
    proposed = Proposed(name, best.root, options, findings)
    labels = _labels(registry, proposed, path)
    taxonomy, matched = likely_taxonomy(registry, labels, options.get("taxonomy"))
    if "labels" not in given and sum(labels[label] for label in matched) * 2 > labels.total():
        other = [label for label in labels if label not in matched]
        renamed = {label: ours for label, ours in matched.items() if label != ours}
        options |= {"taxonomy": taxonomy.name}
        options |= {"labels": renamed} if renamed else {}
        options |= {"leave_out": other} if other else {}
        counts = (
            f"{label} → {matched.get(label, 'left out')} ({n})" for label, n in labels.items()
        )
        findings.append(f"labels by {taxonomy.name}: {', '.join(counts)}")
    return proposed


def _labels(registry: Registry, proposed: Proposed, path: Path) -> Counter[str]:
    """Counts the labels as the data names them."""
    name = proposed.dataset
    plugin: Dataset[Any] = registry.create("dataset", name, proposed.options)
    if "labels" not in type(plugin.options).model_fields:
        return Counter()
    options = {"taxonomy": registry.names("taxonomy")[0], **proposed.options}
    plugin = registry.create("dataset", name, options)
    listed = listed_utterances(name, plugin, proposed.root or path)
    return Counter(label for u in listed for label in sorted(u.gold))


def corpus_verdict(survey: Survey) -> tuple[bool, str]:
    """Returns whether a dataset can be pre-trained on, and why."""
    counts = survey.counts
    if survey.faults:
        return False, "no, see the errors"
    if not counts["recordings"]:
        return False, "no, it has no recordings; `lanser-bench label table` labels texts"
    texts = "its transcripts are used"
    if counts["transcripts"] < counts["utterances"]:
        texts = "a recogniser must transcribe it"
    elif not has_varied_texts(survey):
        texts = "but its few sentences are the same for all labels, so weak labels say nothing"
    return True, f"yes, {counts['seconds'] / 60:.1f} minutes; {texts}"


def has_varied_texts(survey: Survey) -> bool:
    """Whether all utterances have transcripts, and most a different one."""
    texts = {row["transcript"] for row in survey.rows}
    return None not in texts and len(texts) > len(survey.rows) / 2


def target_verdict(survey: Survey) -> tuple[bool, str]:
    """Returns whether a dataset can be evaluated on, and what it lacks."""
    counts = survey.counts
    if survey.faults:
        return False, "no, see the errors"
    lacks = ["recordings"] * (not counts["recordings"])
    if len(counts["labels"]) < 2:
        lacks.append(f"human labels (has {len(counts['labels'])})")
    if without := counts["without_speaker"]:
        lacks.append(f"speakers ({without} of {counts['utterances']} utterances have none)")
    elif counts["speakers"] < 2:
        lacks.append("a second speaker")
    if lacks:
        return (
            False,
            f"no, it lacks {' and '.join(lacks)}; options `columns` and `pattern` name them",
        )
    few = counts["speakers"] < FEW_SPEAKERS
    warning = f"; without intervals, which need {FEW_SPEAKERS} speakers" if few else ""
    return True, f"yes, {len(counts['labels'])} labels, {counts['speakers']} speakers{warning}"


def is_long(survey: Survey) -> bool:
    """Whether recordings should be cut into utterances."""
    return bool(survey.counts["seconds"] > LONG_S * survey.counts["utterances"])

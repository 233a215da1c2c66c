"""Proposes how to read undescribed data, and what it can be used for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import DataError, LanserError, plugin_boundary
from ..kinds.dataset import Dataset, Proposal
from ..paths import refuse_stream
from ..plugins.discovery import Registry
from .label_words import emotion_words, likely_taxonomy
from .listing import listed_utterances, packed
from .survey import Survey

FEW_SPEAKERS = 5
"""Below this number of speakers no interval is reliable."""
LONG_S = 60
"""Mean seconds of a recording from which a segmenter should cut it."""


def propose(registry: Registry, path: Path, given: Mapping[str, Any]) -> Proposal:
    """Asks every dataset plugin how it would read a folder or file, and takes the surest answer.

    Labels are matched to the taxonomy that fits best; labels without a match are left out, unless
    most utterances have them. Options `given` by the user replace guesses.

    Raises:
        DataError: no plugin can read it.
    """
    refuse_stream(path)
    words = emotion_words(registry)
    answers: list[Proposal] = []
    faults: dict[str, None] = {}
    for name in registry.names("dataset"):
        kind: Any = registry.plugin_class("dataset", name)
        try:
            with plugin_boundary(f"dataset '{name}' cannot look at {path}"):
                answer = kind.propose(path, words)
            answers += [replace(answer, dataset=name)] if answer else []
        except LanserError as error:
            # Corpora say what they lack; only a fault of a general reader helps.
            faults |= {f"not read: {error}": None} if "propose" in vars(kind) else {}
    if not answers:
        reasons = " ".join(faults) + packed(path)
        raise DataError(
            f"{path} contains neither recordings nor a table of them. {reasons}".strip()
        )
    best = max(answers, key=lambda answer: answer.certainty)
    options = {**best.options, **given}
    if "title" in registry.plugin_class("dataset", best.dataset).Options.model_fields:
        options.setdefault("title", path.resolve().stem)
    best = replace(best, options=options, findings=(*best.findings, *faults))
    return _with_labels(registry, best, path) if "labels" not in given else best


def _with_labels(registry: Registry, proposal: Proposal, path: Path) -> Proposal:
    """Adds the options of labels: taxonomy, labels and leave_out."""
    name, options = proposal.dataset, proposal.options
    if "labels" not in registry.plugin_class("dataset", name).Options.model_fields:
        return proposal
    read = {"taxonomy": registry.names("taxonomy")[0], **options}
    plugin: Dataset[Any] = registry.create("dataset", name, read)
    listed = listed_utterances(name, plugin, proposal.root or path)
    labels = Counter(label for u in listed for label in sorted(u.gold))
    taxonomy, matched = likely_taxonomy(registry, labels, options.get("taxonomy"))
    if sum(labels[label] for label in matched) * 2 <= labels.total():
        pairs = ", ".join(f"{label}: …" for label in labels)
        found = f"labels fit no taxonomy: add `taxonomy=NAME 'labels={{{pairs}}}'` after the path"
        return replace(proposal, findings=(*proposal.findings, *[found] * bool(labels)))
    renamed = {label: ours for label, ours in matched.items() if label != ours}
    other = [label for label in labels if label not in matched]
    new: dict[str, Any] = {"taxonomy": taxonomy.name}
    new |= {"labels": renamed} if renamed else {}
    new |= {"leave_out": other} if other else {}
    arrows = {label: f" → {ours}" for label, ours in renamed.items()}
    arrows |= dict.fromkeys(other, ", left out")
    counts = (f"{label}{arrows.get(label, '')} ({n})" for label, n in labels.items())
    found = f"labels of {taxonomy.name}: {'; '.join(counts)}"
    return replace(proposal, options={**options, **new}, findings=(*proposal.findings, found))


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
        texts = "but its sentences repeat, so weak labels say little about the voice"
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

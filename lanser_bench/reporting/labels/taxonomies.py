"""Compares two taxonomies: their files, and a labeler's labels in both.

The structure comes from the files: shared labels, maps, and the losses of the maps. The behaviour
is measured: one labeler labels the same texts in both, and the joint counts show how much one label
predicts the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ...errors import TaxonomyError
from ...evaluation.agreement import Units, cohen_kappa, proportion, share
from ...evaluation.arrays import Floats, Ints
from ...evaluation.metrics import confusion_matrix
from ...evaluation.zeroshot import choices
from ...experiment.text_labels import decided_texts
from ...kinds.labeler import Labeler, TextRecord
from ...stages.label.decision import Decision
from ...stages.label.files import LabelTable
from ...stages.label.summary import entropy_bits, label_use
from ...taxonomy import Taxonomy

Counts = Ints
Labelled = Decision | LabelTable
"""Labels of n utterances by K labels, made now or out of the store."""


@dataclass(frozen=True)
class Comparison:
    """Result of a comparison."""

    report: dict[str, Any]
    """All results as JSON values."""
    joint: Counts | None
    """Texts by their label in both, shape (K of a, K of b); None without texts."""


def compare(
    a: Taxonomy,
    b: Taxonomy,
    texts: Sequence[str] = (),
    labeler: Labeler[Any] | None = None,
    name: str = "",
) -> Comparison:
    """Compares the files of two taxonomies, and with texts and a labeler also its labels.

    The labeler of this `name` labels the texts with the label stage's default settings.

    Raises:
        SettingsError: the labeler reads human labels, which bare texts do not have.
    """
    if not texts or labeler is None:
        return Comparison({"structure": structure(a, b)}, None)
    records = [TextRecord(id=str(i), text=text.strip()) for i, text in enumerate(texts)]
    known: dict[int, dict[str, Any]] = {}
    first, cut = decided_texts(labeler, name, records, a, known)
    second, also_cut = decided_texts(labeler, name, records, b, known)
    about = {"name": name, **labeler.describe()}
    comparison = compare_labels(a, b, first, second, about)
    comparison.report["behaviour"]["truncated"] = int((cut | also_cut).sum())
    return comparison


def compare_labels(
    a: Taxonomy,
    b: Taxonomy,
    first: Labelled,
    second: Labelled,
    labeler: dict[str, Any],
    speakers: Sequence[str | None] | None = None,
) -> Comparison:
    """Compares two taxonomies by existing labels of the same utterances in the same order.

    `labeler` describes it in the report. If all speakers are known, the agreement also has an
    interval over speakers, since a speaker's utterances are not independent.
    """
    joint = joint_counts(first, second, len(a.labels), len(b.labels))
    units = Units.of(speakers or ())
    report = {
        "structure": structure(a, b),
        "labeler": labeler,
        "behaviour": {
            "texts": len(first.index),
            "labelled_by_both": int(joint.sum()),
            "a": _one_side(a, first),
            "b": _one_side(b, second),
            "joint_counts": joint.tolist(),
            **information(joint),
            "agreement_a_in_b": _agreement(a, b, first, second, units),
            "agreement_b_in_a": _agreement(b, a, second, first, units),
        },
    }
    return Comparison(report, joint)


def structure(a: Taxonomy, b: Taxonomy) -> dict[str, Any]:
    """Contents of the two files: labels by name, and the maps in both directions."""
    there, back = _map(a, b), _map(b, a)
    return {
        "a": {"name": a.name, "labels": a.names, "neutral": a.neutral, "hash": a.hash},
        "b": {"name": b.name, "labels": b.names, "neutral": b.neutral, "hash": b.hash},
        "shared_labels": [name for name in a.names if name in b.names],
        "only_in_a": [name for name in a.names if name not in b.names],
        "only_in_b": [name for name in b.names if name not in a.names],
        "a_to_b": _losses(a, b, there),
        "b_to_a": _losses(b, a, back),
        "round_trip_a": _round_trip(a, there, back),
        "round_trip_b": _round_trip(b, back, there),
    }


def _map(source: Taxonomy, target: Taxonomy) -> Floats | str:
    """The map as a matrix, or a sentence on why it is missing."""
    try:
        return source.map_to(target)
    except TaxonomyError as error:
        return str(error)


def _losses(source: Taxonomy, target: Taxonomy, matrix: Floats | str) -> dict[str, Any]:
    """Losses of a map: labels without a counterpart, merged, or not reached."""
    if isinstance(matrix, str):
        return {"written": False, "reason": matrix}
    sources = {
        name: [source.names[row] for row in np.flatnonzero(matrix[:, column])]
        for column, name in enumerate(target.names)
    }
    mass = matrix.sum(axis=1)
    return {
        "written": True,
        "unmapped": [n for n, share in zip(source.names, mass, strict=True) if share == 0],
        "partly_unmapped": {
            n: round(1 - float(share), 6)
            for n, share in zip(source.names, mass, strict=True)
            if 0 < share < 1 - 1e-9
        },
        "merged": {name: members for name, members in sources.items() if len(members) > 1},
        "unreachable": [name for name, members in sources.items() if not members],
    }


def _round_trip(
    taxonomy: Taxonomy, there: Floats | str, back: Floats | str
) -> dict[str, float] | None:
    """Share of each label that comes back to itself through the other taxonomy."""
    if isinstance(there, str) or isinstance(back, str):
        return None
    shares = np.diag(there @ back)
    return {n: round(float(s), 6) for n, s in zip(taxonomy.names, shares, strict=True)}


def joint_counts(first: Labelled, second: Labelled, rows: int, columns: int) -> Counts:
    """Texts by their label in both taxonomies; a text without a label in either is left out."""
    both = (first.index >= 0) & (second.index >= 0)
    joint = np.zeros((rows, columns), dtype=np.int64)
    np.add.at(joint, (first.index[both], second.index[both]), 1)
    return joint


def _one_side(taxonomy: Taxonomy, decision: Labelled) -> dict[str, Any]:
    use = label_use(decision.index, decision.confidence, taxonomy).model_dump(mode="json")
    return {"coverage": _proportion(use["labelled"], len(decision.index)), **use}


def information(joint: Counts) -> dict[str, float | None]:
    """How much one taxonomy's label says about the other's, in bits; all None without texts.

    ``mutual_information_bias_bits`` is the expected value for independent labels on so few texts,
    to first order (Miller 1955): (rows − 1)(columns − 1) / (2 n ln 2) over the labels that fired.
    ``normalised_mutual_information`` divides by the mean of both entropies.
    """
    n = int(joint.sum())
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    of_a, of_b = entropy_bits(rows), entropy_bits(columns)
    shared = max(0.0, of_a + of_b - entropy_bits(joint.ravel()))
    free = (np.count_nonzero(rows) - 1) * (np.count_nonzero(columns) - 1)
    bits = {
        "mutual_information_bits": shared,
        "mutual_information_bias_bits": float(free / (2 * max(n, 1) * np.log(2))),
        "share_of_a_s_entropy": shared / of_a if of_a else None,
        "share_of_b_s_entropy": shared / of_b if of_b else None,
        "normalised_mutual_information": 2 * shared / (of_a + of_b) if of_a + of_b else None,
    }
    return bits if n else dict.fromkeys(bits)


def _agreement(
    source: Taxonomy, target: Taxonomy, ours: Labelled, theirs: Labelled, units: Units
) -> dict[str, Any]:
    """How often labels mapped from the source equal the target's own labels.

    ``by_scores`` maps all scores, which add up: several weak labels of one meaning may outweigh the
    best one. ``by_choice`` maps the chosen label alone.
    """
    matrix = _map(source, target)
    if isinstance(matrix, str):
        return {"compared": False, "reason": matrix}
    chosen = np.eye(len(source.labels))[ours.index]
    mapped = [choices(scores, matrix, ours.index < 0) for scores in (ours.scores, chosen)]
    by_scores, by_choice = (_agreed(labels, ours, theirs) for labels in mapped)
    both = (mapped[1] >= 0) & (theirs.index >= 0)
    if units.speakers is not None and both.any():
        equal = mapped[1][both] == theirs.index[both]
        by_choice["over_speakers"] = asdict(share(equal, units.part(both)))
    return {"compared": True, "by_scores": by_scores, "by_choice": by_choice}


def _agreed(mapped: Ints, ours: Labelled, theirs: Labelled) -> dict[str, Any]:
    """Compares mapped labels with the target's, for texts with a label in both taxonomies."""
    labelled = (ours.index >= 0) & (theirs.index >= 0)
    both, k = labelled & (mapped >= 0), theirs.scores.shape[1]
    square = confusion_matrix(theirs.index[both], mapped[both], k)
    return {
        "texts": int(both.sum()),
        "without_counterpart": int((labelled & (mapped < 0)).sum()),
        "agreement": _proportion(int(np.trace(square)), int(both.sum())),
        "kappa": cohen_kappa(square),
    }


def _proportion(hits: int, n: int) -> dict[str, float | None]:
    """A share with its interval, which treats texts as independent."""
    made = proportion(hits, n)
    low, high = (made.interval.low, made.interval.high) if made.interval else (None, None)
    return {"value": made.value if n else None, "low": low, "high": high}

"""Two taxonomies side by side: what their files share, and what a labeler makes of both.

Structure is read off the files: shared labels, maps, and what the maps lose. Behaviour is measured:
one labeler labels the same texts by both, and the joint counts say how much the one choice tells
about the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ...errors import SettingsError, TaxonomyError
from ...evaluation.agreement import Units, cohen_kappa, proportion, share
from ...evaluation.zeroshot import choices
from ...kinds.labeler import Labeler, TextRecord
from ...stages.label.decision import Decision, checked_scores, decide
from ...stages.label.records import blanked, checked_reads
from ...stages.label.spec import Params
from ...stages.label.summary import entropy_bits, label_use
from ...taxonomy import Taxonomy

Counts = npt.NDArray[np.int64]
Progress = Callable[[int, int], None]
BATCH = 256
"""Texts that a labeler is given at a time."""


class Labelled(Protocol):
    """Labels of n utterances by K labels: a `Decision`, or a `LabelTable` out of the store."""

    @property
    def index(self) -> npt.NDArray[np.int32]:
        """Shape (n,): position of the label; −1 where there is none."""

    @property
    def scores(self) -> npt.NDArray[Any]:
        """Shape (n, K)."""

    @property
    def confidence(self) -> npt.NDArray[np.float32]:
        """Shape (n,): the best label's score."""


@dataclass(frozen=True)
class Comparison:
    """What `compare` finds."""

    report: dict[str, Any]
    """Everything as JSON values."""
    joint: Counts | None
    """Texts by their label in both, shape (K of a, K of b); None without texts."""


def compare(
    a: Taxonomy,
    b: Taxonomy,
    texts: Sequence[str] = (),
    labeler: Labeler[Any] | None = None,
    name: str = "",
    progress: Progress | None = None,
) -> Comparison:
    """Compares two taxonomies, with texts and a labeler also in what they do.

    Args:
        a: one taxonomy.
        b: the other.
        texts: texts to label by both; without them only the structure is compared.
        labeler: labels them, with the label stage's default settings.
        name: its name.
        progress: called with the number of texts scored so far, and of all.

    Raises:
        SettingsError: the labeler reads human labels, which bare texts do not have.
    """
    report: dict[str, Any] = {"structure": structure(a, b)}
    if not texts or labeler is None:
        return Comparison(report, None)
    report["labeler"] = {"name": name, **labeler.describe()}
    total = 2 * len(texts)
    first, cut = label_all(labeler, name, texts, a, progress and (lambda n: progress(n, total)))
    second, also_cut = label_all(
        labeler, name, texts, b, progress and (lambda n: progress(len(texts) + n, total))
    )
    joint = joint_counts(first, second, len(a.labels), len(b.labels))
    report["behaviour"] = behaviour(a, b, first, second, joint)
    report["behaviour"]["truncated"] = int((cut | also_cut).sum())
    return Comparison(report, joint)


def compare_labels(
    a: Taxonomy,
    b: Taxonomy,
    first: Labelled,
    second: Labelled,
    labeler: dict[str, Any],
    speakers: Sequence[str | None] | None = None,
) -> Comparison:
    """Compares two taxonomies by labels of the same utterances that are there already.

    Args:
        a: one taxonomy.
        b: the other.
        first: labels by `a`, such as what `read_labels` gives.
        second: labels by `b` of the same utterances in the same order.
        labeler: what made them, for the report.
        speakers: of the utterances; where all are known, the agreement gets an interval over them
            too, since a speaker's utterances are no independent draws.
    """
    joint = joint_counts(first, second, len(a.labels), len(b.labels))
    found = behaviour(a, b, first, second, joint)
    for key, source, target, ours, theirs in (
        ("agreement_a_in_b", a, b, first, second),
        ("agreement_b_in_a", b, a, second, first),
    ):
        over = _over_speakers(source, target, ours, theirs, speakers or ())
        if over is not None:
            found[key]["by_choice"]["over_speakers"] = over
    return Comparison({"structure": structure(a, b), "labeler": labeler, "behaviour": found}, joint)


def _over_speakers(
    source: Taxonomy,
    target: Taxonomy,
    ours: Labelled,
    theirs: Labelled,
    speakers: Sequence[str | None],
) -> dict[str, Any] | None:
    matrix = _map(source, target)
    units = Units.of(speakers)
    if isinstance(matrix, str) or units.speakers is None:
        return None
    mapped = choices(np.eye(len(source.labels))[ours.index], matrix, ours.index < 0)
    both = (theirs.index >= 0) & (mapped >= 0)
    if not both.any():
        return None
    found = share(mapped[both] == theirs.index[both], units.part(both))
    return found.model_dump(mode="json")


def structure(a: Taxonomy, b: Taxonomy) -> dict[str, Any]:
    """What the two files say: labels by name, and the maps both ways."""
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


def _map(source: Taxonomy, target: Taxonomy) -> npt.NDArray[np.float64] | str:
    """The map as a matrix, or the sentence that says why there is none."""
    try:
        return source.map_to(target)
    except TaxonomyError as error:
        return str(error)


def _losses(
    source: Taxonomy, target: Taxonomy, matrix: npt.NDArray[np.float64] | str
) -> dict[str, Any]:
    """What a map loses: labels without a counterpart, merged, or not reached."""
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
    taxonomy: Taxonomy,
    there: npt.NDArray[np.float64] | str,
    back: npt.NDArray[np.float64] | str,
) -> dict[str, float] | None:
    """Share of each label that comes back to itself through the other taxonomy."""
    if isinstance(there, str) or isinstance(back, str):
        return None
    shares = np.diag(there @ back)
    return {n: round(float(s), 6) for n, s in zip(taxonomy.names, shares, strict=True)}


def label_all(
    labeler: Labeler[Any],
    name: str,
    texts: Sequence[str],
    taxonomy: Taxonomy,
    progress: Callable[[int], None] | None = None,
) -> tuple[Decision, npt.NDArray[np.bool_]]:
    """Labels texts as the label stage does with its default settings.

    Returns:
        The labels, and which texts the labeler read in part only, shape (n,).

    Raises:
        SettingsError: the labeler reads human labels.
        PluginError: it breaks its contract.
    """
    reads = checked_reads(labeler, name)
    if "gold" in reads:
        raise SettingsError(
            f"labeler '{name}' reads human labels, and bare texts have none. Choose another."
        )
    records = [TextRecord(id=f"{i}", text=text.strip()) for i, text in enumerate(texts)]
    values, abstained, kind = [], [], "distribution"
    truncated = np.zeros(len(records), dtype=bool)
    for start in range(0, len(records), BATCH):
        part = [blanked(record, reads, record.id) for record in records[start : start + BATCH]]
        scores = checked_scores(labeler, name, part, taxonomy)
        values.append(scores.values)
        abstained.append(scores.abstained)
        if scores.truncated is not None:
            truncated[start : start + len(part)] = scores.truncated
        kind = scores.kind
        if progress is not None:
            progress(start + len(part))
    decision = decide(
        np.concatenate(values),
        "independent" if kind == "independent" else "distribution",
        np.concatenate(abstained),
        taxonomy,
        Params(),
        empty=np.array([not record.text for record in records]) if "text" in reads else None,
    )
    return decision, truncated


def joint_counts(first: Labelled, second: Labelled, rows: int, columns: int) -> Counts:
    """Texts by their label in both taxonomies; those without a label in either are left out."""
    both = (first.index >= 0) & (second.index >= 0)
    joint = np.zeros((rows, columns), dtype=np.int64)
    np.add.at(joint, (first.index[both], second.index[both]), 1)
    return joint


def behaviour(
    a: Taxonomy, b: Taxonomy, first: Labelled, second: Labelled, joint: Counts
) -> dict[str, Any]:
    """What a labeler did with both taxonomies on the same texts."""
    return {
        "texts": len(first.index),
        "labelled_by_both": int(joint.sum()),
        "a": _one_side(a, first),
        "b": _one_side(b, second),
        "joint_counts": joint.tolist(),
        **information(joint),
        "agreement_a_in_b": _agreement(a, b, first, second),
        "agreement_b_in_a": _agreement(b, a, second, first),
    }


def _one_side(taxonomy: Taxonomy, decision: Labelled) -> dict[str, Any]:
    use = label_use(decision.index, decision.confidence, taxonomy).model_dump(mode="json")
    return {"coverage": _proportion(use["labelled"], len(decision.index)), **use}


def information(joint: Counts) -> dict[str, float | None]:
    """How much one taxonomy's label tells about the other's, in bits.

    ``mutual_information_bias_bits`` is what independent labels would show on so few texts, to first
    order (Miller 1955): (rows − 1)(columns − 1) / (2 n ln 2) over the labels that fired.
    ``normalised_mutual_information`` divides by the mean of both entropies.
    """
    n = int(joint.sum())
    if n == 0:
        return dict.fromkeys(
            (
                "mutual_information_bits",
                "mutual_information_bias_bits",
                "share_of_a_s_entropy",
                "share_of_b_s_entropy",
                "normalised_mutual_information",
            )
        )
    rows, columns = joint.sum(axis=1), joint.sum(axis=0)
    of_a, of_b = entropy_bits(rows), entropy_bits(columns)
    shared = max(0.0, of_a + of_b - entropy_bits(joint.ravel()))
    free = (np.count_nonzero(rows) - 1) * (np.count_nonzero(columns) - 1)
    return {
        "mutual_information_bits": shared,
        "mutual_information_bias_bits": float(free / (2 * n * np.log(2))),
        "share_of_a_s_entropy": shared / of_a if of_a else None,
        "share_of_b_s_entropy": shared / of_b if of_b else None,
        "normalised_mutual_information": 2 * shared / (of_a + of_b) if of_a + of_b else None,
    }


def _agreement(
    source: Taxonomy, target: Taxonomy, from_source: Labelled, from_target: Labelled
) -> dict[str, Any]:
    """How often what the source's scores become in the target is what the target's own choose.

    ``by_scores`` maps all scores, which add up: many weak labels that mean one thing may outweigh
    the best one. ``by_choice`` maps the chosen label alone.
    """
    matrix = _map(source, target)
    if isinstance(matrix, str):
        return {"compared": False, "reason": matrix}
    chosen = np.eye(len(source.labels))[from_source.index]
    mapped = (choices(x, matrix, from_source.index < 0) for x in (from_source.scores, chosen))
    by_scores, by_choice = (_agreed(there, from_source, from_target) for there in mapped)
    return {"compared": True, "by_scores": by_scores, "by_choice": by_choice}


def _agreed(
    mapped: npt.NDArray[np.int64], from_source: Labelled, from_target: Labelled
) -> dict[str, Any]:
    """Compares mapped labels with the target's, where both taxonomies gave one."""
    labelled = (from_source.index >= 0) & (from_target.index >= 0)
    both = labelled & (mapped >= 0)
    k = from_target.scores.shape[1]
    square = np.zeros((k, k), dtype=np.int64)
    np.add.at(square, (mapped[both], from_target.index[both]), 1)
    return {
        "texts": int(both.sum()),
        "without_counterpart": int((labelled & (mapped < 0)).sum()),
        "agreement": _proportion(int(np.trace(square)), int(both.sum())),
        "kappa": cohen_kappa(square),
    }


def _proportion(hits: int, n: int) -> dict[str, float | None]:
    """A share with its interval, which takes texts as independent draws."""
    made = proportion(hits, n)
    low, high = (made.interval.low, made.interval.high) if made.interval else (None, None)
    return {"value": made.value if n else None, "low": low, "high": high}

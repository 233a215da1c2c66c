"""Quality of weak labels and transcripts as sums over speakers, for paired differences.

Two labelers of one corpus are compared speaker by speaker, like cells (`contrast`); rows without a
speaker in groups, as in `Units.codes`. A file of such sums is all that a later comparison
needs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .agreement import Units, kappa_of
from .arrays import Bools, Floats, Ints
from .calibration import brier, jensen_shannon
from .contrast import Contrast, Side, difference
from .predictions import classification_score, tallies
from .statistics import Statistic, ratio

NEVER_GIVEN = "never_given"


@dataclass(frozen=True)
class Scale:
    """How a score is shown and judged."""

    title: str
    points: bool = True
    """Whether tables show it in percent."""
    lower_is_better: bool = False


SCALES = {
    "uar": Scale("UAR of weak labels"),
    "kappa": Scale("kappa of weak labels", points=False),
    "coverage": Scale("coverage"),
    NEVER_GIVEN: Scale("labels that one side never gives"),
    "jsd": Scale("JSD of label scores to gold", points=False, lower_is_better=True),
    "brier": Scale("Brier score of label scores", points=False, lower_is_better=True),
    "wer": Scale("WER", lower_is_better=True),
    "cer": Scale("CER", lower_is_better=True),
}
"""Score → how it is shown. An abstention is a miss in UAR and kappa, and a uniform distribution in
the scores of distributions."""


@dataclass(frozen=True)
class LabelRows:
    """Weak labels of n utterances, and their gold."""

    given: Ints
    """Shape (n,): label in the labeler's own taxonomy; −1 for none."""
    gold: Ints
    """Shape (n,): the single gold label; −1 without one."""
    answer: Ints
    """Shape (n,): the weak label among the gold labels; −1 for none."""
    distances: Floats
    """Shape (n, 2): JSD and Brier score of `distances`; NaN without gold votes."""


@dataclass(frozen=True)
class QualitySums:
    """Sums over units, from which all scores of a label or transcribe stage follow."""

    units: tuple[str, ...]
    """Speakers, or groups of rows, sorted."""
    parts: Mapping[str, Floats]
    """``given`` (units, labels + 1), the last column for no label; ``agreement`` (units, gold,
    gold + 1), the last for no label; ``distances`` (units, 3): JSD, Brier score, rows; ``words``
    and ``characters`` (units, 2): edits, and their number in the reference."""
    labels: tuple[str, ...] = ()
    """Names of the columns of ``given``."""
    gold: tuple[str, ...] = ()
    """Names of the gold labels; empty without gold."""


def units_of(speakers: Sequence[str | None]) -> list[str]:
    """Returns the unit of each row: its speaker if every row has one, else a group of rows."""
    units = Units.of(speakers)
    if units.speakers is not None:
        return [str(speaker) for speaker in speakers]
    return [f"rows {code:03d}" for code in units.codes(len(speakers)).tolist()]


def distances(scores: Floats, matrix: Floats | None, answered: Bools, shares: Floats) -> Floats:
    """Returns JSD and Brier score of weak scores to the gold votes of n utterances.

    Args:
        scores: non-negative, shape (n, labels).
        matrix: map to the gold labels, shape (labels, K); None if they are the labels.
        answered: rows with a weak label, shape (n,); others count as uniform.
        shares: gold votes, shape (n, K); rows of 0 are unknown and give NaN.
    """
    mapped = scores if matrix is None else scores @ matrix
    total = np.where(answered, mapped.sum(1), 0.0)[:, None]
    uniform = np.full_like(shares, 1 / shares.shape[1])
    p = np.divide(mapped, total, out=uniform, where=total > 0)
    found = np.stack([jensen_shannon(p, shares), brier(p, shares)], axis=1)
    return np.where(shares.sum(1, keepdims=True) > 0, found, np.nan)


def label_sums(
    rows: LabelRows, units: Sequence[str], labels: Sequence[str], gold: Sequence[str] = ()
) -> QualitySums:
    """Sums labels over the units of n utterances, from `units_of`.

    `labels` are the names of the labeler's labels, `gold` those to compare with, if any.
    """
    names, unit = np.unique(np.asarray(units, dtype=str), return_inverse=True)
    given = np.zeros((len(names), len(labels) + 1))
    np.add.at(given, (unit, rows.given), 1)  # −1 is the last column
    parts: dict[str, Floats] = {"given": given}
    if gold:
        single, voted = rows.gold >= 0, np.isfinite(rows.distances[:, 0])
        agreement = np.zeros((len(names), len(gold), len(gold) + 1))
        np.add.at(agreement, (unit[single], rows.gold[single], rows.answer[single]), 1)
        sums = np.zeros((len(names), 3))
        each = np.column_stack([rows.distances[voted], np.ones(int(voted.sum()))])
        np.add.at(sums, unit[voted], each)
        parts |= {"agreement": agreement, "distances": sums}
    return QualitySums(tuple(names.tolist()), parts, tuple(labels), tuple(gold))


def error_sums(units: Sequence[str], words: Ints, characters: Ints) -> QualitySums:
    """Sums edits of words and characters over the units of n utterances, from `units_of`.

    Edits have shape (n, 2), beside their number in the reference.
    """
    names, unit = np.unique(np.asarray(units, dtype=str), return_inverse=True)
    parts: dict[str, Floats] = {}
    for name, values in (("words", words), ("characters", characters)):
        parts[name] = np.zeros((len(names), 2))
        np.add.at(parts[name], unit, values)
    return QualitySums(tuple(names.tolist()), parts)


def statistics(sums: QualitySums) -> dict[str, Statistic]:
    """Returns the scores of `SCALES` that the sums allow, but `NEVER_GIVEN`."""
    found: dict[str, Statistic] = {}
    parts = sums.parts
    if "agreement" in parts and parts["agreement"].any():
        # Abstentions form an extra class without gold.
        square = np.pad(parts["agreement"], ((0, 0), (0, 1), (0, 0)))
        found["uar"] = classification_score(tallies(square[:, None]), "uar")
        found["kappa"] = kappa_of(square)
    if "given" in parts:
        found["coverage"] = ratio(parts["given"][:, :-1].sum(1), parts["given"].sum(1))
    if "distances" in parts and parts["distances"].any():
        jsd, square_error, n = parts["distances"].T
        found |= {"jsd": ratio(jsd, n), "brier": ratio(square_error, n, 2.0)}
    for name, part in (("wer", "words"), ("cer", "characters")):
        if part in parts:
            edits, length = parts[part].T
            found[name] = ratio(edits, length, np.inf)
    return found


def quality_differences(new: QualitySums, old: QualitySums) -> dict[str, Contrast]:
    """Returns score → `new` minus `old`, paired by unit; only scores that both have.

    `NEVER_GIVEN` is the share of utterances with a label that `old` never gives, minus the share
    of those with a label that `new` never gives: negative if labels were lost.
    """
    ours, theirs = statistics(new), statistics(old)
    found = {
        name: difference(_side(ours[name]), _side(theirs[name])) for name in ours if name in theirs
    }
    if "given" in new.parts and "given" in old.parts:
        shared = [name for name in new.labels if name in old.labels]
        a, b = (s.parts["given"][:, [s.labels.index(n) for n in shared]] for s in (new, old))
        gained, lost = (a.any(0) & ~b.any(0)), (b.any(0) & ~a.any(0))
        sides = [
            _side(ratio(labels[:, only].sum(1), sums.parts["given"].sum(1)))
            for labels, only, sums in ((a, gained, new), (b, lost, old))
        ]
        found[NEVER_GIVEN] = difference(*sides)
    return {name: found[name] for name in SCALES if name in found}


def never_given(sums: QualitySums) -> list[str]:
    """Returns the labels that no utterance has."""
    counts = sums.parts["given"][:, :-1].sum(0)
    return [name for name, count in zip(sums.labels, counts.tolist(), strict=True) if not count]


def unpaired(new: QualitySums, old: QualitySums) -> str | None:
    """Returns why two labelings cannot be paired; None if they can."""
    if new.units != old.units:
        both = set(new.units) & set(old.units)
        return (
            f"other speakers or texts: {len(old.units)} and {len(new.units)}, {len(both)} of them "
            "in both"
        )
    if new.gold != old.gold:
        return f"other gold labels: {', '.join(old.gold)} and {', '.join(new.gold)}"
    for name, size in _SIZES.items():
        if name in new.parts and name in old.parts:
            ours, theirs = (size(sums.parts[name]) for sums in (new, old))
            if not np.array_equal(ours, theirs):
                return "other utterances, gold labels or reference texts of the same speakers"
    return None


_SIZES: dict[str, Callable[[Floats], Floats]] = {
    "given": lambda part: part.sum(1),
    "agreement": lambda part: part.sum(2),
    "words": lambda part: part[:, 1],
}
"""Part → what does not depend on the labeler or the recogniser."""


def _side(statistic: Statistic) -> Side:
    return Side([statistic], drawn=False)

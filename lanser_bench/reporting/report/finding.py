"""The finding: whether weak pre-training beats its own controls, from paired differences."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from ...evaluation.contrast import difference
from ...evaluation.results import Metric
from ...numbers import percent
from ..comparing.declared import DeclaredLine
from ..comparing.responses import Response
from ..leaderboard.boards import PLAIN, Board
from ..leaderboard.rows import Row
from .data import Records
from .probe_gaps import ProbeGaps

Verdict = Literal["above", "below", "same", "unknown"]
PARTS = ("encoder", "labeler", "taxonomy")
MATCHED = ("random_init", "shuffled", "shuffled_within_speaker")
"""Controls with the same network, but without the information of weak labels."""
SCORES = {"uar": "UAR", "area": "area under UAR", "finetune": "UAR after fine-tuning"}
ROWS = 6
"""Pre-trained rows that are compared with their controls; the leaderboard has all."""


@dataclass(frozen=True)
class Difference:
    """One line of a forest plot: a difference, or another score that is compared with 0."""

    name: str
    """In plain words: the control, or what is measured."""
    decides: bool
    """Whether the verdict follows from it."""
    difference: Metric
    note: str = ""

    @property
    def verdict(self) -> Verdict:
        """Its position against 0."""
        return verdict(self.difference)


@dataclass(frozen=True)
class Finding:
    """The finding of one board."""

    headline: str
    detail: str
    verdict: Verdict
    differences: list[Difference]
    caption: str = ""
    """What the lines are differences of."""
    ends: tuple[str, str] = ("control better", "weak labels better")
    """What a difference below and above 0 means."""
    prosody: str = ""
    """Number of probe targets on which the row beats its best control; empty without a probe."""
    others: list[tuple[str, list[Difference]]] = field(default_factory=list)
    """Further pre-trained rows and their differences to their own controls."""


def gain(records: Records, board: Board, metric: str = "uar") -> Finding:
    """Returns whether pre-training on weak labels beats its controls.

    The best pre-trained row with the most controls of its own is compared with them; a note says
    that it was selected among several. Pre-training *helps* only if the differences to all own
    controls of pre-training exclude 0; an interval that contains 0 is "no detectable difference",
    never "equal". Without a control on shuffled labels, nothing is said of the labels. `metric` is
    ``uar``, ``area`` for label efficiency, or ``finetune``.
    """
    trained = _trained(board, metric)
    if not trained:
        return best_only(board)
    deciding = [_deciding(records, board, row) for row in trained]
    own = [row for row, n in zip(trained, deciding, strict=True) if n == max(deciding)]
    row = own[0]
    differences = versus(records, board, row, metric)
    matched = [d for d in differences if d.decides]
    overall = _overall(matched)
    others = [one for one, n in zip(trained, deciding, strict=True) if n and one is not row]
    return Finding(
        _headline(overall, board, metric, shuffled="shuffled" in " ".join(d.name for d in matched)),
        _detail(board, row, matched, metric, of=len(own), left_out=len(trained) - len(own)),
        overall,
        differences,
        f"{name_of(board, row)} minus each of its own controls, in points of {SCORES[metric]}. "
        "Bold: controls of pre-training, which decide",
        prosody=_prosody(ProbeGaps(records, board), row),
        others=[
            (name_of(board, one), versus(records, board, one, metric)) for one in others[: ROWS - 1]
        ],
    )


def leading(records: Records, board: Board) -> Row | None:
    """Returns the best pre-trained row with the most controls of its own: that of the finding."""
    return max(_trained(board), key=lambda row: _deciding(records, board, row), default=None)


def _trained(board: Board, metric: str = "uar") -> list[Row]:
    rows = [row for row in board.main if row.labeler is not None]
    return [row for row in rows if row.score(metric) is not None]


def versus(records: Records, board: Board, row: Row, metric: str = "uar") -> list[Difference]:
    """Returns a row's differences to its own controls."""
    made = []
    for control in records.controls_of(board, row):
        if control.score(metric) is None:
            continue
        name = PLAIN.get(control.control or "", control.name)
        found = paired(records, row, control, metric)
        note = "" if found.interval else _unpaired(records, row, control, metric)
        made.append(Difference(name, control.control in MATCHED, found, note))
    return sorted(made, key=lambda d: not d.decides)


def paired(records: Records, a: Row, b: Row, metric: str = "uar") -> Metric:
    """Returns the score of `a` minus that of `b`, which both have, paired by speaker.

    Without predictions it is the plain difference, which has no interval.
    """
    response = Response(metric)
    ours, theirs = records.exact(a), records.exact(b)
    if ours is None or theirs is None or response.hindrance(ours, theirs):
        known = [score.value for one in (a, b) if (score := one.score(metric)) is not None]
        return Metric(value=known[0] - known[1])
    return difference(response.side(ours), response.side(theirs)).metric()


def _unpaired(records: Records, a: Row, b: Row, metric: str) -> str:
    """Returns why the difference of two rows has no interval."""
    ours, theirs = records.exact(a), records.exact(b)
    why = "damaged predictions"
    if ours is not None and theirs is not None:
        why = Response(metric).hindrance(ours, theirs) or "too few speakers"
    return f"no interval: {why}"


def declared_headline(board: Board, lines: Sequence[DeclaredLine]) -> tuple[str, Verdict]:
    """Returns a headline on a board's declared comparisons, and their common verdict.

    A difference counts if its p-value is at most 5 % after Holm's adjustment.
    """
    verdicts = [
        "same" if line.p_value is None or line.p_value > 0.05 else verdict(line.difference)
        for line in (one.line for one in lines)
    ]
    said = {"above": "above 0", "below": "below 0", "same": "without a detectable difference"}
    counts = [f"{verdicts.count(v)} {text}" for v, text in said.items() if v in verdicts]
    if len(lines) > 1:
        text = f"Of {len(lines)} declared comparisons on {board.title}, {' and '.join(counts)}"
    else:
        score, (a, _, b) = lines[0].score, in_words(lines[0]).sides.partition(" minus ")
        text = {
            "above": f"{score} is higher with {a} than with {b} on {board.title}",
            "below": f"{score} is lower with {a} than with {b} on {board.title}",
        }.get(verdicts[0], f"No detectable difference in {score} of {a} and {b} on {board.title}")
    common: set[Verdict] = {*verdicts}
    return text, common.pop() if len(common) == 1 else "same"


def in_words(one: DeclaredLine) -> DeclaredLine:
    """Returns a declared comparison whose score and controls are in plain words."""
    words = {f"control={name}": text for name, text in PLAIN.items()}
    words["control=none"] = "weak labels"
    sides = " minus ".join(words.get(side, side) for side in one.sides.split(" minus "))
    return replace(
        one, sides=sides, score=re.sub(r"^(uar|wa)\b", lambda m: m[0].upper(), one.score)
    )


def _prosody(gaps: ProbeGaps, row: Row) -> str:
    of_row = gaps.of(row, "speaker").items()
    verdicts = [verdict(gap.difference) for name, gap in of_row if name not in row.chance]
    if not verdicts or "unknown" in verdicts:
        return ""
    return (
        f"Prosody: of {len(verdicts)} targets, {verdicts.count('above')} are predicted better than "
        f"by the best control and {verdicts.count('below')} worse; for {verdicts.count('same')} "
        "there is no detectable difference."
    )


def verdict(metric: Metric) -> Verdict:
    """Returns the position of an interval: above 0, below 0 or the same; unknown without one."""
    if metric.interval is None:
        return "unknown"
    if metric.interval.low > 0:
        return "above"
    return "below" if metric.interval.high < 0 else "same"


def _deciding(records: Records, board: Board, row: Row) -> int:
    return sum(control.control in MATCHED for control in records.controls_of(board, row))


def _overall(matched: Sequence[Difference]) -> Verdict:
    verdicts = {d.verdict for d in matched}
    if not matched or "unknown" in verdicts:
        return "unknown"
    if verdicts == {"above"}:
        return "above"
    return "below" if "below" in verdicts else "same"


def _headline(overall: Verdict, board: Board, metric: str, *, shuffled: bool) -> str:
    how = {"area": " in label efficiency", "finetune": " after fine-tuning"}.get(metric, "")
    if overall == "above" and not shuffled:
        return f"Pre-training beat random weights{how} on {board.title}; its labels were not tested"
    return {
        "above": f"Pre-training on weak labels helped{how} on {board.title}",
        "same": f"Pre-training on weak labels showed no detectable gain{how} on {board.title}",
        "below": f"Pre-training on weak labels did worse than a control{how} on {board.title}",
        "unknown": f"{board.title}: the records allow no conclusion on weak pre-training{how}",
    }[overall]


def _detail(
    board: Board, row: Row, matched: Sequence[Difference], metric: str, *, of: int, left_out: int
) -> str:
    chosen = f", the best of {of} pre-trained rows," if of > 1 else ""
    text = (
        f"{name_of(board, row)}{chosen} reaches {percent(row.score(metric))} % {SCORES[metric]} "
        f"with {board.budget} of the human labels; chance is {100 / len(board.labels):.1f} %."
    )
    if left_out:
        text += f" {left_out} other pre-trained rows have fewer controls of their own."
    if not matched:
        return f"{text} It has no control of pre-training, so nothing can be concluded."
    if any(d.verdict == "unknown" for d in matched):
        return f"{text} Some differences have no interval, so nothing can be concluded."
    if row.n_seeds == 1:
        text += " It has one training seed: intervals do not include variation between seeds."
    if of > 1:
        text += " Selecting the best row afterwards makes its score optimistic."
    return text


def best_only(board: Board) -> Finding:
    """Returns which row is ahead, for a board without pre-trained rows."""
    rows = board.main or board.controls
    head = f"{name_of(board, rows[0])} is ahead on {board.title}" if rows else board.title
    ends = [row.uar.interval for row in rows[:2]]
    if len(ends) > 1 and not (ends[0] and ends[1] and ends[0].low > ends[1].high):
        head = f"No encoder is clearly ahead on {board.title}"
    detail = "No row is pre-trained on weak labels. "
    if rows:
        detail += f"{name_of(board, rows[0])} reaches {percent(rows[0].uar)} % UAR."
    return Finding(head, detail, "unknown", [])


def name_of(board: Board, row: Row) -> str:
    """Returns a row's name in sentences."""
    encoder, labeler, taxonomy = (row.shown.get(part, getattr(row, part)) for part in PARTS)
    if labeler is None:
        return str(encoder)
    others = [f"{board.axes[a]}={text}" for a, text in row.shown.items() if a not in PARTS]
    return f"{encoder} on {labeler} × {taxonomy}" + (f" ({', '.join(others)})" if others else "")

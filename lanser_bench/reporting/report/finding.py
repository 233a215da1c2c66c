"""The finding: whether weak pre-training beats its controls, from paired differences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ...evaluation.contrast import difference
from ...evaluation.results import Metric
from ...numbers import percent
from ..comparing.declared import DeclaredLine
from ..leaderboard.boards import PLAIN, Board
from ..leaderboard.rows import Row
from .data import Records
from .probe_gaps import ProbeGaps

Verdict = Literal["above", "below", "same", "unknown"]
PARTS = ("encoder", "labeler", "taxonomy")
MATCHED = ("random_init", "shuffled", "shuffled_within_speaker")
"""Controls with the same network, but without the information of weak labels."""


@dataclass(frozen=True)
class Difference:
    """A row minus one control, in points of UAR, paired by speaker."""

    control: str
    """In plain words."""
    matched: bool
    difference: Metric
    verdict: Verdict


@dataclass(frozen=True)
class Finding:
    """The finding of one board."""

    headline: str
    detail: str
    verdict: Verdict
    differences: list[Difference]
    dataset: str
    prosody: str = ""
    """Number of probe targets on which the row beats its best control; empty without a probe."""


def finding(records: Records, board: Board) -> Finding:
    """Returns a board's finding.

    The best pre-trained row is compared with its controls; a note says that it was selected among
    several. Pre-training *helps* only if the differences to all matched controls exclude 0; an
    interval that contains 0 is "no detectable difference", never "equal".
    """
    trained = [row for row in board.main if row.labeler is not None]
    if not trained:
        return _best_only(board)
    row = trained[0]
    differences = [
        Difference(
            PLAIN.get(control.control or "", control.name) + _elsewhere(board, control, row),
            control.control in MATCHED,
            metric := _uar_difference(records, board, row, control),
            verdict(metric),
        )
        for control in records.controls_of(board, row)
    ]
    matched = [d for d in differences if d.matched]
    overall = _overall(matched)
    return Finding(
        _headline(overall, board),
        _detail(board, row, len(trained), matched),
        overall,
        differences,
        board.dataset,
        _prosody(ProbeGaps(records, board), row),
    )


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
        text = f"The declared comparison on {board.title} is {said[verdicts[0]]}"
    common: set[Verdict] = {*verdicts}
    return text, common.pop() if len(common) == 1 else "same"


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


def _overall(matched: Sequence[Difference]) -> Verdict:
    verdicts = {d.verdict for d in matched}
    if not matched or "unknown" in verdicts:
        return "unknown"
    if verdicts == {"above"}:
        return "above"
    return "below" if "below" in verdicts else "same"


def _headline(overall: Verdict, board: Board) -> str:
    return {
        "above": f"Pre-training on weak labels helped on {board.title}",
        "same": f"Pre-training on weak labels showed no detectable gain on {board.title}",
        "below": f"Pre-training on weak labels did worse than a control on {board.title}",
        "unknown": f"{board.title}: the records allow no conclusion on weak pre-training",
    }[overall]


def _detail(board: Board, row: Row, of: int, matched: Sequence[Difference]) -> str:
    name = _name(board, row)
    chosen = f", the best of {of} pre-trained rows," if of > 1 else ""
    text = (
        f"{name}{chosen} reaches {percent(row.uar)} % UAR with {board.budget} of the human "
        f"labels; chance is {100 / len(board.labels):.1f} %."
    )
    if not matched:
        return f"{text} It has no control of pre-training, so nothing can be concluded."
    if any(d.verdict == "unknown" for d in matched):
        return (
            f"{text} Some differences have no interval: there are too few speakers, or the "
            "predictions of a record are missing."
        )
    if row.n_seeds == 1:
        text += " It has one training seed: intervals do not include variation between seeds."
    if of > 1:
        text += " Selecting the best row afterwards makes its score optimistic."
    return text


def _best_only(board: Board) -> Finding:
    rows = board.main or board.controls
    head = f"{_name(board, rows[0])} is ahead on {board.title}" if rows else board.title
    if len(rows) > 1 and _overlap(rows[0].uar, rows[1].uar):
        head = f"No encoder is clearly ahead on {board.title}"
    detail = "No row is pre-trained on weak labels. "
    if rows:
        detail += f"{_name(board, rows[0])} reaches {percent(rows[0].uar)} % UAR."
    return Finding(head, detail, "unknown", [], board.dataset)


def _overlap(a: Metric, b: Metric) -> bool:
    if a.interval is None or b.interval is None:
        return True
    return a.interval.low <= b.interval.high


def _name(board: Board, row: Row) -> str:
    encoder, labeler, taxonomy = (row.shown.get(part, getattr(row, part)) for part in PARTS)
    if labeler is None:
        return str(encoder)
    others = {axis: text for axis, text in row.shown.items() if axis not in PARTS}
    return f"{encoder} on {labeler} × {taxonomy}{_in_brackets(board, others)}"


def _elsewhere(board: Board, control: Row, row: Row) -> str:
    """Names the axes in which a control differs from a row, because no other was run."""
    unlike = {axis: v for axis, v in control.shown.items() if row.shown.get(axis) != v}
    return _in_brackets(board, unlike)


def _in_brackets(board: Board, shown: Mapping[str, str]) -> str:
    texts = [f"{board.axes[axis]}={text}" for axis, text in shown.items()]
    return f" ({', '.join(texts)})" if texts else ""


def _uar_difference(records: Records, board: Board, row: Row, control: Row) -> Metric:
    """Paired by speaker over seeds × speakers; without predictions the plain difference."""
    ours, theirs = records.exact(row), records.exact(control)
    if ours is None or theirs is None:
        return Metric(value=row.uar.value - control.uar.value)
    sides = (group.side("uar", board.budget) for group in (ours, theirs))
    return difference(*sides).metric()

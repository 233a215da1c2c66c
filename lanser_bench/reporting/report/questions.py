"""The question of a board: what its finding, its headline figure and its verdict answer.

An experiment states its `question`. Otherwise it is read from what varies and what was measured,
and the page says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ...errors import LanserError
from ...evaluation.results import Interval, Metric
from ...experiment.settings.files import read_experiment, shipped
from ...experiment.settings.model import Question
from ...numbers import p_text, percent
from ...records.record import ResultRecord
from ..comparing.dose import Line, Slope, dose_response
from ..comparing.responses import Response
from ..leaderboard.boards import PLAIN, Board
from ..leaderboard.by_axis import rank_by
from ..leaderboard.rows import Row
from .data import Records
from .finding import Difference, Finding, Verdict, gain, name_of, paired, verdict
from .matrix import MatrixBoard

TITLES: dict[Question, str] = {
    "gain": "Does pre-training on weak labels help?",
    "label-efficiency": "Do weak labels save human labels?",
    "dose": "How does the score change with the dose?",
    "cues": "Which cues of prosody are used?",
    "fine-tuning": "Does weak pre-training help if the whole encoder is fine-tuned?",
    "taxonomy": "Which taxonomy is best?",
    "labelers": "How good must the labels be, and which labeler is best?",
    "transfer": "Does it carry over to other sets?",
    "listen-or-read": "Does it follow the voice or the words?",
}
CUES = {"drop_f0": "F0 flattened", "drop_energy": "energy flattened"}
RUNGS = 14
"""Rows of a ladder or of cues that are drawn; the tables have all."""


@dataclass(frozen=True)
class Answer:
    """A finding and the question that it answers."""

    question: str
    stated: bool
    """Whether the experiment stated it."""
    finding: Finding


def answer(records: Records, board: Board, matrices: Sequence[MatrixBoard] = ()) -> Answer:
    """Returns the finding of a board on its question.

    If the records cannot answer it, the gain over the controls is reported instead.
    """
    experiments = {row.experiment for row in _rows(board)}
    own = [record for _, record in records.files if record.experiment in experiments]
    question = _stated(own)
    asked = question or (_inferred(board, matrices) if len(experiments) == 1 else "gain")
    if asked == "transfer":
        found = _transfer(records, board, matrices)
    else:
        found = _ANSWERS[asked](records, board) if asked in _ANSWERS else None
    if found is None:
        title = TITLES["gain"] if _trained(board) else "Which row is best?"
        return Answer(title, stated=False, finding=gain(records, board))
    return Answer(TITLES[asked], question is not None, found)


def _stated(own: Sequence[ResultRecord]) -> Question | None:
    """Returns the question that all experiments state; None without one.

    Records of before there were questions have that of the shipped experiment of their name.
    """
    known = {record.experiment: record.settings.get("question") for record in own}
    for name in known.keys() & shipped().keys():
        known[name] = known[name] or read_experiment(name).settings.get("question")
    stated = {str(name) for name in known.values() if name}
    return next((name for name in TITLES if stated == {name}), None)


def _rows(board: Board) -> list[Row]:
    return [*board.main, *board.controls]


def _trained(board: Board, control: str | None = None) -> list[Row]:
    """Returns rows that are pre-trained on labels: main rows, or controls of a kind."""
    rows = board.main if control is None else board.controls
    return [row for row in rows if row.control == control and row.labeler is not None]


def _inferred(board: Board, matrices: Sequence[MatrixBoard]) -> Question:
    trained, ladder = _trained(board), _trained(board, "reads_gold")
    varying = {a for row in trained for a in row.axes if len(_values(trained, a)) > 1}
    if trained and all(row.more.get("finetune") is not None for row in trained):
        return "fine-tuning"
    if varying == {_numeric_axis(board)}:
        return "dose"
    if len(_values([*trained, *ladder], "labeler")) > 2 and varying <= {"labeler"}:
        return "labelers"
    if varying == {"taxonomy"}:
        return "taxonomy"
    if not trained and any(_rows(board)[0].experiment == m.experiment for m in matrices):
        return "transfer"
    return "cues" if not trained and _cues(board) else "gain"


def _values(rows: Sequence[Row], axis: str) -> set[str]:
    return {row.axes[axis] for row in rows if axis in row.axes}


def _numeric_axis(board: Board) -> str | None:
    """Returns the axis of a dose: the only one with three or more numbers as its values."""
    rows = _trained(board)
    values = {axis: _values(rows, axis) for row in rows for axis in row.axes}
    found = [
        axis
        for axis, texts in values.items()
        if len(texts) > 2 and all(text.replace(".", "", 1).isdecimal() for text in texts)
    ]
    return found[0] if len(found) == 1 else None


def _dose(records: Records, board: Board) -> Finding | None:
    axis = _numeric_axis(board)
    if axis is None:
        return None
    own = [pair for pair in records.files if pair[1].experiment == board.main[0].experiment]
    try:
        boards = dose_response(axis, own, Response())
    except LanserError:
        return None
    places = {(one.dataset, one.split_hash): one for one in boards}
    found = places.get((board.dataset, board.split_hash))
    lines = [x for x in found.lines if x.control is None and x.slopes] if found else []
    if not lines:
        return None
    line, name = lines[0], axis.rpartition(".")[2]
    deciding = line.slopes[1:] or line.slopes[:1]
    raw = [verdict(s.value) if (s.p_value or 0) <= 0.05 else "same" for s in deciding]
    overall: Verdict = raw[0] if len(set(raw)) == 1 else "same"
    said = {"above": f"UAR rises with {name}", "below": f"UAR falls with {name}"}
    head = said.get(overall, f"UAR shows no detectable trend with {name}")
    low, high = line.points[0].dose, line.points[-1].dose
    detail = "; ".join(
        f"{_of(s)} changes by {percent(_scaled(s.value, high - low), sign=True)} points over the "
        f"range (p {p_text(s.p_value)})"
        for s in line.slopes
    )
    return Finding(
        f"{head} on {board.title}",
        f"Least-squares slope over {len(line.points)} values of {name} from {low:g} to {high:g}: "
        f"{detail}.",
        overall,
        _doses(line, deciding, name, high - low),
        f"Bold: slope over the whole range of {name}, which decides. Others: each value of {name} "
        "minus a control, in points of UAR",
        ("falls, or control better", "rises, or weak labels better"),
    )


def _of(slope: Slope) -> str:
    rival = slope.of.removeprefix("ahead of ")
    return "UAR" if slope.of == "itself" else f"the lead over {_plain(rival)}"


def _plain(control: str) -> str:
    return PLAIN.get(control.replace(" ", "_"), control)


def _doses(line: Line, slopes: Sequence[Slope], name: str, span: float) -> list[Difference]:
    made = [
        Difference(f"slope of {_of(s)}", True, _scaled(s.value, span), f"p {p_text(s.p_value)}")
        for s in slopes
    ]
    return made + [
        Difference(f"{name} {p.dose:g} minus {_plain(rival)}", False, p.ahead[rival])
        for rival in dict.fromkeys(r for p in line.points for r in p.ahead)
        for p in line.points
    ]


def _scaled(metric: Metric, by: float) -> Metric:
    made = metric.interval
    ends = made and Interval(low=by * made.low, high=by * made.high, method=made.method)
    return Metric(value=by * metric.value, interval=ends)


def _cues(board: Board) -> list[tuple[Row, str, Metric]]:
    rows = _rows(board)
    return [(r, cue, m) for r in rows for name, cue in CUES.items() if (m := r.more.get(name))]


def _cue_drops(records: Records, board: Board) -> Finding | None:
    found = _cues(board)
    if not found:
        return None
    first = found[0][0]
    own = [(cue, metric) for row, cue, metric in found if row is first]
    used = [cue for cue, metric in own if verdict(metric) == "above"]
    name = name_of(board, first)
    head = f"{name} loses with {' and with '.join(used)}" if used else f"{name} needs no single cue"
    detail = "; ".join(f"{cue}: UAR drops by {percent(metric)} points" for cue, metric in own)
    return Finding(
        f"{head} on {board.title}",
        f"{detail}. The drop counts from the same vocoder with nothing flattened.",
        "above" if used else "same",
        [Difference(f"{r.title}: {cue}", r is first, drop) for r, cue, drop in found[:RUNGS]],
        "Drop of UAR without one cue, in points. Bold: the best row, which decides",
        ("no loss", "the cue is used"),
    )


def _listen(records: Records, board: Board) -> Finding | None:
    found = [(row, m) for row in _rows(board) if (m := row.more.get("listen_difference"))]
    if not found:
        return None
    row, metric = found[0]
    follows = {"above": "the voice", "below": "the words"}
    said = follows.get(verdict(metric), "neither voice nor words more than the other")
    return Finding(
        f"{name_of(board, row)} follows {said} on {board.title}",
        "Heads are fitted on clips whose words and voice agree and tested where they disagree: "
        f"answers with the voice minus answers with the words are {percent(metric, sign=True)} "
        "points.",
        verdict(metric),
        [Difference(r.title, r is row, m) for r, m in found[:RUNGS]],
        "Answers that follow the voice minus those that follow the words, in points. Bold: the "
        "best row, which decides",
        ("follows the words", "follows the voice"),
    )


def _ladder(axis: str, records: Records, board: Board) -> Finding | None:
    """Returns each value of an axis against random weights, the best value first."""
    rows = [*_trained(board), *(_trained(board, "reads_gold") if axis == "labeler" else [])]
    lines = []
    for row in sorted(rows, key=lambda row: -row.uar.value)[:RUNGS]:
        floor = [c for c in records.controls_of(board, row) if c.control == "random_init"]
        if floor:
            metric = paired(records, row, floor[0])
            others = [f"{board.axes[a]}={text}" for a, text in row.shown.items() if a != axis]
            name = ", ".join([row.shown.get(axis, str(getattr(row, axis))), *others])
            reads = "reads human labels" if row.control else ""
            lines.append(Difference(name, row.control is None, metric, reads))
    if not lines:
        return None
    above = sum(line.verdict == "above" for line in lines)
    overall, head, detail = _best_value(axis, records, board)
    ends = [f"{percent(x.difference, sign=True)} ({x.name})" for x in (lines[0], lines[-1])]
    of_all = "" if head else f" The differences go from {ends[0]} to {ends[1]} points of UAR."
    return Finding(
        head or f"{above} of {len(lines)} rows beat random weights on {board.title}",
        f"{detail}{above} of {len(lines)} rows beat the same network with random weights.{of_all}",
        overall,
        lines,
        f"Pre-trained with each {axis} minus random weights, in points of UAR. Bold: without "
        "human labels",
    )


def _best_value(axis: str, records: Records, board: Board) -> tuple[Verdict, str, str]:
    """Returns the verdict, the headline and the sentence on the best value of an axis."""
    own = [pair for pair in records.files if pair[1].experiment == _rows(board)[0].experiment]
    try:
        boards = rank_by(axis, own)
    except LanserError:
        return "same", "", ""
    for one in boards:
        if (one.dataset, one.split_hash) == (board.dataset, board.split_hash):
            best, second = one.rows[:2]
            behind, p = second.standing.behind, second.standing.p_value
            clear = p is not None and p <= 0.05
            said = f"{best.value} is the best {axis}" if clear else f"No {axis} is clearly best"
            text = "" if behind is None else percent(behind, sign=True)
            detail = f"{second.value} minus {best.value}, which is first: {text} points of UAR. "
            return "above" if clear else "same", f"{said} on {board.title}", detail
    return "same", "", ""


def _transfer(records: Records, board: Board, matrices: Sequence[MatrixBoard]) -> Finding | None:
    """Returns the finding of the matrix of an experiment, for its first board."""
    experiment = _rows(board)[0].experiment
    own = [b for b in records.boards if any(r.experiment == experiment for r in _rows(b))]
    found = next((m for m in matrices if m.experiment == experiment), None)
    if found is None or own[0] is not board:
        return None
    rows = [(row, row.gap) for row in found.rows if row.gap is not None]
    if not rows:
        return None
    first, first_gap = rows[0]
    overall = verdict(first_gap.difference)
    said = {"above": "carries over better than", "below": "carries over worse than"}
    word = said.get(overall, "carries over no better than")
    name = first.name.replace("encoder=", "")
    return Finding(
        f"{name} {word} its best control between {', '.join(found.sets)}",
        f"Trained on one set and tested on another, {name} reaches {percent(first.mean)} % "
        "UAR, the mean over all pairs of sets.",
        overall,
        [Difference(r.name, r is first, g.difference, g.control) for r, g in rows[:RUNGS]],
        "Mean UAR over pairs of sets minus that of the best control, in points. Bold: the best "
        "row, which decides",
        ("control better", "row better"),
    )


_ANSWERS: dict[Question, Callable[[Records, Board], Finding | None]] = {
    "gain": lambda records, board: gain(records, board) if _trained(board) else None,
    "label-efficiency": lambda records, board: _of_metric(records, board, "area"),
    "fine-tuning": lambda records, board: _of_metric(records, board, "finetune"),
    "dose": _dose,
    "cues": _cue_drops,
    "taxonomy": lambda records, board: _ladder("taxonomy", records, board),
    "labelers": lambda records, board: _ladder("labeler", records, board),
    "listen-or-read": _listen,
}


def _of_metric(records: Records, board: Board, metric: str) -> Finding | None:
    if not any(row.score(metric) is not None for row in _trained(board)):
        return None
    found = gain(records, board, metric)
    return replace(found, ends=("control better", "weak labels better"))

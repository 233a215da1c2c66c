"""Shows a comparison of labelers: as tables, and as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ...evaluation.label_quality import SCALES
from ...evaluation.results import Metric
from ...evaluation.statistics import MIN_SPEAKERS
from ...experiment.settings.axis_names import readable
from ...numbers import decimal, p_text
from ...printing import visible
from ..tables.pictures import save_picture
from ..tables.sheet import Column, Entry, Sheet, Shown
from .costs import Cost
from .ladder import SCORES, Ladder, Rung
from .pairs import pairs_sheet

FIRST = {"uar": 0, "kappa": 0, "coverage": 1, "jsd": 5, "hit": 6, "wa": 7, "brier": 9}
"""Order in which scores are left out of narrow tables, from the last."""
BLUE, GREY = "#0072b2", "#888888"


def sheets(ladder: Ladder, written: Mapping[str, Any], texts_of: str = "") -> list[Sheet]:
    """Returns the ladder, the best labeler first, and all pairs.

    `written` has labelers as in an experiment, with their options; `texts_of` is a labeler, if
    each row has its labels of another recogniser's texts.
    """
    name = SCORES[ladder.metric]
    better = "lower" if SCALES[ladder.metric].lower_is_better else "higher"
    scores = {**SCORES, "coverage": "coverage", "hit": "hit in gold set", "wa": "accuracy"}
    known = [key for key in scores if any(key in rung.scores for rung in ladder.rungs)]
    columns = [
        Column("labeler", f"{texts_of} reads" if texts_of else "labeler"),
        *(
            Column(
                key, scores[key], three, True, order=None if key == ladder.metric else FIRST[key]
            )
            for key in sorted(known, key=lambda key: (key != ladder.metric, FIRST[key]))
        ),
        Column("to_best", f"{name} − best", signed, True, order=4),
        Column("p_value", "p to best (Holm)", p_text, True, order=3),
        Column("never_given", "labels never given", right=True, order=8),
        *cost_columns("1,000", 2),
    ]
    return [
        Sheet(
            f"Labels of {ladder.dataset} against gold in {ladder.compared_in}",
            columns,
            [_entry(ladder, rung) for rung in ladder.rungs],
            [*notes(ladder), *option_notes(written)],
            {"dataset": ladder.dataset, "taxonomy": ladder.taxonomy},
        ),
        pairs_sheet(ladder.pairs, f"Differences in {name}, {better} is better"),
    ]


def option_notes(written: Mapping[str, Any]) -> list[str]:
    """Returns the options of plugins that are not in their names."""
    hidden = [text for name, value in written.items() if (text := readable(value)) != name]
    return [f"options: {'; '.join(hidden)}"] if hidden else []


three = partial(decimal, digits=3)
signed = partial(decimal, digits=3, sign=True)


def cost_columns(unit: str, order: int) -> list[Column]:
    """Returns the columns of `cost_values`; `order` is that of the processor time."""
    return [
        Column("cpu_s", f"CPU s / {unit}", right=True, about="seconds of all cores", order=order),
        Column("wall_s", f"wall s / {unit}", right=True, order=20),
        Column("machine", None),
    ]


def cost_values(cost: Cost | None) -> dict[str, Any]:
    """Returns the values of `cost_columns`."""
    if cost is None:
        return {}
    values = {"cpu_s": cost.cpu_s, "wall_s": cost.wall_s}
    most = "≤ " if cost.loading else ""
    shown = {name: Shown(s, f"{most}{s:.3g}") for name, s in values.items()}
    return {**shown, "machine": cost.where}


def cost_notes(costs: Sequence[Cost | None], unit: str) -> list[str]:
    """Returns what a reader must know of the columns of `cost_columns`."""
    known = [cost for cost in costs if cost is not None]
    said = []
    if known:
        machines = "; ".join(dict.fromkeys(cost.where for cost in known))
        said.append(f"times per {unit}, measured when the stage ran, on {machines}")
    if any(cost.loading for cost in known):
        said.append("≤ or ≥: few shards, so the time includes loading the model")
    if len(known) < len(costs):
        said.append("–: computed by a version that did not measure times")
    return said


def _entry(ladder: Ladder, rung: Rung) -> Entry:
    pair = ladder.to_best(rung)
    names = rung.never_given
    values = {
        "labeler": rung.labeler,
        **rung.scores,
        "to_best": None if pair is None else negative(pair.difference),
        "p_value": None if pair is None else pair.p_value,
        "never_given": Shown(", ".join(names), str(len(names))),
    }
    return Entry(values | cost_values(rung.cost), "best" if rung is ladder.rungs[0] else "")


def negative(metric: Metric) -> Metric:
    """Returns a difference with its sides exchanged."""
    made = metric.interval
    if made is not None:
        made = replace(made, low=-made.high, high=-made.low)
    return Metric(value=-metric.value, interval=made)


def speakers_text(n: int) -> str:
    """Returns what intervals are over."""
    return f"{n} speakers" + (" (none: at least 5 are needed)" if n < MIN_SPEAKERS else "")


def notes(ladder: Ladder) -> list[str]:
    """Returns what a reader must know."""
    over = "independent rows, because texts have no speakers"
    if ladder.speakers is not None:
        over = speakers_text(ladder.speakers)
    said = [
        f"{ladder.utterances} utterances labelled in {ladder.taxonomy}; {ladder.rows} with one "
        f"gold label are compared, an abstention is wrong; chance UAR {ladder.chance:.3f}",
        f"95 % intervals over {over}; p by Holm over the {len(ladder.pairs)} pairs",
    ]
    if any("jsd" in rung.scores for rung in ladder.rungs):
        said.append(
            "JSD: divergence of the scores from the gold votes, in bits, and Brier score; an "
            "abstention counts as equal scores"
        )
    if any("hit" in rung.scores for rung in ladder.rungs):
        said.append("hit in gold set: over labelled rows, also those with several gold labels")
    costs = [rung.cost for rung in ladder.rungs]
    return said + cost_notes(costs, "1,000 utterances, of which equal texts are labelled once")


def picture(ladder: Ladder, path: Path) -> None:
    """Draws scores with intervals and, beside them, times on a logarithmic axis."""
    rungs = ladder.rungs
    chance = {"uar": ladder.chance, "kappa": 0.0}.get(ladder.metric)
    draw_ladder(
        [rung.labeler for rung in rungs],
        [rung.scores[ladder.metric] for rung in rungs],
        [rung.cost.cpu_s if rung.cost else None for rung in rungs],
        (SCORES[ladder.metric], "CPU s per 1,000 utterances"),
        path,
        chance=chance,
    )


def draw_ladder(
    names: Sequence[str],
    scores: Sequence[Metric],
    costs: Sequence[float | None],
    heads: tuple[str, str],
    path: Path,
    *,
    chance: float | None = None,
) -> None:
    """Draws one line per part, in their order: its score with the interval, and its cost.

    Costs are positive, for a logarithmic axis; `heads` name both axes. The score `chance` of an
    answer that ignores the input is drawn as a line.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, 1.1 + 0.34 * len(names)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    for row, (score, cost) in enumerate(zip(scores, costs, strict=True)):
        if score.interval is not None:
            ends = [score.interval.low, score.interval.high]
            left.plot(ends, [row, row], color=BLUE, lw=2, solid_capstyle="round")
        left.plot(score.value, row, "o", color=BLUE, ms=6)
        if cost:
            right.plot(cost, row, "D", color=GREY, ms=5)
            style = {"textcoords": "offset points", "va": "center", "fontsize": 8}
            right.annotate(f"{cost:.3g}", (cost, row), (6, 0), **style)
    if chance is not None:
        left.axvline(chance, color=GREY, lw=1, ls="--")
        left.text(chance, -0.62, "chance", color=GREY, fontsize=8, ha="center", va="bottom")
    left.set_yticks(range(len(names)), [*map(visible, names)])
    left.set_ylim(len(names) - 0.4, -0.65)
    left.set_xlabel(heads[0])
    right.set_xlabel(heads[1])
    if any(costs):
        right.set_xscale("log")
        right.xaxis.set_major_formatter("{x:g}")
        right.minorticks_off()
        right.margins(x=0.25)
    for axes in (left, right):
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.grid(axis="y", color="#8883", lw=0.6)
        axes.tick_params(axis="y", length=0)
    save_picture(figure, path)

"""A report on weak labels as Markdown and as pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from ...evaluation.results import Metric
from ...numbers import decimal
from ...printing import visible
from ...stages.label.spec import ODD_TEXTS
from ..tables.pictures import heat_map, plain_figure
from ..tables.sheet import Column, Entry, Sheet
from ..tables.sheet import markdown as sheet_markdown

BLUE, GREY = "#0072b2", "#888888"
GROUPS = {
    "asr_avg_logprob": "recogniser's mean log-probability",
    "asr_no_speech_prob": "recogniser's no-speech probability",
    "words": "length in words",
    "seconds": "length in seconds",
}


def markdown(report: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """Returns what `quality` reports as Markdown, with pictures: title → file beside it."""
    gold = report["gold"]
    parts = [_head(report)]
    if gold is not None and not gold["compared"]:
        parts.append(f"## Gold\n\n{gold['reason']}\n")
    parts += [sheet_markdown(sheet) for sheet in sheets(report)]
    parts += [f"![{title}]({file})\n" for title, file in pictures.items()]
    return "\n".join(parts)


def sheets(report: Mapping[str, Any]) -> list[Sheet]:
    """Returns the tables of a report: labels, agreement with gold, and both by groups of rows."""
    gold = report["gold"]
    against = _gold(gold) if gold is not None and gold["compared"] else ()
    made = report["made_with"]
    facts = {name: made[name] for name in ("dataset", "labeler", "taxonomy", "asr")}
    found = [_given(report), *against, *_by(report["by"])]
    return [replace(sheet, facts={**facts, **sheet.facts}) for sheet in found]


def summary_lines(report: Mapping[str, Any]) -> list[str]:
    """The report in a few sentences, for a terminal."""
    lines = [
        f"{report['utterances']} utterances, coverage {shown(report['coverage'])}, entropy "
        f"{report['label_entropy_bits']:.2f} of {report['max_entropy_bits']:.2f} bits, never "
        f"given: {', '.join(report['never_firing']) or 'none'}"
    ]
    if report["abstained"]:
        reasons = ", ".join(f"{n} {reason}" for reason, n in report["abstained"].items())
        lines.append(f"Without a label: {reasons}")
    lines += [
        f"Texts {ODD_TEXTS[what]}: {n}" for what, n in report.get("odd_texts", {}).items() if n
    ]
    if "wordings" in report:
        wordings = ", ".join(f"{code or 'default'} {n}" for code, n in report["wordings"].items())
        lines.append(f"Texts by the language of the labels' wording: {wordings}")
    if errors := report.get("transcripts", {}).get("wer"):
        lines.append(
            f"Word error rate of the transcripts {errors['wer']:.3f}, of {errors['words']} words "
            f"(insertions {errors['insertions']})"
        )
    lines += [
        f"Against ratings of {one['dimension']} ({one['rows']} rows): CCC "
        f"{shown(one['concordance'])}, r {shown(one['pearson'])}, RMSE {shown(one['rmse'])}; "
        f"intervals over {report['intervals_over']}"
        for one in report.get("rated", [])
    ]
    gold = report["gold"]
    if gold is None:
        return lines
    if not gold["compared"]:
        return [*lines, f"Not compared with gold: {gold['reason']}"]
    strict = gold["abstention_is_wrong"]
    lines.append(
        f"Against gold in {gold['taxonomy']}, {gold['rows_with_one_label']} rows with one label: "
        f"UAR {shown(strict['uar'])}, kappa {shown(strict['kappa'])}, accuracy "
        f"{shown(strict['wa'])}, macro-F1 {shown(strict['macro_f1'])}; intervals over "
        f"{report['intervals_over']}"
    )
    if gold["several_labels"]:
        hit = gold["several_labels"]["hit_in_gold_set"]
        lines.append(f"With rows of several labels: hit in the gold set {shown(hit)}")
    if gold["risk_coverage"]:
        risk = gold["risk_coverage"]
        lines.append(
            f"Risk–coverage area {shown(risk['area'])}; the error of all labels is "
            f"{risk['overall_risk']:.3f}"
        )
    if gold.get("calibration"):
        found = gold["calibration"]
        votes = found["rows_with_split_votes"]
        against = f"{found['rows']} rows" + (f", {votes} of them with split votes" if votes else "")
        lines.append(
            f"Calibration over {against}: ECE {shown(found['ece'])}, Brier "
            f"{shown(found['brier'])}, Jensen–Shannon divergence {shown(found['jsd'])} bits"
        )
    return lines


def shown(score: Mapping[str, Any]) -> str:
    """Formats a score of the report, with its interval if it has one."""
    return decimal(Metric(**score), digits=3)


def _head(report: Mapping[str, Any]) -> str:
    made = report["made_with"]
    lines = [f"# Weak labels of {made['dataset']}: {made['labeler']}, {made['taxonomy']}", ""]
    lines += [f"- {line}" for line in summary_lines(report)]
    lines.append(f"- Transcripts: {made['asr'] or 'none, the labeler reads no text'}")
    return "\n".join([*lines, ""])


def _given(report: Mapping[str, Any]) -> Sheet:
    total = max(report["labelled"], 1)
    return Sheet(
        "Labels given",
        [Column("label", "label"), Column("utterances", "utterances", right=True), _share("share")],
        [
            Entry({"label": name, "utterances": n, "share": n / total})
            for name, n in report["labels"].items()
        ],
    )


def _gold(gold: Mapping[str, Any]) -> Iterator[Sheet]:
    notes = [
        f"{gold['rows_with_gold']} rows have gold; in {gold['gold_without_counterpart']} it has no "
        f"counterpart there; {gold['rows_with_one_label']} have one label. "
        f"{gold['labels_without_counterpart']} weak labels have no counterpart and count as "
        "abstentions."
    ]
    if gold["several_labels"]:
        several = gold["several_labels"]
        notes.append(
            f"All {several['rows']} labelled rows with gold, {several['rows_with_several']} of "
            f"them with several labels: hit in the gold set {shown(several['hit_in_gold_set'])}, "
            f"macro-F1 {several['macro_f1']:.3f}."
        )
    heads = {"uar": "UAR", "kappa": "kappa", "wa": "accuracy", "macro_f1": "macro-F1"}
    counted = {
        "abstention_is_wrong": "an abstention is wrong",
        "abstention_left_out": "abstentions left out",
    }
    rows = [{"counted": words, **_scores(gold[key])} for key, words in counted.items() if gold[key]]
    columns = [Column("counted", ""), *(_score(key, head) for key, head in heads.items())]
    title = f"Against gold, in {gold['taxonomy']}"
    yield Sheet(title, columns, list(map(Entry, rows)), notes)
    columns = [
        Column("label", "label"),
        Column("support", "gold", right=True),
        Column("given", "given", right=True),
        _score("precision", "precision"),
        _score("recall", "recall"),
    ]
    classes = [
        _scores(
            {
                **scores,
                "precision": scores["precision"] if scores["given"] else None,
                "recall": scores["recall"] if scores["support"] else None,
            }
        )
        for scores in gold["per_class"]
    ]
    yield Sheet(f"{title}, label by label", columns, list(map(Entry, classes)))


def _score(key: str, head: str) -> Column:
    return Column(key, head, partial(decimal, digits=3), True)


def _scores(values: Mapping[str, Any]) -> dict[str, Any]:
    """Returns values of a report with its scores as metrics."""
    return {
        key: Metric(**value) if isinstance(value, Mapping) else value
        for key, value in values.items()
    }


def _by(groups: Mapping[str, Any]) -> Iterator[Sheet]:
    columns = [
        Column("low", "from", "{:.3g}".format, True),
        Column("high", "to", "{:.3g}".format, True),
        Column("utterances", "utterances", right=True),
        _share("coverage"),
        _share("mean_confidence", "mean confidence"),
        _score("agreement", "agreement with gold"),
    ]
    for name, title in GROUPS.items():
        if name in groups:
            yield Sheet(f"By {title}", columns, [Entry(_scores(group)) for group in groups[name]])
    if "speakers" in groups:
        yield _by_speaker(groups["speakers"])


def _by_speaker(speakers: Mapping[str, Any]) -> Sheet:
    marks = ("least", "25 %", "median", "75 %", "most")
    rows = [
        {"measure": name, "speakers": measured["speakers"]}
        | dict(zip(marks, measured["quantiles"], strict=True))
        for name in ("coverage", "agreement")
        if (measured := speakers.get(name)) and measured["quantiles"]
    ]
    return Sheet(
        "By speaker",
        [Column("measure", ""), Column("speakers", "speakers", right=True), *map(_share, marks)],
        list(map(Entry, rows)),
        [
            f"{speakers['speakers']} speakers; quantiles over those with at least "
            f"{speakers['least_utterances']} utterances"
        ],
    )


def _share(key: str, head: str | None = None) -> Column:
    return Column(key, head or key, "{:.3f}".format, True)


def confusion_picture(gold: Mapping[str, Any]) -> Any:
    """Returns a matplotlib figure: for each gold label, the share of each weak label."""
    axes, _ = heat_map(gold["confusion"], gold["labels"], gold["labels"], top=1)
    axes.set_xlabel("weak label")
    axes.set_ylabel("gold label (rows)")
    axes.set_title("Share of each gold label's rows, %", fontsize=9, loc="left")
    return axes.figure


def risk_picture(risk: Mapping[str, Any]) -> Any:
    """Returns a matplotlib figure: the error left when only the surest labels are kept."""
    figure, axes = plain_figure(5.6, 3.6)
    axes.plot(risk["coverage"], risk["risk"], color=BLUE, label="by the labeler's confidence")
    axes.axhline(risk["overall_risk"], color=GREY, linestyle="--", label="all labels")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_xlabel("coverage: share of gold rows that keep their label")
    axes.set_ylabel("risk: share of kept labels that are wrong")
    axes.set_title(f"Area {shown(risk['area'])}", fontsize=9, loc="left")
    axes.legend(frameon=False, fontsize=8)
    return figure


def reliability_picture(bins: Sequence[Mapping[str, Any]]) -> Any:
    """Returns a matplotlib figure: share of gold votes at each confidence, with the diagonal."""
    figure, axes = plain_figure(4.2, 4.0)
    xs, shares = [one["confidence"] for one in bins], [one["share"] for one in bins]
    for x, share in zip(xs, shares, strict=True):
        if share["interval"] is not None:
            ends = share["interval"]["low"], share["interval"]["high"]
            axes.plot([x, x], ends, color=BLUE, linewidth=1)
    axes.plot(xs, [share["value"] for share in shares], color=BLUE, marker="o")
    axes.plot([0, 1], [0, 1], color=GREY, linestyle="--")
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set(xlabel="confidence of the label", ylabel="share of gold votes for it")
    return figure


def label_picture(report: Mapping[str, Any]) -> Any:
    """Returns a matplotlib figure: how often each label was given."""
    names, counts = list(report["labels"]), list(report["labels"].values())
    total = max(sum(counts), 1)
    figure, axes = plain_figure(5.6, 1.2 + 0.24 * len(names))
    axes.barh(range(len(names)), [count / total for count in counts], color=BLUE)
    axes.set_yticks(range(len(names)), [*map(visible, names)])
    axes.invert_yaxis()
    axes.tick_params(labelsize=8)
    axes.set_xlabel("share of the labels given")
    return figure

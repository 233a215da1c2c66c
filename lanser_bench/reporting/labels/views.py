"""A report on weak labels as Markdown and as pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ...stages.label.run import ODD_TEXTS

BLUE, GREY = "#0072b2", "#888888"
GROUPS = {
    "asr_avg_logprob": "recogniser's mean log-probability",
    "asr_no_speech_prob": "recogniser's no-speech probability",
    "words": "length in words",
    "seconds": "length in seconds",
}


def markdown(report: Mapping[str, Any], pictures: Mapping[str, str]) -> str:
    """Returns the report as Markdown.

    Args:
        report: what `label_report` writes as ``report.json``.
        pictures: name → file beside it.
    """
    lines = [*_head(report), *_given(report)]
    gold = report["gold"]
    if gold is not None:
        lines += _gold(gold) if gold["compared"] else ["## Gold", "", f"{gold['reason']}", ""]
    lines += _by(report["by"])
    for title, file in pictures.items():
        lines += [f"![{title}]({file})", ""]
    return "\n".join(lines)


def summary_lines(report: Mapping[str, Any]) -> list[str]:
    """The report in a few sentences, for a terminal."""
    lines = [
        f"{report['utterances']} utterances, coverage {shown(report['coverage'])}, entropy "
        f"{report['label_entropy_bits']:.2f} of {report['max_entropy_bits']:.2f} bits, never "
        f"given: {', '.join(report['never_firing']) or 'none'}",
    ]
    if report["abstained"]:
        reasons = ", ".join(f"{n} {reason}" for reason, n in report["abstained"].items())
        lines.append(f"Without a label: {reasons}")
    lines += [
        f"Texts {ODD_TEXTS[what]}: {n}" for what, n in report.get("odd_texts", {}).items() if n
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
    return lines


def shown(score: Mapping[str, Any]) -> str:
    """Formats a score with its interval, where it has one."""
    made = score["interval"]
    if made is None:
        return f"{score['value']:.3f}"
    return f"{score['value']:.3f} [{made['low']:.3f}, {made['high']:.3f}]"


def _head(report: Mapping[str, Any]) -> Iterator[str]:
    made = report["made_with"]
    yield f"# Weak labels of {made['dataset']}: {made['labeler']}, {made['taxonomy']}"
    yield ""
    yield from (f"- {line}" for line in summary_lines(report))
    yield f"- Transcripts: {made['asr'] or 'none, the labeler reads no text'}"
    yield ""


def _given(report: Mapping[str, Any]) -> Iterator[str]:
    yield "## Labels given"
    yield ""
    total = max(report["labelled"], 1)
    yield from _table(
        ("label", "utterances", "share"),
        [(n, str(c), f"{c / total:.3f}") for n, c in report["labels"].items()],
    )


def _gold(gold: Mapping[str, Any]) -> Iterator[str]:
    yield f"## Against gold, in {gold['taxonomy']}"
    yield ""
    yield (
        f"{gold['rows_with_gold']} rows have gold; in {gold['gold_without_counterpart']} it has no "
        f"counterpart there; {gold['rows_with_one_label']} have one label. "
        f"{gold['labels_without_counterpart']} weak labels have no counterpart and count as "
        "abstentions."
    )
    yield ""
    rows = []
    for words, key in (
        ("an abstention is wrong", "abstention_is_wrong"),
        ("abstentions left out", "abstention_left_out"),
    ):
        if gold[key] is not None:
            names = ("uar", "kappa", "wa", "macro_f1")
            rows.append((words, *(shown(gold[key][name]) for name in names)))
    yield from _table(("", "UAR", "kappa", "accuracy", "macro-F1"), rows)
    if gold["several_labels"]:
        several = gold["several_labels"]
        yield (
            f"All {several['rows']} labelled rows with gold, {several['rows_with_several']} of "
            f"them with several labels: hit in the gold set {shown(several['hit_in_gold_set'])}, "
            f"macro-F1 {several['macro_f1']:.3f}."
        )
        yield ""
    yield from _table(
        ("label", "gold", "given", "precision", "recall"),
        [
            (
                c["label"],
                str(c["support"]),
                str(c["given"]),
                shown(c["precision"]) if c["given"] else "–",
                shown(c["recall"]) if c["support"] else "–",
            )
            for c in gold["per_class"]
        ],
    )


def _by(groups: Mapping[str, Any]) -> Iterator[str]:
    for name, title in GROUPS.items():
        if name not in groups:
            continue
        yield f"## By {title}"
        yield ""
        yield from _table(
            ("from", "to", "utterances", "coverage", "mean confidence", "agreement with gold"),
            [
                (
                    f"{g['low']:.3g}",
                    f"{g['high']:.3g}",
                    str(g["utterances"]),
                    f"{g['coverage']:.3f}",
                    "–" if g["mean_confidence"] is None else f"{g['mean_confidence']:.3f}",
                    shown(g["agreement"]) if "agreement" in g else "–",
                )
                for g in groups[name]
            ],
        )
    if "speakers" in groups:
        yield from _by_speaker(groups["speakers"])


def _by_speaker(found: Mapping[str, Any]) -> Iterator[str]:
    yield "## By speaker"
    yield ""
    yield (
        f"{found['speakers']} speakers; quantiles over those with at least "
        f"{found['least_utterances']} utterances."
    )
    yield ""
    yield from _table(
        ("", "speakers", "least", "25 %", "median", "75 %", "most"),
        [
            (name, str(found[name]["speakers"]), *(f"{q:.3f}" for q in found[name]["quantiles"]))
            for name in ("coverage", "agreement")
            if name in found and found[name]["quantiles"]
        ],
    )


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""


def confusion_picture(gold: Mapping[str, Any]) -> Any:
    """Returns a matplotlib figure: for each gold label, the share of each label given."""
    import numpy as np
    from matplotlib.figure import Figure

    names, counts = gold["labels"], np.array(gold["confusion"], dtype=float)
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    k = len(names)
    figure = Figure(figsize=(2.6 + 0.36 * k, 2.0 + 0.3 * k), layout="constrained")
    axes = figure.add_subplot()
    axes.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="auto")
    axes.set_xticks(range(k), names, rotation=60, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(k), [f"{n} ({int(t)})" for n, t in zip(names, totals[:, 0], strict=True)])
    axes.tick_params(labelsize=8, length=0)
    axes.set_xlabel("weak label")
    axes.set_ylabel("gold label (rows)")
    for row, column in zip(*np.nonzero(counts), strict=True):
        share = shares[row, column]
        if share >= 0.01:
            axes.text(
                column,
                row,
                f"{100 * share:.0f}",
                ha="center",
                va="center",
                fontsize=6.5,
                color="white" if share > 0.6 else "#333333",
            )
    axes.set_title("Share of each gold label's rows, %", fontsize=9, loc="left")
    return figure


def risk_picture(risk: Mapping[str, Any]) -> Any:
    """Returns a matplotlib figure: the error left when only the surest labels are kept."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 3.6), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(risk["coverage"], risk["risk"], color=BLUE, label="by the labeler's confidence")
    axes.axhline(risk["overall_risk"], color=GREY, linestyle="--", label="all labels")
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1)
    axes.set_xlabel("coverage: share of gold rows that keep their label")
    axes.set_ylabel("risk: share of kept labels that are wrong")
    axes.set_title(f"Area {shown(risk['area'])}", fontsize=9, loc="left")
    axes.legend(frameon=False, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    return figure


def label_picture(report: Mapping[str, Any]) -> Any:
    """Returns a matplotlib figure: how often each label was given."""
    from matplotlib.figure import Figure

    names, counts = list(report["labels"]), list(report["labels"].values())
    total = max(sum(counts), 1)
    figure = Figure(figsize=(5.6, 1.2 + 0.24 * len(names)), layout="constrained")
    axes = figure.add_subplot()
    axes.barh(range(len(names)), [count / total for count in counts], color=BLUE)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.tick_params(labelsize=8)
    axes.set_xlabel("share of the labels given")
    axes.spines[["top", "right"]].set_visible(False)
    return figure

"""Shows the gate's result: as a table, Markdown for a job summary, JUnit XML and JSON."""

from __future__ import annotations

from collections import Counter
from typing import Any
from xml.etree import ElementTree

from ...evaluation.label_quality import Scale
from ...evaluation.results import Metric
from ...numbers import decimal, detectable_text, p_text, percent
from ...printing import markdown_text, visible
from ..tables.sheet import Column, Entry, Sheet, Shown, plain
from ..tables.sheet import markdown as sheet_markdown
from .gate import GateResult
from .verdicts import EQUAL, Compared, scale_of

MARKS = {"worse": "✗", "better": "↑", "same": "=", "undecided": "?"}


def sheet(found: GateResult) -> Sheet:
    """Returns the compared scores as a table, worst first; shares are shown in points."""
    order = list(MARKS)
    rows = sorted(found.compared, key=lambda row: (order.index(row.verdict), row.cell, row.metric))
    return Sheet(
        title=_title(found),
        columns=[
            Column("verdict", "verdict"),
            Column("score", "score"),
            Column("cell", "cell"),
            Column("baseline", "baseline", right=True),
            Column("candidate", "candidate", right=True),
            Column("difference", "difference", right=True, about="candidate minus baseline"),
            Column("p", "p", p_text, True),
            Column("detectable", "detectable", right=True, order=1),
            Column("seeds", "seeds", right=True, order=2),
        ],
        rows=[_entry(found, row) for row in rows],
    )


def _entry(found: GateResult, row: Compared) -> Entry:
    scale = scale_of(row.metric)
    difference = Metric(value=row.difference, interval=row.interval)
    size = detectable_text(row.detectable, points=scale.points)
    return Entry(
        {
            "verdict": Shown(row.verdict, f"{MARKS[row.verdict]} {row.verdict}"),
            "score": Shown(row.metric, title_of(row.metric, scale)),
            "cell": found.title(row.cell),
            "baseline": Shown(row.baseline, _text(scale, Metric(value=row.baseline))),
            "candidate": Shown(row.candidate, _text(scale, Metric(value=row.candidate))),
            "difference": Shown(difference, _text(scale, difference, sign=True)),
            "p": row.p_value,
            "detectable": Shown(row.detectable, size),
            "seeds": f"{row.seeds[0]} / {row.seeds[1]}" if row.cell.target >= 0 else "–",
        },
        row.verdict,
    )


def _text(scale: Scale, metric: Metric, *, sign: bool = False) -> str:
    return percent(metric, sign=sign) if scale.points else decimal(metric, digits=3, sign=sign)


def title_of(metric: str, scale: Scale) -> str:
    """Returns the name of a score in tables."""
    name = scale.title.upper() if metric in ("uar", "wa", "macro_f1") else scale.title
    return f"{name} ↓" if scale.lower_is_better else name


def sentences(found: GateResult) -> list[str]:
    """Returns what is not in the table: changes, what was not compared, why rows are undecided."""
    said = [f"changed: {sentence}" for sentence in found.changes]
    said += [f"baseline of {sentence}" for sentence in found.baselines]
    said += [f"not compared: {found.title(c.cell)}: {c.why}" for c in found.not_compared]
    whys = Counter(row.why for row in found.of("undecided"))
    said += [f"undecided: {n} score{'s' * (n > 1)}: {why}" for why, n in whys.items()]
    said += [f"slower: {sentence}" for sentence in found.warnings]
    return [*said, *(f"ignored: {sentence}" for sentence in found.ignored)]


def summary(found: GateResult) -> str:
    """Returns one line with all counts."""
    counts = [f"{len(found.of(v))} {v}" for v in ("worse", "undecided", "same", "better")]
    return f"{', '.join(counts)}; {len(found.lost)} of the baseline's cells not compared"


def markdown(found: GateResult, *, passed: bool) -> str:
    """Returns a page for a job's summary."""
    verdict = "passed" if passed else "failed"
    parts = [f"## Gate: {verdict}\n\n{markdown_text(summary(found))}.\n"]
    if found.compared:
        parts.append(sheet_markdown(sheet(found), "{}"))
    parts += [f"- {markdown_text(sentence)}" for sentence in sentences(found)]
    return "\n".join(parts).rstrip() + "\n"


def junit(found: GateResult, *, strict: bool = False, allow_changes: bool = False) -> str:
    """Returns JUnit XML: a test case per cell; what stops the gate is a failure."""
    suite = ElementTree.Element("testsuite", name="lanser-bench gate")
    failures = skipped = 0
    table = sheet(found)
    for row in found.compared:
        case = _case(suite, row.cell.experiment, f"{row.cell}, {row.metric}")
        cells = table.texts(_entry(found, row))[3:]
        text = f"{row.verdict}: {row.why}. {' · '.join(cells)}"
        if row.verdict == "worse" or (strict and row.verdict == "undecided"):
            ElementTree.SubElement(case, "failure", message=row.why).text = text
            failures += 1
        elif row.verdict == "undecided":
            ElementTree.SubElement(case, "skipped", message=row.why)
            skipped += 1
        ElementTree.SubElement(case, "system-out").text = text
    for lost in found.not_compared:
        case = _case(suite, lost.cell.experiment, str(lost.cell))
        if lost.new or (allow_changes and not lost.failed):
            ElementTree.SubElement(case, "skipped", message=lost.why)
            skipped += 1
        else:
            ElementTree.SubElement(case, "failure", message=lost.why)
            failures += 1
    if found.changes or found.warnings:
        said = [s for s in sentences(found) if s.startswith(("changed: ", "slower: "))]
        ElementTree.SubElement(suite, "system-out").text = "\n".join(said)
    total = len(found.compared) + len(found.not_compared)
    suite.attrib |= {"tests": str(total), "failures": str(failures), "skipped": str(skipped)}
    ElementTree.indent(suite)
    text = visible(ElementTree.tostring(suite, encoding="unicode"))
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def as_json(found: GateResult, *, passed: bool) -> dict[str, Any]:
    """Returns all of it as plain JSON values; scores are shares."""
    return {"passed": passed, **plain(found)}


def _case(suite: ElementTree.Element, experiment: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=experiment, name=name)


def _title(found: GateResult) -> str:
    n = sum(row.why != EQUAL for row in found.compared)
    cells = any(row.cell.target >= 0 for row in found.compared)
    return (
        "Candidate minus baseline (shares in points; ↓ lower is better), 95 % intervals over "
        f"{'seeds × speakers' if cells else 'speakers or groups of texts'}; p by Holm over {n}; "
        f"tolerance {100 * found.tolerance:g} points"
    )

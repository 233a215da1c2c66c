"""Shows the gate's result: as a table, Markdown for a job summary, JUnit XML and JSON."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from ...evaluation.results import Metric
from ...numbers import p_text
from ..tables.sheet import Column, Entry, Sheet, Shown, markdown_text, plain
from ..tables.sheet import markdown as sheet_markdown
from .gate import Compared, GateResult
from .responses import Response

MARKS = {"worse": "✗", "better": "↑", "same": "=", "undecided": "?"}


def sheet(found: GateResult) -> Sheet:
    """Returns the compared cells as a table, worst first; scores are shown in points."""
    order = list(MARKS)
    response = Response(found.metric)

    def show(value: float) -> str:
        return response.text(Metric(value=value))

    rows = sorted(found.compared, key=lambda row: (order.index(row.verdict), row.cell))
    return Sheet(
        title=_title(found),
        columns=[
            Column("verdict", "verdict"),
            Column("cell", "cell"),
            Column("baseline", "baseline", show, True),
            Column("candidate", "candidate", show, True),
            Column("difference", "difference", right=True, about="candidate minus baseline"),
            Column("p", "p", p_text, True),
            Column("detectable", "detectable", response.size_text, True),
            Column("seeds", "seeds", right=True),
        ],
        rows=[_entry(found, row, response) for row in rows],
    )


def _entry(found: GateResult, row: Compared, response: Response) -> Entry:
    difference = Metric(value=row.difference, interval=row.interval)
    return Entry(
        {
            "verdict": Shown(row.verdict, f"{MARKS[row.verdict]} {row.verdict}"),
            "cell": found.title(row.cell),
            "baseline": row.baseline,
            "candidate": row.candidate,
            "difference": Shown(difference, response.text(difference, sign=True)),
            "p": row.p_value,
            "detectable": row.detectable,
            "seeds": f"{row.seeds[0]} / {row.seeds[1]}",
        },
        row.verdict,
    )


def sentences(found: GateResult) -> list[str]:
    """Returns what is not in the table: what was not compared, and why cells are undecided."""
    said = [f"not compared: {found.title(c.cell)}: {c.why}" for c in found.not_compared]
    said += [f"undecided: {found.title(c.cell)}: {c.why}" for c in found.of("undecided")]
    said += [f"baseline of {sentence}" for sentence in found.baselines]
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
    table, response = sheet(found), Response(found.metric)
    for row in found.compared:
        case = _case(suite, row.cell.experiment, str(row.cell))
        cells = table.texts(_entry(found, row, response))[2:]
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
        if lost.new or allow_changes:
            ElementTree.SubElement(case, "skipped", message=lost.why)
            skipped += 1
        else:
            ElementTree.SubElement(case, "failure", message=lost.why)
            failures += 1
    total = len(found.compared) + len(found.not_compared)
    suite.attrib |= {"tests": str(total), "failures": str(failures), "skipped": str(skipped)}
    ElementTree.indent(suite)
    text = ElementTree.tostring(suite, encoding="unicode")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def as_json(found: GateResult, *, passed: bool) -> dict[str, Any]:
    """Returns all of it as plain JSON values; scores are shares."""
    return {"passed": passed, **plain(found)}


def _case(suite: ElementTree.Element, experiment: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=experiment, name=name)


def _title(found: GateResult) -> str:
    response = Response(found.metric)
    name = (
        response.title.upper() if response.metric in ("uar", "wa", "macro_f1") else response.title
    )
    size, unit = (100, " in points") if response.points else (1, "")
    lower = ", lower is better" if response.lower_is_better else ""
    return (
        f"{name}{unit}{lower}, candidate minus baseline, 95 % intervals over seeds × speakers; p "
        f"by Holm over {len(found.compared)}; tolerance {size * found.tolerance:g}"
    )

"""Shows what the gate found: terminal, Markdown for a job summary, JUnit XML, JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from ..tables.texts import detectable_text, p_text
from .gate import Compared, GateResult

if TYPE_CHECKING:
    from rich.table import Table

HEADS = ("verdict", "cell", "baseline", "candidate", "difference", "p", "detectable", "seeds")
MARKS = {"worse": "✗", "better": "↑", "same": "=", "undecided": "?"}
STYLES = {"worse": "bold red", "better": "green", "same": "", "undecided": "yellow"}


def cells(found: Compared) -> list[str]:
    """Returns a cell's texts under `HEADS`; scores in points."""
    interval = found.interval
    span = f" [{100 * interval.low:+z.1f}, {100 * interval.high:+z.1f}]" if interval else ""
    return [
        f"{MARKS[found.verdict]} {found.verdict}",
        str(found.cell),
        f"{100 * found.baseline:.1f}",
        f"{100 * found.candidate:.1f}",
        f"{100 * found.difference:+z.1f}{span}",
        p_text(found.p_value),
        detectable_text(found.detectable),
        f"{found.seeds[0]} / {found.seeds[1]}",
    ]


def table(found: GateResult) -> Table:
    """Returns the terminal table of the compared cells, worst first."""
    from rich.markup import escape
    from rich.table import Table

    made = Table(title=escape(_title(found)), title_justify="left")
    for head in HEADS:
        made.add_column(head, justify="left" if head in HEADS[:2] else "right", overflow="fold")
    for row in _sorted(found):
        made.add_row(*map(escape, cells(row)), style=STYLES[row.verdict])
    return made


def sentences(found: GateResult) -> list[str]:
    """Returns what is not in the table: what was not compared, and why cells are undecided."""
    said = [f"not compared: {cell.cell}: {cell.why}" for cell in found.not_compared]
    said += [f"undecided: {cell.cell}: {cell.why}" for cell in found.of("undecided")]
    return [*said, *(f"ignored: {sentence}" for sentence in found.ignored)]


def summary(found: GateResult) -> str:
    """Returns one line with all counts."""
    counts = [f"{len(found.of(v))} {v}" for v in ("worse", "undecided", "same", "better")]
    return f"{', '.join(counts)}; {len(found.lost)} of the baseline's cells not compared"


def markdown(found: GateResult, *, passed: bool) -> str:
    """Returns a page for a job's summary."""
    lines = [f"## Gate: {'passed' if passed else 'failed'}", "", _md(summary(found)) + ".", ""]
    if found.compared:
        lines += [
            f"{_md(_title(found))}",
            "",
            "| " + " | ".join(HEADS) + " |",
            "|" + " --- |" * len(HEADS),
        ]
        lines += ["| " + " | ".join(map(_md, cells(row))) + " |" for row in _sorted(found)]
        lines.append("")
    lines += [f"- {_md(sentence)}" for sentence in sentences(found)]
    return "\n".join(lines).rstrip() + "\n"


def junit(found: GateResult, *, strict: bool = False, allow_changes: bool = False) -> str:
    """Returns JUnit XML: a test case per cell; what stops the gate is a failure."""
    suite = ElementTree.Element("testsuite", name="lanser-bench gate")
    failures = skipped = 0
    for row in found.compared:
        case = _case(suite, row.cell.experiment, str(row.cell))
        text = f"{row.verdict}: {row.why}. {' · '.join(cells(row)[2:])}"
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
    return {
        "passed": passed,
        "metric": found.metric,
        "tolerance": found.tolerance,
        "compared": [
            {
                **asdict(row),
                "cell": row.cell._asdict(),
                "interval": row.interval.model_dump(mode="json") if row.interval else None,
            }
            for row in found.compared
        ],
        "not_compared": [{**asdict(r), "cell": r.cell._asdict()} for r in found.not_compared],
        "ignored": found.ignored,
    }


def _case(suite: ElementTree.Element, experiment: str, name: str) -> ElementTree.Element:
    return ElementTree.SubElement(suite, "testcase", classname=experiment, name=name)


def _sorted(found: GateResult) -> list[Compared]:
    order = list(MARKS)
    return sorted(found.compared, key=lambda row: (order.index(row.verdict), row.cell))


def _title(found: GateResult) -> str:
    name = found.metric.replace("_", "-").upper() if found.metric != "area" else "area"
    return (
        f"{name} in points, candidate minus baseline, 95 % intervals over seeds × speakers; p by "
        f"Holm over {len(found.compared)}; tolerance {100 * found.tolerance:g}"
    )


def _md(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")

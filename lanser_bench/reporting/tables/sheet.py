"""One table, many forms: a `Sheet` is shown as Markdown, HTML, CSV, LaTeX and JSON.

Terminal tables are drawn by `terminal`, from the same sheet.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from html import escape
from typing import Any, NamedTuple

from pydantic import BaseModel

from ...evaluation.results import Metric
from .form import Format

NONE = "–"
"""Shown for a missing value."""
ONE_SEED = "* one training seed: variation between seeds is not included"
"""Note on a p-value that is marked with a star."""
CSS = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color-scheme:light dark}"
    "table{border-collapse:collapse;margin:1rem 0}th,td{padding:.3rem .7rem;text-align:left;"
    "border-bottom:1px solid #8884}tr.control,tr.majority{opacity:.75;font-style:italic}"
)


APART = ("control", "majority", "mean")
"""Roles of rows that follow a rule."""


class Shown(NamedTuple):
    """A value with its own text, where the column's format does not say enough."""

    value: Any
    text: str


@dataclass(frozen=True)
class Column:
    """One column of a sheet."""

    key: str
    """Name in CSV and JSON, and of the value in a row."""
    head: str | None
    """Heading; None for a column of CSV and JSON alone."""
    show: Callable[[Any], str] = str
    """Formats a value that is not missing."""
    right: bool = False
    about: str = ""
    """What the column means."""
    order: int | None = None
    """None: always shown. Else terminals show columns of low order first and leave out the rest."""
    beside: bool = False
    """Whether terminals show it only beside the column before it."""


@dataclass(frozen=True)
class Entry:
    """One row of a sheet."""

    values: Mapping[str, Any]
    """Column's key → value, or `Shown`; a missing one is shown as a dash."""
    role: str = ""
    """How it is set off: see `terminal.STYLES`; HTML has it as a class."""


@dataclass(frozen=True)
class Sheet:
    """A titled table with notes."""

    title: str
    columns: Sequence[Column]
    rows: Sequence[Entry]
    notes: Sequence[str] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What all rows share: the first columns in CSV and JSON."""
    whole: str = ""
    """Command that shows all columns, named where a terminal is too narrow."""
    shared: str = ""
    """What all rows share, in words, for people."""

    @property
    def shown(self) -> list[Column]:
        """Columns that people see."""
        return [column for column in self.columns if column.head is not None]

    @property
    def heads(self) -> list[str]:
        """Headings of the columns that people see."""
        return [column.head or "" for column in self.shown]

    def texts(self, entry: Entry) -> list[str]:
        """Returns a row's texts under `heads`."""
        return [_text(column, entry.values.get(column.key)) for column in self.shown]

    def records(self) -> list[dict[str, Any]]:
        """Returns rows as plain values; a score's interval is in ``KEY_low`` and ``KEY_high``."""
        return [
            {
                **self.facts,
                **{
                    key: value
                    for column in self.columns
                    for key, value in _fields(column.key, entry.values.get(column.key))
                },
            }
            for entry in self.rows
        ]


def _text(column: Column, value: Any) -> str:
    if isinstance(value, Shown):
        return value.text
    return NONE if value is None else column.show(value)


def _fields(key: str, value: Any) -> list[tuple[str, Any]]:
    value = value.value if isinstance(value, Shown) else value
    if not isinstance(value, Metric):
        return [(key, value)]
    made = value.interval
    low, high = (None, None) if made is None else (made.low, made.high)
    return [(key, value.value), (f"{key}_low", low), (f"{key}_high", high)]


def rendered(sheets: Sequence[Sheet], form: Format, title: str = "") -> str:
    """Returns sheets as Markdown, HTML, CSV or LaTeX.

    Args:
        sheets: the tables.
        form: one of these four.
        title: of the HTML page.
    """
    if form is Format.html:
        return html(sheets, title)
    if form is Format.csv:
        return csv_text(sheets)
    return "\n".join(map(latex if form is Format.latex else markdown, sheets))


def markdown(sheet: Sheet, heading: str = "## {}") -> str:
    """Returns a heading, a table and its notes as a list.

    Args:
        sheet: the table.
        heading: how the title is written; a sheet without a title has none.
    """
    lines = [heading.format(markdown_text(sheet.title)), ""] if sheet.title else []
    lines += [markdown_text(f"All rows: {sheet.shared}."), ""] if sheet.shared else []
    lines += [_md_row(sheet.heads), "|" + " --- |" * len(sheet.heads)]
    lines += [_md_row(_emphasised(entry, sheet.texts(entry))) for entry in sheet.rows]
    notes = [f"- {markdown_text(note)}" for note in sheet.notes]
    return "\n".join([*lines, "", *([*notes, ""] if notes else [])])


def _emphasised(entry: Entry, texts: Sequence[str]) -> list[str]:
    mark = "*" if entry.role == "control" else ""
    return [f"{mark}{text}{mark}" if text not in ("", NONE) else text for text in texts]


def _md_row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(map(markdown_text, texts))} |"


def markdown_text(text: str) -> str:
    """Escapes a text for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def html(sheets: Sequence[Sheet], title: str) -> str:
    """Returns a page without scripts; every text is escaped."""
    parts = []
    for sheet in sheets:
        head = "".join(map(_th, sheet.shown))
        body = "".join(_tr(sheet.texts(entry), entry.role) for entry in sheet.rows)
        notes = "".join(f"<li>{escape(note)}</li>" for note in sheet.notes)
        parts.append(
            f"<h2>{escape(sheet.title)}</h2><table><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table><ul>{notes}</ul>"
        )
    return (
        f'<!doctype html><html lang=en><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{CSS}</style><h1>{escape(title)}</h1>{''.join(parts)}</html>\n"
    )


def _th(column: Column) -> str:
    about = f' title="{escape(column.about)}"' if column.about else ""
    return f"<th scope=col{about}>{escape(column.head or '')}</th>"


def _tr(texts: Sequence[str], role: str) -> str:
    of = f" class={role}" if role else ""
    return f"<tr{of}>" + "".join(f"<td>{escape(text)}</td>" for text in texts) + "</tr>"


def csv_text(sheets: Sequence[Sheet]) -> str:
    """Returns numbers, not texts: a header, and a line per row of every sheet."""
    return csv_lines([line for sheet in sheets for line in sheet.records()])


def csv_lines(lines: Sequence[Mapping[str, Any]]) -> str:
    """Returns plain values as CSV, with the columns of all lines."""
    out = io.StringIO()
    names = dict.fromkeys(name for line in lines for name in line)
    writer = csv.DictWriter(out, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


LATEX = str.maketrans(
    {mark: f"\\{mark}" for mark in "&%$#_{}"}
    | {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
    | {"<": r"\textless{}", ">": r"\textgreater{}", "²": r"\textsuperscript{2}"}
    | {"→": r"$\rightarrow$", "−": "$-$", "×": r"$\times$", "\n": " "}
)


def latex_text(text: str) -> str:
    """Escapes a text for LaTeX; a hyphen before a digit becomes a minus sign."""
    return re.sub(r"(?<![\w.])-(?=\d)", "$-$", text.translate(LATEX))


def latex(sheet: Sheet) -> str:
    """Returns a table of the packages ``booktabs`` and ``caption``; notes stand below it."""

    def line(texts: Sequence[str]) -> str:
        return " & ".join(map(latex_text, texts)) + r" \\"

    align = "".join("r" if column.right else "l" for column in sheet.shown)
    body: list[str] = []
    for number, entry in enumerate(sheet.rows):
        if number and set_off(sheet.rows[number - 1], entry):
            body.append(r"\midrule")
        body.append(line(sheet.texts(entry)))
    notes = [rf"\par\footnotesize {latex_text(note)}" for note in sheet.notes]
    return "\n".join(
        [
            r"\begin{table}",
            rf"\caption{{{latex_text(sheet.title)}}}",
            rf"\begin{{tabular}}{{{align}}}",
            r"\toprule",
            line(sheet.heads),
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *notes,
            r"\end{table}",
            "",
        ]
    )


def set_off(before: Entry, entry: Entry) -> bool:
    """Whether a rule separates two rows: one precedes the controls, and one the mean."""
    return entry.role in APART and before.role not in APART


def plain(value: Any) -> Any:
    """Returns plain JSON values of results: models, dataclasses, named tuples and sheets.

    Entries of a dataclass's field with the metadata ``inline`` become entries of the dataclass.
    """
    if isinstance(value, Sheet):
        about = {column.key: column.about for column in value.columns}
        rows = plain(value.records())
        return {"title": value.title, "columns": about, "rows": rows, "notes": [*value.notes]}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value):
        entries: dict[str, Any] = {}
        for field in fields(value):
            item = plain(getattr(value, field.name))
            entries |= item if "inline" in field.metadata else {field.name: item}
        return entries
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return plain(value._asdict())
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value

"""One table, many forms: a `Sheet` is shown as Markdown, HTML, CSV, LaTeX and JSON.

Terminal tables are drawn by `terminal`, from the same sheet.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from html import escape
from typing import Any

from pydantic import BaseModel

from ...printing import cell, markdown_text
from .form import Format
from .latex import latex as latex
from .layout import PAGE, bound, fitted
from .table import NONE as NONE
from .table import ONE_SEED as ONE_SEED
from .table import Column as Column
from .table import Entry as Entry
from .table import Sheet as Sheet
from .table import Shown as Shown
from .table import axis_columns as axis_columns
from .table import set_off as set_off
from .table import verdict as verdict

CSS = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color-scheme:light dark}"
    "table{border-collapse:collapse;margin:1rem 0}th,td{padding:.3rem .7rem;text-align:left;"
    "border-bottom:1px solid #8884}tr.control,tr.majority{opacity:.75;font-style:italic}"
    ".num{text-align:right;white-space:nowrap}td.better{color:#0a7d32}td.worse{color:#b3261e}"
    "@media(prefers-color-scheme:dark){td.better{color:#5fd38a}td.worse{color:#ff8a80}}"
)


def rendered(sheets: Sequence[Sheet], form: Format, title: str = "") -> str:
    """Returns sheets as Markdown, HTML (a page with a title), CSV or LaTeX."""
    if form is Format.html:
        return html(sheets, title)
    if form is Format.csv:
        return csv_text(sheets)
    return "\n".join(map(latex if form is Format.latex else markdown, sheets))


def markdown(sheet: Sheet, heading: str = "## {}") -> str:
    """Returns a heading, a table as wide as GitHub's page, and its notes as a list.

    A sheet without a title has no heading.
    """
    sheet, _, hidden = fitted(sheet, PAGE, wraps=True)
    lines = [heading.format(markdown_text(sheet.title)), ""] if sheet.title else []
    lines += [markdown_text(sheet.shared), ""] if sheet.shared else []
    marks = ("---:" if column.right else "---" for column in sheet.shown)
    lines += [_md_row(sheet.heads), f"| {' | '.join(marks)} |"]
    lines += [_md_row(_emphasised(entry, sheet.texts(entry))) for entry in sheet.rows]
    away = [f"columns left out: {', '.join(hidden)} (`--format csv` has them)"] if hidden else []
    notes = [f"- {markdown_text(note)}" for note in (*sheet.remarks, *away)]
    return "\n".join([*lines, "", *([*notes, ""] if notes else [])])


def _emphasised(entry: Entry, texts: Sequence[str]) -> list[str]:
    mark = "*" if entry.role == "control" else ""
    return [f"{mark}{text}{mark}" if text not in ("", NONE) else text for text in texts]


def _md_row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(markdown_text(bound(text)) for text in texts)} |"


def html(sheets: Sequence[Sheet], title: str) -> str:
    """Returns a page without scripts; every text is escaped."""
    return (
        f'<!doctype html><html lang=en><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{CSS}</style><h1>{escape(title)}</h1>{html_tables(sheets)}</html>\n"
    )


def html_tables(sheets: Iterable[Sheet]) -> str:
    """Returns the tables of a page, with titles and notes."""
    parts = []
    for every in sheets:
        sheet, _, _ = fitted(every, None)
        head = "".join(map(_th, sheet.shown))
        body = "".join(_tr(sheet, entry) for entry in sheet.rows)
        shared = f"<p>{escape(sheet.shared)}</p>" if sheet.shared else ""
        notes = "".join(f"<li>{escape(note)}</li>" for note in sheet.remarks)
        parts.append(
            f"<h2>{escape(sheet.title)}</h2>{shared}<table><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table><ul>{notes}</ul>"
        )
    return "".join(parts)


def _th(column: Column) -> str:
    about = f' title="{escape(column.about)}"' if column.about else ""
    of = " class=num" if column.right else ""
    return f"<th scope=col{of}{about}>{escape(column.head or '')}</th>"


def _tr(sheet: Sheet, entry: Entry) -> str:
    cells = ""
    for column, text in zip(sheet.shown, sheet.texts(entry), strict=True):
        judged = entry.verdict if column.judged else ""
        names = " ".join(filter(None, ("num" if column.right else "", judged)))
        cells += f'<td class="{names}">{escape(text)}</td>' if names else f"<td>{escape(text)}</td>"
    return f"<tr class={entry.role}>{cells}</tr>" if entry.role else f"<tr>{cells}</tr>"


def csv_text(sheets: Sequence[Sheet]) -> str:
    """Returns numbers, not texts: a header, and a line per row of every sheet."""
    return csv_lines(table_rows(sheets))


def table_rows(sheets: Sequence[Sheet]) -> list[dict[str, Any]]:
    """Returns the rows of all sheets as numbers; several unlike sheets name theirs in `table`."""
    unlike = len({tuple(column.key for column in sheet.columns) for sheet in sheets}) > 1
    return [
        {"table": sheet.title, **row} if unlike else row
        for sheet in sheets
        for row in sheet.records()
    ]


def csv_lines(lines: Sequence[Mapping[str, Any]]) -> str:
    """Returns plain values as CSV, with the columns of all lines."""
    out = io.StringIO()
    names = dict.fromkeys(name for line in lines for name in line)
    writer = csv.DictWriter(out, list(names), lineterminator="\n")
    writer.writerow({name: cell(name) for name in names})
    writer.writerows({name: cell(value) for name, value in line.items()} for line in lines)
    return out.getvalue()


def plain(value: Any) -> Any:
    """Returns plain JSON values of results: models, dataclasses, named tuples and sheets.

    Entries of a dataclass's field with the metadata ``inline`` become entries of the dataclass.
    """
    if isinstance(value, Sheet):
        about = {column.key: column.about for column in value.columns}
        rows = plain(value.records())
        return {"title": value.title, "columns": about, "rows": rows, "notes": value.remarks}
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

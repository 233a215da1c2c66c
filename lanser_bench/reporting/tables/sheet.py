"""A table of texts as Markdown, HTML and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

CSS = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem;color-scheme:light dark}"
    "table{border-collapse:collapse;margin:1rem 0}th,td{padding:.3rem .7rem;text-align:left;"
    "border-bottom:1px solid #8884}tr.control{opacity:.75;font-style:italic}"
)


@dataclass(frozen=True)
class Sheet:
    """A table of texts, whatever it is printed as."""

    title: str
    heads: list[str]
    rows: list[list[str]]
    controls: list[list[str]]
    notes: list[str]


def html(sheets: Sequence[Sheet]) -> str:
    """Returns a page without scripts; every text is escaped."""
    parts = []
    for found in sheets:
        head = "".join(f"<th scope=col>{escape(text)}</th>" for text in found.heads)
        body = "".join(_tr(row, "") for row in found.rows)
        body += "".join(_tr(row, " class=control") for row in found.controls)
        said = "".join(f"<li>{escape(note)}</li>" for note in found.notes)
        parts.append(
            f"<h2>{escape(found.title)}</h2><table><thead><tr>{head}</tr></thead>"
            f"<tbody>{body}</tbody></table><ul>{said}</ul>"
        )
    return (
        '<!doctype html><html lang=en><meta charset="utf-8"><title>Leaderboard</title>'
        f"<style>{CSS}</style><h1>Leaderboard</h1>{''.join(parts)}</html>\n"
    )


def csv_text(lines: Sequence[dict[str, Any]]) -> str:
    """Returns rows as CSV with a header line."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(lines[0]) if lines else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return out.getvalue()


def _tr(row: Sequence[str], more: str) -> str:
    return f"<tr{more}>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>"


def markdown_cell(text: str) -> str:
    """Escapes a text for a cell of a Markdown table."""
    return text.replace("|", "\\|").replace("<", "&lt;")
